"""The stages: the nodes of the graph from source to report.

Rules, ``rule all``, stamps, fingerprints, `plan`, `watch`, `snapshot`, `prune` and the benchmarks
loop over them. Some (``spec``, ``restore``, ``figure``) only bring back what others made, and
have no code that a result depends on.
"""

from __future__ import annotations

from collections.abc import Iterable

from transfergrid.catalog.external import SCORED_ELSEWHERE
from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.outlined import OUTLINING
from transfergrid.catalog.questions import telling
from transfergrid.catalog.records import Stage, receipt_of
from transfergrid.catalog.tables import ANALYSES
from transfergrid.catalog.weighed import DRIFTING, RESETTING

CELL = "cells/{cell}"


def _read_by_figures() -> tuple[str, ...]:
    """Return the stages that figures are drawn from.

    Ensembles and maps, which some of them open, were there before the tables.
    """
    maker = {table.name: stage.name for stage in ANALYSES for table in stage.tables}
    made = [maker[table] for figure in FIGURES for table in figure.reads if table in maker]
    return tuple(dict.fromkeys(made))


def _named(modules: Iterable[str]) -> tuple[str, ...]:
    return tuple(module.removeprefix("transfergrid.") for module in modules)


STAGES: tuple[Stage, ...] = (
    Stage("prepare", "dataset", "cache/{dataset_id}/receipt.json", code=("data.cache",)),
    Stage("weights", "weights", "weights/{weights_id}/receipt.json", code=("models.pretraining",)),
    Stage(
        "features",
        "features",
        "features/{features_id}/receipt.json",
        reads=("prepare", "weights", "train"),
        code=("evaluation.extraction",),
    ),
    Stage(
        "spec",
        "cell",
        f"{CELL}/spec.json",
        reads=("prepare", "weights", "features", "train", "tune"),
    ),
    Stage(
        "tune",
        "tuning",
        "tuning/{tuning_id}/tuning.json",
        reads=("train",),
        code=("training.choice",),
    ),
    Stage(
        "train",
        "cell",
        f"{CELL}/train.json",
        reads=("spec",),
        writes=(f"{CELL}/receipts/train.json",),
        code=("training.loop",),
    ),
    Stage("restore", "cell", f"{CELL}/{{record}}", reads=("train",)),
    Stage(
        "evaluate",
        "cell",
        f"{CELL}/receipts/evaluate.json",
        reads=("train",),
        writes=(f"{CELL}/scores/valid.npz", f"{CELL}/scores/test.npz"),
        code=("evaluation.predict", "evaluation.ahead"),
    ),
    Stage(
        "activations",
        "state",
        "activations/{state_id}/receipt.json",
        reads=("prepare", "weights", "train"),
        code=("evaluation.activations", "training.starts"),
    ),
    DRIFTING,
    RESETTING,
    OUTLINING,
    SCORED_ELSEWHERE,
    Stage(
        "ensembles",
        "shard",
        "{study}/receipts/ensembles/{shard}.json",
        reads=("evaluate", "outlines"),
        code=("evaluation.ensembles",),
        holds=("targets", "evaluation.selections", "outlined"),
        minutes=60,
    ),
    Stage(
        "cams",
        "cell",
        "{study}/cams/{cell}.npz",
        reads=("train",),
        code=("evaluation.cam",),
        holds=("films", "tasks", "regions"),
        asked_by="cams",
    ),
    Stage(
        "gather",
        "study",
        "{study}/gathered.json",
        reads=("evaluate", "ensembles"),
        code=("runtime.sealed",),
        holds=("cells",),
    ),
    *ANALYSES,
    Stage(
        "pictures",
        "study",
        receipt_of("pictures"),
        reads=("gather", "ensembles", "cells"),
        writes=("{study}/pictures.json",),
        code=("reporting.pictures.making",),
        holds=("pictured", "evaluation.primary"),
        asked_by="pictured",
        memory_mb=4000,
        minutes=60,
    ),
    Stage(
        "mistakes",
        "study",
        receipt_of("mistakes"),
        reads=("gather", "ensembles", "cells"),
        writes=("{study}/mistakes.json",),
        code=("reporting.pictures.mistakes",),
        holds=("mistaken", "evaluation.primary", "primary_metrics"),
        asked_by="mistaken",
        memory_mb=4000,
        minutes=60,
    ),
    Stage(
        "figures",
        "study",
        receipt_of("figures"),
        reads=_read_by_figures(),
        code=("reporting.figures.drawing", *_named(figure.module for figure in FIGURES)),
        holds=(
            "evaluation.primary",
            "evaluation.confidence",
            "claims",
            "cams",
            "curves",
            "drifts",
            "filters",
            "resets",
            "similarity",
            "observers",
            "subgroups",
            "all_metrics",
            "figures",
        ),
    ),
    Stage("figure", "figure", "{study}/figures/{figure}.svg", reads=("figures",)),
    Stage(
        "report",
        "study",
        receipt_of("report"),
        reads=(
            "gather",
            *(stage.name for stage in ANALYSES),
            "pictures",
            "mistakes",
            "figures",
            "figure",
            "cams",
        ),
        writes=("{study}/report.html",),
        code=("reporting.page.page", *_named(telling())),
        # Of what a study is asked for in other words than its keys, so that its tables are shown.
        holds=(
            "tunings",
            "observers",
            "externals",
            "drifts",
            "filters",
            "resets",
            "pictured",
            "mistaken",
            "evaluation",
            "all_metrics",
            "questions",
            "claims",
            "title",
            "description",
            "recipes",
            "resolved",
            "slice",
            "source",
            "benchmark",
            "templates",
        ),
        rule="page",
    ),
)
"""Every stage; each stands after those of a study that it reads."""

STAGE = {stage.name: stage for stage in STAGES}
"""The stages by name."""
