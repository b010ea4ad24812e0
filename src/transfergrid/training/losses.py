"""The loss of each task kind, summed and counted so that batches of any size combine exactly."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from transfergrid.runtime.errors import UserError

TASK_KINDS = ("multilabel", "multiclass")


def known(task_kind: str, labels: Tensor) -> Tensor:
    """Mark what the loss is averaged over.

    Args:
        task_kind: "multilabel" or "multiclass".
        labels: (B, T) float32; NaN is unknown.

    Returns:
        bool: (B, T), the known entries, for multilabel; (B,), the images whose whole row is known,
        for multiclass.

    Raises:
        UserError: `task_kind` is neither of the two.
    """
    if task_kind not in TASK_KINDS:
        raise UserError(f"A task kind is 'multilabel' or 'multiclass', not {task_kind!r}.")
    mask = ~labels.isnan()
    return mask if task_kind == "multilabel" else mask.all(dim=1)


def loss_sum(task_kind: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss summed over the known entries, not averaged.

    Multilabel: binary cross-entropy on logits, one term per known (image, task). Multiclass:
    cross-entropy, one term per image with a known row. Labels between 0 and 1 (smoothed) are fine.

    Args:
        task_kind: "multilabel" or "multiclass".
        logits: (B, T) float32.
        labels: (B, T) float32 in [0, 1] or NaN; one-hot rows for multiclass.

    Returns:
        () float32; divide by the number of `known` entries for the mean.

    Raises:
        UserError: `task_kind` is neither of the two.
    """
    mask = known(task_kind, labels)
    targets = labels.nan_to_num(0.0)
    if task_kind == "multilabel":
        terms = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    else:
        terms = -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return torch.where(mask, terms, 0.0).sum()
