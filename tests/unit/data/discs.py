"""Films of bright discs, with their masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def discs(
    path: Path,
    sizes: dict[str, int],
    empty: tuple[int, ...] = (),
    side: int = 16,
    observers: tuple[str, ...] = (),
) -> Path:
    """Write an .npz of films with bright discs, two a patient; some train films have none.

    Each further observer puts the discs one column further to the right.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    arrays: dict[str, Any] = {}
    for split, count in sizes.items():
        centres = rng.integers(side // 4, 3 * side // 4, (count, 2, 1, 1))
        masks = np.hypot(rows - centres[:, 0], columns - centres[:, 1]) < side / 4
        if split == "train":
            masks[list(empty)] = False
        arrays[f"{split}_images"] = (rng.integers(0, 60, masks.shape) + 150 * masks).astype(
            np.uint8
        )
        arrays[f"{split}_masks"] = masks.astype(np.uint8)
        for shift, name in enumerate(observers, start=1):
            arrays[f"{split}_{name}"] = np.roll(masks, shift, axis=2).astype(np.uint8)
        arrays[f"{split}_image_id"] = np.array([f"{split}{i}" for i in range(count)])
        arrays[f"{split}_patient_id"] = np.array([f"{split}-p{i // 2}" for i in range(count)])
    np.savez(path, **arrays)
    return path
