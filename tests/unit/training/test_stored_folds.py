"""Stored features of a data set cut into folds: one set for all folds, and a wall in each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.csv.make import make as make_csv
from unit.training.test_fold_wall import CSV
from unit.training.test_stored import BOUND, stored
from unit.training.tiny import make_spec

from transfergrid.data.cache import build_cache
from transfergrid.data.store import file_of_test, open_split, read_card
from transfergrid.evaluation.features import Features
from transfergrid.evaluation.predict import score_cell
from transfergrid.evaluation.rebuild import can_make
from transfergrid.evaluation.scores import Scores, read_scores
from transfergrid.planning.naming import cell_name
from transfergrid.runtime.errors import UserError
from transfergrid.training.loop import train

FOLDS = range(4)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_csv(tmp_path / "films", np.random.default_rng(0))
    build_cache(CSV, tmp_path / "films", tmp_path / "results" / "cache" / "tiny-0", 1)
    return tmp_path / "results"


def spec_of(fold: int, **recipe: Any) -> dict[str, Any]:
    spec = make_spec(**recipe)
    return {**spec, "cell": {**spec["cell"], "fold": str(fold)}}


def scored(spec: dict[str, Any], results: Path, split: str = "test") -> Scores:
    score_cell(spec, results)
    return read_scores(results / "cells" / cell_name(spec) / "scores" / f"{split}.npz")


def test_each_fold_sees_its_own_files_and_scores_as_through_the_network(results: Path) -> None:
    shared = set()
    for fold in FOLDS:
        spec = stored(results, spec_of(fold, train_layers="head"), 0)
        folder = results / "features" / spec["features"]["0"]
        shared.add(folder)
        hidden = folder / f"part{fold}.npy"
        hidden.rename(hidden.with_suffix(".away"))
        assert train(spec, results, threads=1)["status"] == "finished"
        hidden.with_suffix(".away").rename(hidden)
        found = {split: scored(spec, results, split) for split in ("valid", "test")}

        plain = spec_of(fold, train_layers="head")
        train(plain, results, threads=1)
        for split, scores in found.items():
            expected = scored(plain, results, split)
            assert np.abs(scores.logits - expected.logits).max() < BOUND
            rows = open_split(results / "cache" / "tiny-0", split, fold)
            assert scores.image_id.tolist() == rows.image_id.tolist()
    assert len(shared) == 1
    assert {path.name for path in folder.glob("*.npy")} == {f"part{fold}.npy" for fold in FOLDS}


def test_the_features_of_the_part_that_a_fold_tests_are_closed_to_its_training(
    results: Path,
) -> None:
    spec = stored(results, spec_of(1, train_layers="head"), 0)
    cache = results / "cache" / "tiny-0"
    features = Features.of(spec["features"]["0"], results, read_card(cache, 1))
    for split in ("train", "valid"):
        assert len(features.rows_of(open_split(cache, split, 1), file_of_test(1)))
    for other in (open_split(cache, "test", 1), open_split(cache, "train", 0)):
        with pytest.raises(UserError, match=r"part1\.npy, which the cell is tested on; no train"):
            features.rows_of(other, file_of_test(1))


def test_patients_held_out_for_trials_are_read_from_open_parts_alone(results: Path) -> None:
    spec = stored(results, spec_of(2, train_layers="head", holdout=0.3), 0)
    (results / "features" / spec["features"]["0"] / "part2.npy").unlink()
    assert train(spec, results, threads=1)["status"] == "finished"


def test_weights_freed_after_training_cost_a_fold_no_bit_of_its_scores(results: Path) -> None:
    source = spec_of(3, epochs=1)
    train(source, results, threads=1)
    heir = spec_of(3, train_layers="head")
    heir["weights"] |= {"kind": "cell", "source_cell": cell_name(source)}
    heir = stored(results, heir, 0)
    train(heir, results, threads=1)
    before = scored(heir, results).logits
    assert can_make(heir, results)

    freed = results / "cells" / cell_name(source)
    shutil.rmtree(freed / "checkpoints")
    (freed / "receipts" / "train.json").unlink()
    assert np.array_equal(scored(heir, results).logits, before)
    shutil.rmtree(results / "features")
    assert not can_make(heir, results)
    assert not can_make({"weights": {"id": "hub-own-0", "source_cell": None}}, results)
    assert np.array_equal(scored(heir, results).logits, before)
