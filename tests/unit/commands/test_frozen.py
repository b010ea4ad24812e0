"""The view of finished cells holds what was there, whatever a run does meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from transfergrid.commands.frozen import freeze_cells, freeze_ensembles, freeze_maps
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.ensembles import Ensembles
from transfergrid.evaluation.scores import Scores, write_scores
from transfergrid.planning.metrics import built_in
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.records import SCORED, TRAINED
from transfergrid.runtime.atomic import write_json, write_text
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import read_sealed, write_sealed


def write_cell(name: str, results: Path) -> Path:
    folder = cell_directory(name, results)
    for file in ("spec.json", "train.json", "card.json", "proof.json"):
        write_json(folder / file, {"file": file})
    for split in ("valid", "test"):
        write_text(folder / "scores" / f"{split}.npz", f"{name} {split}")
    write_json(folder / SCORED, {"status": "finished"})
    return folder


def test_the_view_keeps_what_a_run_replaces_or_removes(tmp_path: Path) -> None:
    results, view = tmp_path / "results", tmp_path / "results" / "small" / "view"
    cell = write_cell("a", results)
    write_json(results / "cache" / "d" / "card.json", {"task": 1})
    assert freeze_cells(["a"], results, view) == ["a"]
    before = (cell / "scores" / "test.npz").read_bytes()
    write_text(cell / "scores" / "test.npz", "of a later evaluation")
    shutil.rmtree(cell / "receipts")
    (cell / "train.json").unlink()
    frozen = cell_directory("a", view)
    assert (frozen / "scores" / "test.npz").read_bytes() == before
    assert (frozen / "train.json").exists()
    assert not (frozen / "history.jsonl").exists()  # there was none
    assert (view / "cache" / "d" / "card.json").exists()
    shutil.rmtree(view)
    assert (results / "cache" / "d" / "card.json").exists()


def test_times_of_what_is_linked_stay_as_they_were(tmp_path: Path) -> None:
    cell = write_cell("a", tmp_path)
    times = {path: path.stat().st_mtime_ns for path in cell.rglob("*")}
    freeze_cells(["a"], tmp_path, tmp_path / "view")
    shutil.rmtree(tmp_path / "view")
    assert {path: path.stat().st_mtime_ns for path in cell.rglob("*")} == times


def test_a_cell_that_a_job_took_away_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write_cell(name, tmp_path)
    (cell_directory("b", tmp_path) / "scores" / "test.npz").unlink()
    link = os.link

    def rescored(source: Path, target: Path) -> None:
        link(source, target)
        if source.parent.parent.name == "c":  # evaluation ends between two links
            write_json(cell_directory("c", tmp_path) / SCORED, {"status": "finished"})

    monkeypatch.setattr(os, "link", rescored)
    assert freeze_cells(["a", "b", "c"], tmp_path, tmp_path / "view") == ["a"]


def test_where_hard_links_are_refused_there_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "another file system")

    cell = write_cell("a", tmp_path)
    monkeypatch.setattr(os, "link", refused)
    monkeypatch.chdir(tmp_path)
    assert freeze_cells(["a"], Path(), Path("view")) == ["a"]
    inside = cell_directory("a", Path("view")) / "spec.json"
    assert inside.is_symlink() and inside.read_bytes() == (cell / "spec.json").read_bytes()


def scores_of(seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    names = np.array([f"i{number}" for number in range(30)])
    return Scores(
        logits=rng.normal(size=(3, 30, 2)).astype(np.float32),
        labels=rng.integers(0, 2, (30, 2)).astype(np.float32),
        image_id=names,
        study_id=names,
        patient_id=names,
        task=np.array(["x", "y"]),
        step=np.array([10, 20, 30]),
        valid_score=np.array([0.6, 0.8, 0.7]),
        task_kind="multilabel",
        aggregate="max",
    )


@pytest.fixture()
def study(tmp_path: Path) -> Any:
    folder = write_cell("a", tmp_path)
    write_json(folder / "spec.json", {"metric": built_in("auroc")})
    for number, split in enumerate(("valid", "test")):
        write_scores(folder / "scores" / f"{split}.npz", scores_of(number))
    files = {n: sha256_file(folder / n) for n in ("scores/valid.npz", "scores/test.npz")}
    write_sealed(folder / SCORED, {"status": "finished", "files": files})
    return SimpleNamespace(
        name="small",
        selections=["best", "last"],
        outlined={},
        stamps={"ensembles": ("x", {"code": "new"})},
    )


def frozen_ensemble(selection: str, root: Path, split: str = "test") -> Path:
    return ensemble_directory("small", "a", selection, root) / f"{split}.parquet"


def test_an_ensemble_that_a_run_has_not_made_is_made(study: Any, tmp_path: Path) -> None:
    view = tmp_path / "view"
    freeze_cells(["a"], tmp_path, view)
    freeze_ensembles(study, ["a"], tmp_path, view)
    for selection, checkpoint in (("best", 1), ("last", 2)):
        for number, split in enumerate(("valid", "test")):  # metrics may ask for either
            found = read_ensemble(frozen_ensemble(selection, view, split)).probabilities
            expected = expit(scores_of(number).logits[checkpoint].astype(np.float64))
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert not (tmp_path / "small").exists()


def test_an_ensemble_is_taken_over_if_it_is_of_these_scores_and_this_code(
    study: Any, tmp_path: Path
) -> None:
    def taken(view: Path) -> set[str]:
        freeze_cells(["a"], tmp_path, view)
        freeze_ensembles(study, ["a"], tmp_path, view)
        return {
            selection
            for selection in study.selections
            if frozen_ensemble(selection, view).samefile(frozen_ensemble(selection, tmp_path))
        }

    Ensembles(tmp_path, "small", ["best", "last"], "new").make("a")
    assert taken(tmp_path / "view0") == {"best", "last"}
    Ensembles(tmp_path, "small", ["last"], "old").make("a")
    assert taken(tmp_path / "view1") == {"best"}
    write_scores(cell_directory("a", tmp_path) / "scores" / "test.npz", scores_of(5))
    sha = sha256_file(cell_directory("a", tmp_path) / "scores" / "test.npz")
    files = read_sealed(cell_directory("a", tmp_path) / SCORED)["files"]
    write_sealed(
        cell_directory("a", tmp_path) / SCORED, {"files": {**files, "scores/test.npz": sha}}
    )
    assert taken(tmp_path / "view2") == set()


def test_maps_are_those_of_this_training_and_these_settings(tmp_path: Path) -> None:
    names = ["whole", "old", "none", "unasked"]
    stamps: dict[str, tuple[str, dict[str, Any]]] = {"cams": ("small.cams.00000000", {})}
    asked = [SimpleNamespace(name=name) for name in names[:3]]
    study: Any = SimpleNamespace(name="small", stamps=stamps, cam_cells=asked)
    write_json(tmp_path / "stamps" / "small.cams.00000000", {})
    for name in names:
        write_json(cell_directory(name, tmp_path) / TRAINED, {})
        if name != "none":
            write_text(tmp_path / "small" / "cams" / f"{name}.npz", name)
    os.utime(tmp_path / "small" / "cams" / "old.npz", (1, 1))
    view = tmp_path / "view"
    assert freeze_maps(study, names, tmp_path, view) == ["whole"]
    assert [path.name for path in (view / "small" / "cams").iterdir()] == ["whole.npz"]
    # Weights of a finished cell may be freed, and its training's receipt with them.
    (cell_directory("whole", tmp_path) / TRAINED).unlink()
    assert freeze_maps(study, names, tmp_path, tmp_path / "again") == ["whole"]
    stamps["cams"] = ("small.cams.11111111", {})  # other settings, not mapped yet
    assert freeze_maps(study, names, tmp_path, tmp_path / "other") == []
    assert freeze_maps(study, ["none"], tmp_path, tmp_path / "none") == []
