"""Class activation maps through Snakemake: asked for, changed, taken back."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.workflow.conftest import Once, Workspace
from tests.workflow.test_snapshot import snapshot as take_snapshot

from transfergrid.evaluation.cam_record import read_record

pytestmark = pytest.mark.slow
NOTHING = "Nothing to be done"


@pytest.fixture(scope="module")
def mapped(finished: Workspace, once: Once) -> Workspace:
    """The finished study, which then asks for maps of its networks from scratch."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(finished.folder, workspace.folder, symlinks=True)
        workspace.write({"cams": {"where": {"pretraining": "random"}}})
        jobs = workspace.snakemake("-n").jobs
        assert dict(jobs) == {
            **{"cams": 2, "pointing": 1, "costs": 1, "figures": 1, "page": 1},
            "stamp": 5,
        }
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]

    return once.run("mapped", make)


def test_every_file_is_there_and_nothing_is_left_to_do(mapped: Workspace) -> None:
    study = mapped.folder / "results" / "small"
    table = pd.read_csv(study / "tables" / "cams.csv", keep_default_na=False, na_values=[""])
    assert set(table["pretraining"]) == {"random"}
    assert set(table["truncation"]) == {0, 1}
    assert set(table["task"]) == {"cardiomegaly", "pleural_effusion"}
    assert (table["n"] > 5).all()
    assert table["pointing"].between(0, 1).all()
    page = (study / "report.html").read_text()
    assert "What the networks look at" in page
    assert page.count("data:image/png;base64") >= 6
    assert NOTHING in mapped.snakemake("-n").text


def test_maps_are_those_of_the_same_films(mapped: Workspace) -> None:
    files = sorted((mapped.folder / "results" / "small" / "cams").glob("*.npz"))
    whole, cut = (read_record(file) for file in files)
    assert np.array_equal(whole.film_image, cut.film_image)
    assert np.array_equal(whole.film_pixels, cut.film_pixels)
    assert np.array_equal(whole.mark_image, cut.mark_image)
    assert whole.film_truth.any(axis=(1, 2)).all()


def test_a_snapshot_has_the_maps_that_there_are(mapped: Workspace, tmp_path: Path) -> None:
    shutil.copytree(mapped.folder, tmp_path / "copy", symlinks=True)
    workspace = Workspace(tmp_path / "copy")
    study = workspace.folder / "results" / "small"
    assert take_snapshot(workspace).returncode == 0
    for name in ("tables/cams.csv", "figures/cams.svg"):
        assert (study / "snapshot" / name).read_bytes() == (study / name).read_bytes()
    (whole, cut) = sorted((study / "cams").glob("*.npz"))
    cut.unlink()
    assert take_snapshot(workspace).returncode == 0
    table = pd.read_csv(study / "snapshot" / "tables" / "cams.csv")
    assert set(table["cell"]) == {whole.stem}
    assert "What the networks look at" in (study / "snapshot" / "report.html").read_text()


def test_a_setting_redoes_the_maps_and_can_be_taken_back(mapped: Workspace, tmp_path: Path) -> None:
    shutil.copytree(mapped.folder, tmp_path / "copy", symlinks=True)
    workspace = Workspace(tmp_path / "copy")
    random = {"where": {"pretraining": "random"}}
    workspace.write({"cams": {**random, "films": 2}})
    assert workspace.snakemake("-n").jobs["cams"] == 2
    workspace.write({"cams": {}})  # more cells: those that have maps keep them
    jobs = workspace.snakemake("-n").jobs
    assert (jobs["cams"], jobs["pointing"], jobs["train"]) == (2, 1, 0)
    workspace.write({"cams": random})
    assert NOTHING in workspace.snakemake("-n").text
    workspace.write()
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-3000:]
    assert set(outcome.jobs) == {"costs", "figures", "page", "stamp"}
    page = (workspace.folder / "results" / "small" / "report.html").read_text()
    assert "What the networks look at" not in page


def test_a_pattern_without_cells_and_an_unknown_task_are_said(mapped: Workspace) -> None:
    mapped.write({"cams": {"where": {"pretraining": "moon"}}}, "faulty.yaml")
    outcome = mapped.snakemake("-n", study="faulty.yaml")
    assert outcome.status
    assert re.search(r"cams\.where is .*moon.*no cell of the grid matches", outcome.text)
