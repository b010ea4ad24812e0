"""Labels that are drawn anew in each epoch.

As augmentation does, it makes every number of (seed, epoch, row), so that an image has the same
labels in every micro-batch and on every device, and a resumed training goes on with them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from transfergrid.training.augmentation import draws
from transfergrid.training.batches import send


def redrawn(
    target: Tensor, rows: Tensor, epoch: int, seed: int, limits: tuple[float, float]
) -> Tensor:
    """Draw uncertain labels anew; certain and unknown ones stay as they are.

    Args:
        target: (B, T) float32 on any device: 0, 1 or NaN, and between 0 and 1 where uncertain.
        rows: (B,) int64 on the CPU, the rows of the images in their split.
        epoch: Number of the epoch, from 0.
        seed: The cell's seed.
        limits: The lowest and the highest that is drawn, uniformly.

    Returns:
        (B, T) float32 on the device of `target`.
    """
    low, high = limits
    values = low + (high - low) * draws(rows, epoch, seed, "uncertain", target.shape[1])
    uncertain = (target > 0) & (target < 1)
    return torch.where(uncertain, send(values.float(), target.device), target)
