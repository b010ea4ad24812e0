"""Curves and films of errors of a study whose cells are there, through Snakemake to the page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.workflow.conftest import Workspace

pytestmark = pytest.mark.slow


def test_a_study_asks_for_curves_and_errors_when_its_cells_are_there(
    finished: Workspace, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "run")
    shutil.copytree(finished.folder, workspace.folder, symlinks=True)
    workspace.write({"curves": {"specificity": 0.8}, "pictures": {"errors": 1}})
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-4000:]
    # No cell, and no table that was there, is made again.
    made = {"curves", "mistakes", "costs", "figures", "page"}
    assert made <= outcome.jobs.keys() <= {*made, "stamp", "figure"}
    folder = workspace.folder / "results" / "small"
    points = pd.read_csv(folder / "tables" / "operating_points.csv")
    assert set(points["rule"]) == {"specificity 0.8", "youden"} and points["cell"].nunique() == 4
    curves = pd.read_csv(folder / "tables" / "curves.csv")
    assert set(curves["chosen"]) <= {"best", "baseline", "next"}
    assert (folder / "figures" / "curves.svg").is_file()
    page = (folder / "report.html").read_text(encoding="utf-8")
    errors = page[page.index('<section id="mistakes"') :]
    errors = errors[: errors.index("</section>")]
    assert errors.count("data:image/jpeg;base64,") > 0 and "<b>false positive</b> p&nbsp;" in errors
    assert "patient0" not in errors and "study" in errors
    assert "ROC and precision-recall curves" in page
    assert workspace.snakemake("-n").jobs == {}
