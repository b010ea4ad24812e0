"""Studies and code that are edited while a run is on."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.conftest import Workspace
from tests.workflow.test_staleness import copy_project
from unit.runtime import fake_gpus

from transfergrid.planning.naming import cell_name

pytestmark = pytest.mark.slow

MADE = ("train", "evaluate")
FIRST_WAITS: dict[str, Any] = {
    "grid": [
        {
            "datasets": ["films"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random"],
            "seeds": [0, 1, 2],
        }
    ],
    "recipe": {"epochs": 12},
    "questions": [],
}


def until_training(workspace: Workspace, run: subprocess.Popen[str]) -> None:
    """Wait until a cell is being trained, and others still wait."""
    for _ in range(6000):
        if list(workspace.folder.glob("results/cells/*/logs/progress.jsonl")):
            return
        assert run.poll() is None, run.communicate()[0][-3000:]
        time.sleep(0.05)
    raise AssertionError("no training began")


def learning_rates(workspace: Workspace) -> dict[str, float]:
    found = {}
    for path in workspace.folder.glob("results/cells/*/spec.json"):
        spec = json.loads(path.read_text())
        assert cell_name(spec) == path.parent.name
        history = (path.parent / "history.jsonl").read_text().splitlines()
        assert (
            json.loads(history[-1])["learning_rate"] == spec["recipe"]["phases"][0]["learning_rate"]
        )
        found[path.parent.name] = spec["recipe"]["phases"][0]["learning_rate"]
    return found


def test_queued_cells_train_as_they_were_planned(workspace: Workspace) -> None:
    workspace.write(FIRST_WAITS)
    run = workspace.start("--jobs", "1")
    until_training(workspace, run)
    other = {"recipe": {**FIRST_WAITS["recipe"], "learning_rate": 0.5}, "name": "other"}
    workspace.write({**FIRST_WAITS, **other, "grid": [{**FIRST_WAITS["grid"][0], "seeds": [9]}]})
    assert run.wait(timeout=300) == 0, run.communicate()[0][-3000:]
    assert list(learning_rates(workspace).values()) == [1e-3] * 3
    workspace.write(FIRST_WAITS)
    assert "Nothing to be done" in workspace.snakemake("-n").text


def test_queued_cells_stop_when_code_is_edited(workspace: Workspace, tmp_path: Path) -> None:
    edited = Workspace(workspace.folder, copy_project(tmp_path / "project"))
    workspace.write(FIRST_WAITS)
    run = edited.start("--jobs", "1")
    until_training(workspace, run)
    loop = edited.project / "src" / "transfergrid" / "training" / "loop.py"
    before = loop.read_text()
    loop.write_text(before + "\nEDITED = True\n")
    output = run.communicate(timeout=300)[0]
    assert run.returncode != 0
    sentence = "the code of stage 'train' was edited after this job was planned"
    assert output.count(sentence) == 2, output[-4000:]  # once for each cell that had not begun
    assert "Traceback" not in output
    loop.write_text(before)
    assert edited.snakemake().status == 0
    assert len(learning_rates(workspace)) == 3


def holds(path: Path, text: str, job: subprocess.Popen[str]) -> None:
    """Wait until a file that a job writes holds a text."""
    for _ in range(6000):
        if path.is_file() and text in path.read_text():
            return
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.05)
    raise AssertionError(f"{path} never said {text}")


def test_code_edited_while_a_job_waits_for_a_gpu_is_not_what_trains(
    finished: Workspace, tmp_path: Path
) -> None:
    run, project = tmp_path / "run", copy_project(tmp_path / "project")
    shutil.copytree(finished.folder, run, symlinks=True)
    (folder,) = (run / "results" / "cells").glob("films-*-random-drop0-*")
    trained, scored = ((folder / "receipts" / f"{n}.json").read_bytes() for n in MADE)
    for name in ("checkpoints", "receipts", "scores"):
        shutil.rmtree(folder / name)
    for name in ("train.json", "history.jsonl", "finished.json", "logs/progress.jsonl"):
        (folder / name).unlink()
    environment = {
        **os.environ,
        "PATH": f"{fake_gpus.install(tmp_path / 'smi', [0])}:{os.environ['PATH']}",
        "PYTHONPATH": str(project / "src"),
        "TRANSFERGRID_GPU_LOCKS": str(tmp_path),
    }
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    program = [sys.executable, str(project / "workflow" / "scripts" / "train.py")]
    with open(tmp_path / f"{fake_gpus.uuid(0)}.lock", "w") as lease:
        fcntl.flock(lease, fcntl.LOCK_EX)
        job = subprocess.Popen(
            [*program, "--spec", f"results/cells/{folder.name}/spec.json"],
            cwd=run,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        holds(folder / "logs" / "progress.jsonl", "waiting for a GPU", job)
        package = project / "src" / "transfergrid"
        rates = package / "training" / "optimisation.py"
        rates.write_text(rates.read_text().replace("peak = ", "peak = 7 * "))
        for name in ("training/loop.py", "evaluation/predict.py", "evaluation/ahead.py"):
            (package / name).write_text("raise SystemExit('edited')")
    output = job.communicate(timeout=300)[0]
    assert job.returncode == 0, output
    # To the bit: receipts hold the SHA-256 of checkpoints and scores.
    assert (folder / "receipts" / "train.json").read_bytes() == trained
    assert (folder / "ahead" / "receipts" / "evaluate.json").read_bytes() == scored
