"""The table of what a study's jobs cost, with the stage that makes it after all other tables."""

from __future__ import annotations

from collections.abc import Sequence

from transfergrid.catalog.records import Column, Stage, Table, analysis

COSTS = Table(
    name="costs",
    rows=(
        "One row per stage, and of trainings per role and device: what its jobs took, all those of "
        "the study together, though other studies may share them. Films, figures and the page are "
        "made later and are not in it."
    ),
    caption=(
        "One row per stage, and of trainings per role and device. ``seconds``, ``cpu_seconds`` and "
        "``peak_mb`` are Snakemake's measurements of whole jobs (its benchmark files), waiting and "
        "imports included, of the last run of each job; ``train_seconds`` and ``gpu_peak_mb`` are "
        "what the trainings themselves recorded. A job that Snakemake did not measure is in "
        "``jobs`` and not in ``measured``; an empty field is unknown, not zero. ``cpu_wh`` and "
        "``gpu_wh`` are of trainings and scorings whose counters could be read; the first is a "
        "share by processor time of what whole processors used."
    ),
    columns=(
        Column("stage", "what the jobs do; [design.md](design.md) lists the stages"),
        Column(
            "role",
            "of trainings: `cells of the grid`, `sources` or `learning-rate trials`; else empty",
        ),
        Column("device", "of trainings that have ended: name of the GPU, or `cpu`; else empty"),
        Column("jobs", "cells, data sets, parts of the study and so on that the stage is for"),
        Column(
            "measured",
            "those whose last run Snakemake measured: not those of an earlier build, nor those "
            "whose logs were removed",
        ),
        Column(
            "seconds",
            "seconds on the clock of the measured jobs together. A job of a cell may train further "
            "cells and score its own; their own jobs then take a moment",
        ),
        Column(
            "cpu_seconds",
            "seconds of the processor, likewise, up to Snakemake's last look at each job: it looks "
            "twice a second for 15 s, then every 30 s, and not when a job ends. So these are at "
            "least what was used, and of a job of 44 s those of its first 15",
        ),
        Column(
            "peak_mb",
            "most memory that one of them held when it was looked at, all its processes together, "
            "in MB; a short job has none, and a peak may be missed",
        ),
        Column("trained", "trainings that took place, diverged ones included; else empty"),
        Column("train_seconds", "their seconds by their own account, validations included"),
        Column("gpu_peak_mb", "most memory of a GPU that PyTorch held in one of them, in MiB"),
        Column(
            "cpu_metered",
            "jobs that recorded the energy of the processor: trainings and scorings where the "
            "kernel's counters can be read ([gpus.md](gpus.md#energy))",
        ),
        Column(
            "cpu_wh",
            "their energy together, in watt-hours: of what all packages used meanwhile, for "
            "whatever ran on them, the share that the job had of the busy processor time",
        ),
        Column("gpu_metered", "jobs that recorded the energy of their GPU"),
        Column(
            "gpu_wh",
            "their energy together, in watt-hours: the power of the whole board, read every 5 s "
            "while the job had it",
        ),
    ),
)


def costed(others: Sequence[Stage]) -> Stage:
    """Declare the stage, which waits for those that make the other tables.

    Args:
        others: All stages that make tables.
    """
    return analysis(
        "costs",
        "reporting.tables.costs:analyse",
        COSTS,
        title="Adding up what the jobs of {wildcards.study} took",
        reads=("gather", *(stage.name for stage in others)),
        holds=("benchmarks", "tunings"),
    )
