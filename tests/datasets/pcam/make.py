"""Write a fake PatchCamelyon: the published files with their tables, or a study's PNG files."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

NAME = "camelyonpatch_level_2_split_{}_{}"
COUNTS = {"train": 40, "valid": 12, "test": 16}
HEAD = ("", "coord_y", "coord_x", "tumor_patch", "center_tumor_patch", "wsi")
PX = 96


def make(root: Path, rng: np.random.Generator) -> None:
    """Write the published files into `root`; every second patch has tumour, each slide has four."""
    root.mkdir(parents=True, exist_ok=True)
    slide = 0
    for split, count in COUNTS.items():
        labels = np.arange(count) % 2
        with h5py.File(root / NAME.format(split, "x.h5"), "w") as file:
            file["x"] = np.stack([_patch(rng) for _ in range(count)])
        with h5py.File(root / NAME.format(split, "y.h5"), "w") as file:
            file["y"] = labels.reshape(count, 1, 1, 1).astype(np.uint8)
        rows = []
        for number in range(count):
            slide += number % 4 == 0
            tumour = str(bool(labels[number]))
            of = f"camelyon16_{'test' if split == 'test' else 'train_tumor'}_{slide:03d}"
            rows.append((number, *rng.integers(0, 9999, 2), "True", tumour, of))
        with open(root / NAME.format(split, "meta.csv"), "w", newline="") as file:
            csv.writer(file).writerows([HEAD, *rows])


def make_files(root: Path, rng: np.random.Generator, count: int = 50) -> None:
    """Write `root`/png_images: numbers recur, since three parts were written into one folder."""
    folder = root / "png_images"
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(_patch(rng)).save(folder / f"{number // 2}_label={number % 2}.png")
    (folder / ".DS_Store").touch()


def _patch(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((PX, PX)))
