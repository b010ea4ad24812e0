"""Several labels per image, each with a sigmoid of its own: binary cross-entropy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from transfergrid.tasks.learn.labels import complete, follow, keep, outputs, target

__all__ = ["complete", "follow", "keep", "known", "loss_sum", "outputs", "stored_loss", "target"]


def known(target: Tensor) -> Tensor:
    """Return (B, T) bool: the labels that are known, of (B, T) float32 with NaN for unknown."""
    return ~target.isnan()


def loss_sum(output: Tensor, target: Tensor) -> Tensor:
    """Return the binary cross-entropy on logits, one term per known (image, task), summed.

    Args:
        output: (B, T) float32 logits.
        target: (B, T) float32 in [0, 1] (smoothed ones too) or NaN.

    Returns:
        () float32.
    """
    terms = functional.binary_cross_entropy_with_logits(
        output, target.nan_to_num(0.0), reduction="none"
    )
    return torch.where(known(target), terms, 0.0).sum()


def stored_loss(stored: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    """Return the loss sum and the number of known labels, of (N, T) logits and labels."""
    return loss_sum(stored, torch.as_tensor(target)), known(torch.as_tensor(target)).sum()
