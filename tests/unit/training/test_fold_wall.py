"""A training of a fold, on a real store in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets.csv.make import make as make_csv
from unit.training.tiny import make_spec

from transfergrid.data import store
from transfergrid.data.cache import build_cache
from transfergrid.data.store import open_split
from transfergrid.evaluation.cam import cam_cell
from transfergrid.evaluation.predict import score_cell
from transfergrid.planning.naming import cell_name
from transfergrid.runtime.errors import UserError
from transfergrid.training.batches import Batch, Feed
from transfergrid.training.loop import train

CSV: dict[str, Any] = {
    "id": "tiny-0",
    "kind": "csv",
    "image_px": 12,
    "table": "labels.csv",
    "image_column": "image",
    "label_columns": ["Mass", "Micro-Calcification"],
    "patient_column": "patient",
    "channels": "grey",
    "folds": {"k": 4, "by": "stratified", "valid": 0.3},
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_csv(tmp_path / "films", np.random.default_rng(0))
    build_cache(CSV, tmp_path / "films", tmp_path / "results" / "cache" / "tiny-0", 1)
    return tmp_path / "results"


def spec_of(fold: int, **recipe: Any) -> dict[str, Any]:
    spec = make_spec(**recipe)
    return {**spec, "cell": {**spec["cell"], "fold": str(fold)}}


def test_a_training_needs_no_file_of_its_test_part(results: Path) -> None:
    for fold in range(3):
        hidden = results / "cache" / "tiny-0" / f"part{fold}.npy"
        hidden.rename(hidden.with_suffix(".away"))
        spec = spec_of(fold, norms="calibrate" if fold == 1 else "train")
        record = train(spec, results, "cpu", 1, {})
        hidden.with_suffix(".away").rename(hidden)
        assert record["status"] == "finished"
        score_cell(spec, results)
        folder = results / "cells" / cell_name(spec) / "scores"
        with np.load(folder / "test.npz") as scores:
            rows = open_split(results / "cache" / "tiny-0", "test", fold)
            assert scores["image_id"].tolist() == rows.image_id.tolist()
            np.testing.assert_array_equal(scores["labels"], rows.labels)
        maps = cam_cell(spec, results, {"films": 1, "tasks": ["mass"]})
        assert set(maps.film_image) <= set(rows.image_id[rows.labels[:, 0] == 1])
        assert len(maps.film_image) == 1


def test_patients_held_out_for_trials_are_none_that_the_fold_tests(results: Path) -> None:
    hidden = results / "cache" / "tiny-0" / "part2.npy"
    hidden.unlink()
    spec = spec_of(2)
    spec["recipe"] |= {"holdout": 0.3, "keep_checkpoints": 0}
    assert train(spec, results, "cpu", 1, {})["status"] == "finished"


def test_a_training_that_reaches_for_its_test_part_ends(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_parts_of", lambda split, fold, k: range(k))
    with pytest.raises(UserError, match="part1, which it tests on; no training opens that"):
        train(spec_of(1), results, "cpu", 1, {})


def test_batches_of_several_parts_are_those_of_one_array(results: Path) -> None:
    for fold in range(2):
        one = open_split(results / "cache" / "tiny-0", "train", fold)
        assert len(one.files) == 3
        whole = np.asarray(one.images)
        rows = np.arange(0, len(whole), 2)
        batch = Batch(0, 0, rows[::-1].copy(), len(rows))
        feed = Feed(one.images, one.labels, rows, torch.device("cpu"))
        ((_, pixels, labels),) = feed.stream([batch])
        assert np.array_equal(pixels.numpy(), whole[batch.rows])
        assert np.array_equal(labels.numpy(), one.labels[batch.rows], equal_nan=True)
        # What CUDA holds on the device is copied in the same way.
        assert np.array_equal(feed.load().numpy(), whole[rows])
