"""Weights measured through Snakemake: asked for, changed, freed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.workflow.conftest import Once, Workspace
from tests.workflow.test_similarity import NOTHING, counted, wanted

pytestmark = pytest.mark.slow
ASKED: dict[str, Any] = {"where": {"truncation": 0}, "reset": {"images": "valid"}}
TABLES = {"drifts": 1, "filters": 1, "resets": 1}


@pytest.fixture(scope="module")
def measured(finished: Workspace, once: Once) -> Workspace:
    """The finished study, which then asks what happened to its whole networks' weights."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(finished.folder, workspace.folder, symlinks=True)
        workspace.write({"weights": ASKED})
        # One network from random weights, and one from the source cell's.
        jobs = {"drift": 2, "reset": 2, **TABLES, "costs": 1, "figures": 1, "page": 1}
        assert wanted(workspace) == jobs == counted(workspace)
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]

    return once.run("measured", make)


def test_tables_and_figures_say_what_happened(measured: Workspace) -> None:
    folder = measured.folder / "results" / "small"
    blocks = ["stem", *(f"block{number}" for number in range(1, 7)), "head"]
    drift = pd.read_csv(folder / "tables" / "drift.csv", keep_default_na=False, na_values=[""])
    whole = drift[drift["group"] == "all"]
    assert list(dict.fromkeys(whole["layer"])) == [*blocks, "body"]
    assert (whole["change"] > 0).all() and (whole["cosine"] < 1).all()
    reset = pd.read_csv(folder / "tables" / "layer_reset.csv")
    assert list(dict.fromkeys(reset["layer"].dropna())) == [*blocks, "body"]
    assert reset["score"].notna().all() and set(reset["split"]) == {"valid"}
    filters = pd.read_csv(folder / "tables" / "filters.csv")
    assert filters.groupby("cell").size().tolist() == [8, 8]  # LCNet at half width
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert {"drift", "layer_reset", "filters"} <= names
    page = (folder / "report.html").read_text()
    assert all(f'id="figure-{name}"' in page for name in ("drift", "layer_reset", "filters"))
    assert NOTHING in measured.snakemake("-n").text and counted(measured) == {}


def test_changes_redo_what_they_must(measured: Workspace, tmp_path: Path) -> None:
    shutil.copytree(measured.folder, tmp_path / "copy", symlinks=True)
    workspace = Workspace(tmp_path / "copy")
    workspace.write({"weights": {**ASKED, "reset": {"images": "test"}}})
    redone = {"reset": 2, "resets": 1, "costs": 1, "figures": 1, "page": 1}
    assert wanted(workspace) == redone == counted(workspace)
    # What was measured, the cache and the start are missed by no table that is made.
    shutil.rmtree(workspace.folder / "results" / "weighings")
    shutil.rmtree(workspace.folder / "results" / "cache")
    workspace.write({"weights": ASKED})
    assert NOTHING in workspace.snakemake("-n").text and counted(workspace) == {}
    (workspace.folder / "results" / "small" / "tables" / "drift.csv").unlink()
    again = {"drift": 2, **TABLES, "costs": 1, "figures": 1, "page": 1}
    del again["resets"]
    assert wanted(workspace) == again == counted(workspace)
