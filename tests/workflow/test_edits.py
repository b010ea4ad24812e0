"""Studies and code that are edited while a run is on."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.conftest import Workspace
from tests.workflow.test_staleness import copy_project

from transfergrid.planning.naming import cell_name

pytestmark = pytest.mark.slow

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
    for _ in range(1200):
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
        assert json.loads(history[-1])["learning_rate"] == spec["recipe"]["learning_rate"]
        found[path.parent.name] = spec["recipe"]["learning_rate"]
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
    losses = edited.project / "src" / "transfergrid" / "training" / "losses.py"
    before = losses.read_text()
    losses.write_text(before + "\nEDITED = True\n")
    output = run.communicate(timeout=300)[0]
    assert run.returncode != 0
    sentence = "the code of stage 'train' was edited after this job was planned"
    assert output.count(sentence) == 2, output[-4000:]  # once for each cell that had not begun
    assert "Traceback" not in output
    losses.write_text(before)
    assert edited.snakemake().status == 0
    assert len(learning_rates(workspace)) == 3
