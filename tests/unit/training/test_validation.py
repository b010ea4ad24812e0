from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from torch import Tensor, nn
from unit.training.tiny import make_cache

from transfergrid.data.store import open_split, read_card
from transfergrid.metrics.estimate import Estimator
from transfergrid.planning.metrics import built_in
from transfergrid.tasks.learn.kind import learn_half
from transfergrid.training.validation import validate
from transfergrid.training.view import View

AUROC = Estimator.of(built_in("auroc"))
CPU = torch.device("cpu")


class Fixed(nn.Module):
    """Gives prepared logits, row by row, whatever the images."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self.logits, self.at = torch.tensor(logits, dtype=torch.float32), 0

    def forward(self, images: Tensor) -> Tensor:
        self.at += len(images)
        return self.logits[self.at - len(images) : self.at]


def unchanged(images: Tensor) -> Tensor:
    return images


def test_multilabel_scores_are_those_of_studies(tmp_path: Path) -> None:
    make_cache(tmp_path)
    cache = tmp_path / "cache" / "tiny-0"
    split, card = open_split(cache, "valid"), read_card(cache)
    logits = np.random.default_rng(0).normal(size=split.labels.shape).astype(np.float32)
    card = dataclasses.replace(card, score_tasks=("Half",))
    view = View(split.images, unchanged, Fixed(logits))
    found = validate(view, split, card, learn_half(card.task_kind), AUROC, CPU)
    studies = logits.reshape(-1, 2, 2).max(axis=1)
    expected = [roc_auc_score(split.labels[::2, t], studies[:, t]) for t in (0, 1)]
    assert list(found.score_tasks.values()) == pytest.approx(expected)
    assert found.score == pytest.approx(expected[1])
    flat = 1 / (1 + np.exp(-logits.astype(float).ravel()))
    assert found.loss == pytest.approx(log_loss(split.labels.ravel(), flat), rel=1e-5)


def test_multiclass_scores_are_one_against_the_rest(tmp_path: Path) -> None:
    make_cache(tmp_path, "multiclass")
    cache = tmp_path / "cache" / "tiny-0"
    split, card = open_split(cache, "valid"), read_card(cache)
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=split.labels.shape) + split.labels).astype(np.float32)
    view = View(split.images, unchanged, Fixed(logits))
    found = validate(view, split, card, learn_half(card.task_kind), AUROC, CPU)
    studies = np.exp(logits.reshape(-1, 2, 3).max(axis=1).astype(float))
    studies /= studies.sum(axis=1, keepdims=True)
    classes = split.labels[::2].argmax(axis=1)
    expected = roc_auc_score(classes, studies, multi_class="ovr", average="macro")
    assert found.score == pytest.approx(expected)


def test_a_logit_that_is_no_number_is_told(tmp_path: Path) -> None:
    make_cache(tmp_path)
    cache = tmp_path / "cache" / "tiny-0"
    split, card = open_split(cache, "valid"), read_card(cache)
    logits = np.zeros(split.labels.shape)
    logits[3, 1] = np.inf
    view = View(split.images, unchanged, Fixed(logits))
    found = validate(view, split, card, learn_half(card.task_kind), AUROC, CPU)
    assert not found.finite
    assert np.isnan(found.score)
    json.dumps(dataclasses.asdict(found))
