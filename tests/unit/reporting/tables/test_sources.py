from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score
from unit.reporting import fabricate

from transfergrid.reporting.tables.sources import (
    source_row,
    sources_table,
)
from transfergrid.tasks.score import multiclass


def test_sources_say_whether_they_beat_chance(tree: fabricate.Tree, tmp_path: Path) -> None:
    table = sources_table(tree.study, tree.results)
    assert list(table.columns) == tree.study["columns"]["sources"]
    assert set(table["status"]) == {"finished"}
    assert len(table) == 4
    scores = np.load(tree.results / "cells" / table["cell"][0] / "scores" / "valid.npz")
    right, usual = [], []
    for t in range(len(fabricate.TASKS)):
        labels = scores["labels"][:, t]
        known = ~np.isnan(labels)
        right.append(accuracy_score(labels[known], scores["logits"][1, known, t] > 0))
        dummy = DummyClassifier().fit(labels[known], labels[known])
        usual.append(dummy.score(labels[known], labels[known]))
    assert table["valid_accuracy"][0] == pytest.approx(np.mean(right))
    assert table["chance_accuracy"][0] == pytest.approx(np.mean(usual))
    assert table["valid_score"][0] == 0.8  # that of the best checkpoint


def test_a_source_without_scores_is_missing(tree: fabricate.Tree, tmp_path: Path) -> None:
    entry = next(entry for entry in tree.study["cells"] if entry["role"] == "source")
    assert source_row(entry, tmp_path)["status"] == "missing"


def test_accuracy_over_classes_is_the_share_of_right_classes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    labels = np.eye(3, dtype=np.float32)[truth]
    prob = rng.random((60, 3))
    labels[7] = np.nan
    known = np.arange(60) != 7
    found = multiclass.accuracy(prob, labels)
    assert found == accuracy_score(truth[known], prob[known].argmax(axis=1))
    assert multiclass.chance(labels) == np.bincount(truth[known]).max() / 59
    assert np.isnan(multiclass.accuracy(prob[7:8], labels[7:8]))
