from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch.nn import functional

from transfergrid.runtime.errors import UserError
from transfergrid.tasks.learn.kind import learn_half
from transfergrid.tasks.score.kind import score_half

MULTILABEL, MULTICLASS = learn_half("multilabel"), learn_half("multiclass")


def test_multilabel_loss_is_the_log_loss_over_known_entries() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (40, 5))
    labels = rng.integers(0, 2, (40, 5)).astype(float)
    labels[rng.random(labels.shape) < 0.3] = np.nan
    mask = ~np.isnan(labels)
    expected = log_loss(labels[mask], 1 / (1 + np.exp(-logits[mask])), normalize=False)
    got = MULTILABEL.loss_sum(torch.tensor(logits), torch.tensor(labels))
    assert got.item() == pytest.approx(expected, rel=1e-9)
    assert MULTILABEL.known(torch.tensor(labels)).sum() == mask.sum()


def test_smoothed_labels_are_targets_as_they_are() -> None:
    logits, labels = torch.tensor([[0.3]]), torch.tensor([[0.7]])
    p = torch.sigmoid(logits)
    expected = -(0.7 * p.log() + 0.3 * (1 - p).log())
    assert torch.allclose(MULTILABEL.loss_sum(logits, labels), expected)


def test_multiclass_loss_is_cross_entropy_over_labelled_images() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 4, (20,), generator=generator)
    labels = functional.one_hot(classes, 4).double()
    labels[5] = torch.nan
    labels[6, 0] = torch.nan
    keep = (torch.arange(20) < 5) | (torch.arange(20) > 6)
    expected = functional.cross_entropy(logits[keep], classes[keep], reduction="sum")
    assert torch.allclose(MULTICLASS.loss_sum(logits, labels), expected)
    assert MULTICLASS.known(labels).sum() == 18


@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
def test_an_unknown_label_has_no_gradient(kind: str) -> None:
    logits = torch.zeros(3, 2, requires_grad=True)
    labels = torch.tensor([[1.0, 0.0], [torch.nan, torch.nan], [0.0, 1.0]])
    learn_half(kind).loss_sum(logits, labels).backward()
    assert logits.grad is not None
    assert torch.all(logits.grad[1] == 0)
    assert torch.all(logits.grad[[0, 2]] != 0)


def test_another_task_kind_is_refused() -> None:
    for half in (learn_half, score_half):
        with pytest.raises(UserError, match="'regression'; allowed are multilabel, multiclass"):
            half("regression")


@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
def test_the_loss_of_what_is_stored_is_the_loss(kind: str) -> None:
    half, generator = learn_half(kind), torch.Generator().manual_seed(1)
    logits = torch.randn(9, 3, generator=generator)
    labels = functional.one_hot(torch.arange(9) % 3, 3).float()
    labels[4] = torch.nan
    total, count = half.stored_loss(logits, labels)
    parts = [half.loss_sum(logits[rows], labels[rows]) for rows in (slice(0, 4), slice(4, 9))]
    assert torch.allclose(total, sum(parts)) and count == (24 if kind == "multilabel" else 8)


@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
def test_labels_stay_where_images_move(kind: str) -> None:
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert learn_half(kind).follow(labels, torch.zeros_like) is labels
    assert learn_half(kind).outputs(14) == 14
