"""Draw the bank of Gabor filters of docs/studies.md: python docs/images/gabor.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from transfergrid.models.gabor import PHASES, bank, frequencies

SHOWN = ((32, 3), (32, 5), (64, 7))
"""Number of filters and side of the kernel, from left to right."""
TILE, GAP = 30, 6
"""Pixels of a filter's side, about, and between two."""


def picture() -> Image.Image:
    """Return the banks side by side: a row for each angle; frequencies and phases along it.

    Grey is 0; each filter is shown between minus and plus its own largest weight.
    """
    banks = [drawn(filters, size) for filters, size in SHOWN]
    height = max(image.shape[0] for image in banks)
    padded = [
        np.pad(image, ((0, height - image.shape[0]), (0, 8 * GAP)), constant_values=255)
        for image in banks
    ]
    return Image.fromarray(np.hstack(padded)[:, : -8 * GAP])


def drawn(filters: int, size: int) -> np.ndarray:
    """Return a bank as a (H, W) uint8 picture."""
    across = PHASES * len(frequencies(size))
    if across == PHASES:
        across *= 2  # two angles a row, or the row would be short and the column long
    tiles = []
    for kernel in bank(filters, size).numpy():
        grey = np.round(127.5 + 127.5 * kernel / np.abs(kernel).max()).astype(np.uint8)
        tile = np.kron(grey, np.ones((TILE // size, TILE // size), np.uint8))
        tiles.append(np.pad(tile, ((0, GAP), (0, GAP)), constant_values=255))
    rows = [np.hstack(tiles[start : start + across]) for start in range(0, filters, across)]
    return np.vstack(rows)[:-GAP, :-GAP]


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("gabor.png")
    picture().save(path, optimize=True)
