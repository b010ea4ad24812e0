"""The program of the rule train: what it makes of its own cell, and of those it goes on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from unit.training.tiny import make_cache, make_spec

from transfergrid.planning.fingerprint import stage_fingerprint
from transfergrid.planning.listed import Listed, write_neighbours
from transfergrid.planning.metrics import code_of, functions_of
from transfergrid.planning.naming import cell_name
from transfergrid.planning.neighbours import NOTES
from transfergrid.planning.paths import SCRIPTS
from transfergrid.planning.records import FINISHED, RECORD, TRAINED
from transfergrid.planning.tasks import tasks_fingerprint
from transfergrid.runtime.program import STOPPED


class Runs:
    """A folder in which the program runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_cache(folder / "results")
        (folder / NOTES).mkdir(parents=True)
        self.started: list[subprocess.Popen[str]] = []

    def put(self, **recipe: Any) -> Path:
        """Plan a cell; return its folder."""
        spec = make_spec(keep_checkpoints=1, **recipe)
        spec["dataset"]["task_kind"] = "multilabel"
        spec["code"] |= {
            "train": stage_fingerprint("train"),
            "weights": stage_fingerprint("weights"),
            "task": tasks_fingerprint(spec["dataset"]),
            "metric": code_of(functions_of(spec["metric"])),
        }
        cell = self.folder / "results" / "cells" / cell_name(spec)
        cell.mkdir(parents=True)
        (cell / "spec.json").write_text(json.dumps(spec))
        return cell

    def plan(self, *cells: Path) -> None:
        one = Listed("tiny-0", studies=("demo",))
        write_neighbours(dict.fromkeys((cell.name for cell in cells), one), self.folder / NOTES)

    def start(self, cell: Path, **environment: str) -> subprocess.Popen[str]:
        program = [sys.executable, str(SCRIPTS / "train.py"), "--gpus", "0"]
        paths = os.pathsep.join(sys.path)
        job = subprocess.Popen(
            [*program, "--spec", f"results/cells/{cell.name}/spec.json"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(job)
        return job


@pytest.fixture()
def runs(tmp_path: Path) -> Any:
    runs = Runs(tmp_path)
    yield runs
    for job in runs.started:
        job.kill()
        job.communicate()


def until(true: Callable[[], bool], job: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if true():
            return
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.05)
    pytest.fail("it did not happen within five minutes")


def ended(job: subprocess.Popen[str], status: int = 0) -> str:
    output = job.communicate(timeout=300)[0]
    assert job.returncode == status, output
    return output


def record_of(cell: Path) -> Mapping[str, Any]:
    return dict(json.loads((cell / RECORD).read_text()))


def test_a_cell_trained_ahead_is_published_without_torch(runs: Runs) -> None:
    own, ahead, gone = (runs.put(seed=seed) for seed in range(3))
    runs.plan(own, ahead)
    said = ended(runs.start(own))
    assert f"going on with {ahead.name}" in said
    assert {"finished": own.name} == {record_of(own)["status"]: record_of(own)["cell"]}
    assert (own / "ahead").is_dir() and (ahead / "ahead").is_dir()
    assert (ahead / FINISHED).exists() and not (ahead / RECORD).exists()
    # It is planned no more.
    assert [path.name for path in gone.iterdir()] == ["spec.json"]
    said = ended(runs.start(ahead, PYTHONPROFILEIMPORTTIME="1"))
    imported = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    assert "transfergrid.training.finished" in imported
    assert not {"torch", "timm", "numpy", "pandas"} & imported
    assert f"finished: {ahead.name}, trained before" in said
    mine, other = record_of(ahead), record_of(own)
    assert mine.keys() == other.keys()
    for name in ("environment", "threads", "device", "precision"):
        assert mine[name] == other[name]
    assert (ahead / TRAINED).exists() and not (ahead / "resume.pt").exists()


def test_nothing_is_trained_ahead_where_a_training_is_forced(runs: Runs) -> None:
    own, other = runs.put(seed=0), runs.put(seed=1)
    runs.plan(own, other)
    ended(runs.start(own, TRANSFERGRID_FRESH="1"))
    assert (own / RECORD).exists()
    assert [path.name for path in other.iterdir()] == ["spec.json"]


def test_a_stop_while_another_cell_is_trained_leaves_both_as_they_should_be(runs: Runs) -> None:
    own, ahead = runs.put(), runs.put(epochs=100_000)
    runs.plan(own, ahead)
    job = runs.start(own)
    until(lambda: (ahead / "history.jsonl").exists(), job)
    # Its own job begins meanwhile, and waits.
    late = runs.start(ahead)
    assert late.stdout is not None
    assert late.stdout.readline().startswith("waiting for another cell's job")
    job.send_signal(signal.SIGTERM)
    said = ended(job)
    assert f"{ahead.name} is left to its own job: state saved at step" in said
    # Snakemake finds what it asked for, and keeps it.
    assert record_of(own)["status"] == "finished" and (own / TRAINED).exists()
    lines = (ahead / "history.jsonl").read_text().count("\n")
    until(lambda: (ahead / "history.jsonl").read_text().count("\n") > lines, late)
    late.send_signal(signal.SIGTERM)
    assert "continuing at step" in ended(late, STOPPED)
    assert not (ahead / RECORD).exists()
