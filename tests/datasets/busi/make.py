"""Write a fake BUSI with the published layout: a folder a class, masks beside the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = "Dataset_BUSI_with_GT"
IMAGES = {"benign": 20, "malignant": 12, "normal": 8}


def make(root: Path, rng: np.random.Generator, images: dict[str, int] | None = None) -> None:
    """Write `root`/Dataset_BUSI_with_GT with RGB images and binary masks.

    The mask of a normal image is black; every fifth benign image has two masks.
    """
    for name, count in (images or IMAGES).items():
        folder = root / FOLDER / name
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            size = tuple(int(side) for side in rng.integers(24, 40, 2))
            coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize(size).save(folder / f"{name} ({number}).png")
            mask = np.zeros(size[::-1], dtype=bool)
            mask[4:12, 5:14] = name != "normal"
            several = name == "benign" and number % 5 == 0
            for ending in ("_mask", "_mask_1") if several else ("_mask",):
                Image.fromarray(mask).save(folder / f"{name} ({number}){ending}.png")
