"""One of several classes per image, with a softmax over them: cross-entropy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from transfergrid.tasks.learn.labels import complete, follow, keep, outputs, target

__all__ = ["complete", "follow", "keep", "known", "loss_sum", "outputs", "stored_loss", "target"]


def known(target: Tensor) -> Tensor:
    """Return (B,) bool: the images whose whole row of (B, T) float32 labels is known."""
    return (~target.isnan()).all(dim=1)


def loss_sum(output: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy, one term per image with a known row, summed.

    Args:
        output: (B, T) float32 logits.
        target: (B, T) float32, one-hot or smoothed rows, or NaN.

    Returns:
        () float32.
    """
    terms = -(target.nan_to_num(0.0) * functional.log_softmax(output, dim=1)).sum(dim=1)
    return torch.where(known(target), terms, 0.0).sum()


def stored_loss(stored: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    """Return the loss sum and the number of known images, of (N, T) logits and labels."""
    return loss_sum(stored, torch.as_tensor(target)), known(torch.as_tensor(target)).sum()
