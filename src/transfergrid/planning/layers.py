"""Names of the layers whose activations are stored, and how many positions of an image."""

from __future__ import annotations

import math

POOLED = "pooled"
"""What goes into the classifier."""
ROWS_PER_CHANNEL = 10
"""Rows that a layer should have for each channel, so that chance agreement stays small."""


def layer_names(blocks: int) -> list[str]:
    """Return the names of a network's layers in order: the end of every block, then `POOLED`.

    Args:
        blocks: Number of blocks, the stem included.
    """
    return ["stem", *(f"block{number}" for number in range(1, blocks)), POOLED]


def layer_depth(name: str) -> float:
    """Return a number that rises from a network's input to its output, by a layer's name."""
    if name in ("stem", POOLED):
        return 0 if name == "stem" else math.inf
    return int(name.removeprefix("block"))


def positions_per_image(images: int, channels: int, area: int, rows: int) -> int:
    """Return how many positions of each image are stored of a layer: as few as will do.

    Neighbouring positions resemble each other, so many images say more than many positions.

    Args:
        images: Number of images, at least 1.
        channels: Channels of the layer.
        area: Positions of its map.
        rows: Most rows to store.
    """
    enough = -(-ROWS_PER_CHANNEL * channels // images)
    return max(1, min(enough, area, rows // images))
