from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from snakemake.benchmark import BenchmarkRecord, BenchmarkTimer
from unit.reporting import fabricate
from unit.reporting.made_up_study import ASKED_OF_COSTS

from transfergrid.catalog.costed import COSTS
from transfergrid.catalog.stages import STAGE
from transfergrid.reporting.tables.costs import ROLES, analyse, read_benchmark
from transfergrid.runtime.energy import Energy, append_energy


def measure(path: Path, seconds: float, cpu: float | None = None, peak: float = 0.0) -> None:
    """Write what Snakemake writes of a job; without processor time, of one that ended at once."""
    record = BenchmarkRecord(running_time=seconds, max_rss=peak, cpu_time=cpu)
    record.data_collected, record.process_gone = cpu is not None, True
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "\t".join(BenchmarkRecord.get_header())
    path.write_text(f"{header}\n{record.to_tsv(False)}\n")


@pytest.fixture
def made(tree: fabricate.Tree, tmp_path: Path) -> fabricate.Tree:
    """The made-up study in a copy of its folder."""
    shutil.copytree(tree.results, tmp_path / "results")
    return fabricate.Tree(tmp_path / "results", {**tree.study, **ASKED_OF_COSTS})


def rows(made: fabricate.Tree, **changed: Any) -> dict[tuple[str, str, str], dict[str, Any]]:
    table = analyse({**made.study, **changed}, made.results, 1)["costs"]
    assert list(table.columns) == list(COSTS.header)
    return {
        (row["stage"], row["role"], row["device"]): row
        for row in table.fillna({"role": "", "device": ""}).to_dict("records")
    }


def of(role: str, study: dict[str, Any]) -> list[str]:
    return [entry["cell"] for entry in study["cells"] if entry["role"] == role]


def test_an_earlier_build_measured_nothing_and_nothing_becomes_zero(made) -> None:
    found = rows(made)
    trained = found["train", ROLES[0], "cpu"]
    ran = [
        cell
        for cell in of("target", made.study)
        if (made.results / "cells" / cell / "train.json").exists()
    ]
    assert (trained["jobs"], trained["measured"], trained["trained"]) == (len(ran), 0, len(ran))
    assert trained["train_seconds"] == pytest.approx(61.25 * len(ran))
    # A cell on a CPU held no memory of a GPU; trials ran on one.
    assert math.isnan(trained["gpu_peak_mb"])
    tried = found["train", ROLES[2], "NVIDIA H200"]
    assert (tried["trained"], tried["train_seconds"]) == (4, 4 * 36.0)
    assert tried["gpu_peak_mb"] == 900.0
    for row in found.values():
        assert row["measured"] == 0
        assert all(math.isnan(row[name]) for name in ("seconds", "cpu_seconds", "peak_mb"))
    # Cells that were never trained have no device.
    gone = found["train", ROLES[0], ""]
    assert gone["jobs"] == len(of("target", made.study)) - len(ran) and gone["trained"] == 0
    assert math.isnan(gone["train_seconds"])


def test_what_snakemake_measured_is_added_up(made) -> None:
    first, second, third = of("source", made.study)[:3]
    cells = made.results / "cells"
    measure(cells / first / "logs" / "train.tsv", 100.0, 90.5, 700.0)
    measure(cells / second / "logs" / "train.tsv", 20.25, 15.0, 800.0)
    measure(cells / third / "logs" / "train.tsv", 0.5)  # it ended before it was looked at
    measure(cells / first / "logs" / "evaluate.tsv", 3.0, 2.0, 10.0)
    found = rows(made)
    sources = found["train", ROLES[1], "cpu"]
    assert sources["jobs"] == len(of("source", made.study)) and sources["measured"] == 3
    assert sources["seconds"] == pytest.approx(120.75)
    assert sources["cpu_seconds"] == pytest.approx(105.5)
    assert sources["peak_mb"] == 800.0
    scored = found["evaluate", "", ""]
    assert (scored["jobs"], scored["measured"]) == (len(made.study["cells"]), 1)
    assert scored["seconds"] == 3.0


def test_every_stage_of_the_study_has_its_jobs(made) -> None:
    study, results = made.study, made.results
    name, (first, second, *_) = study["name"], of("target", study)
    jobs = {
        "prepare": [fabricate.DATASET],
        "weights": [],
        "activations": ["state"],
        "drift": ["moved"],
        "reset": ["reset", "again"],
        "ensembles": ["00of02", "01of02"],
        "cams": [first, second],
        "gather": [name],
        "scores": [name],
    }
    for place in (
        *("activations/logs/state", "weighings/logs/moved", "weighings/logs/reset"),
        *(f"cache/logs/{fabricate.DATASET}", f"{name}/logs/ensembles/01of02"),
        *(f"{name}/logs/cams/{first}", f"{name}/logs/gather"),
    ):
        measure(results / f"{place}.tsv", 2.0, 1.0, 5.0)
    benchmarks = [[stage, STAGE[stage].benchmark, ids] for stage, ids in jobs.items()]
    found = {stage: row for (stage, _, _), row in rows(made, benchmarks=benchmarks).items()}
    assert {stage: (row["jobs"], row["measured"]) for stage, row in found.items()} == {
        "prepare": (1, 1),
        "activations": (1, 1),
        "drift": (1, 1),
        "reset": (2, 1),
        "ensembles": (2, 1),
        "cams": (2, 1),
        "gather": (1, 1),
        "scores": (1, 0),  # made, and not measured
    }  # of weights this study has none
    assert list(found) == [stage for stage in jobs if stage in found]


def spend(results: Path, cell: str, stage: str, cpu: float | None, gpu: float | None) -> None:
    path = results / "cells" / cell / "logs" / "energy.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    append_energy(path, stage, "finished", Energy(9.0, None if cpu is None else 1e6, cpu, gpu))


def test_energy_is_in_watt_hours_and_counts_whom_it_is_of(made) -> None:
    first, second, third, _ = of("source", made.study)
    spend(made.results, first, "train", 7200.0, None)
    spend(made.results, second, "train", 1800.0, None)
    spend(made.results, first, "evaluate", 360.0, 36000.0)
    spend(made.results, third, "evaluate", None, 18000.0)
    found = rows(made)
    energy = ["cpu_metered", "cpu_wh", "gpu_metered", "gpu_wh"]
    sources = found["train", ROLES[1], "cpu"]
    assert [sources[name] for name in energy[:3]] == [2, 2.5, 0]
    assert [found["evaluate", "", ""][name] for name in energy] == [1, 0.1, 2, 15.0]
    for row in (sources, found["train", ROLES[0], "cpu"], found["prepare", "", ""]):
        assert math.isnan(row["gpu_wh"])
    assert found["prepare", "", ""]["cpu_metered"] == 0


@pytest.mark.parametrize("text", ["", "s\th:m:s\n", "s\tmax_rss\n1.0\t2.0\n", "\xff\xfe"])
def test_half_a_benchmark_file_is_none(tmp_path: Path, text: str) -> None:
    assert read_benchmark(tmp_path / "none.tsv") is None
    (tmp_path / "a.tsv").write_bytes(text.encode("latin-1"))
    assert read_benchmark(tmp_path / "a.tsv") is None


def test_snakemake_looks_as_the_columns_say(monkeypatch) -> None:
    """Twice a second for 15 s, then every 30 s, and not at the end."""
    waits: list[float] = []

    class Timer:
        def __init__(self, interval: float, function: Any) -> None:
            waits.append(interval)

        start = cancel = lambda self: None

    monkeypatch.setattr("snakemake.benchmark.DaemonTimer", Timer)
    looks: list[int] = []
    monkeypatch.setattr(BenchmarkTimer, "work", lambda self: looks.append(len(waits)))
    timer = BenchmarkTimer(os.getpid(), BenchmarkRecord())
    timer.start()
    while len(waits) < 33:
        timer._action()
    timer.cancel()
    assert waits == [0.5] * 30 + [30] * 3 and len(looks) == len(waits)
    text = next(column.meaning for column in COSTS.columns if column.name == "cpu_seconds")
    assert "twice a second for 15 s, then every 30 s" in text
