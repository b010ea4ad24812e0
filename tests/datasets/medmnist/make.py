"""Write a fake MedMNIST file: images and labels of three splits in one .npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def make(
    root: Path,
    rng: np.random.Generator,
    images: tuple[int, int, int] = (20, 8, 10),
    px: int = 28,
    colour: bool = False,
    labels: str = "binary",
    classes: int = 3,
    compressed: bool = True,
) -> None:
    """Write the file `root`, which ends in .npz.

    `labels` is "binary" or "multiclass", (N, 1), or "multilabel", (N, classes); every split has
    every class.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for split, count in zip(("train", "val", "test"), images, strict=True):
        shape = (count, px, px, 3) if colour else (count, px, px)
        arrays[f"{split}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
        values = classes if labels == "multiclass" else 2
        columns = classes if labels == "multilabel" else 1
        drawn = np.stack([rng.permutation(np.arange(count) % values) for _ in range(columns)], 1)
        arrays[f"{split}_labels"] = drawn.astype(np.uint8)
    (np.savez_compressed if compressed else np.savez)(root, **arrays)
