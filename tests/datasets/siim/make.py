"""Write a fake SIIM-ACR set as the challenge released it, with PNGs in the place of DICOM files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PX = 48
COUNT = 30
WITH = 10
"""Films with a pneumothorax; the first of them has two rows."""
FOLDER = "dicom-images-train"


def name_of(number: int) -> str:
    """Return a film's id, which has points in it."""
    return f"1.2.276.0.7230010.3.1.4.8323329.{number}.1517875252.44387{number % 10}"


def mask_of(number: int) -> np.ndarray:
    """Return (PX, PX) bool, the pneumothorax of a film."""
    mask = np.zeros((PX, PX), np.bool_)
    if number < WITH:
        mask[4 : 12 + number, 30:40] = True
    if number == 0:
        mask[30:40, 5:9] = True
    return mask


def make(root: Path, rng: np.random.Generator) -> None:
    """Write `root`/train-rle.csv and films in a folder for each study and series.

    One film has no row. The table's second column has a blank before its name and in each cell.
    """
    lines = ["ImageId, EncodedPixels"]
    for number in range(COUNT + 1):
        name, mask = name_of(number), mask_of(number)
        folder = root / FOLDER / f"{name}.study" / f"{name}.series"
        folder.mkdir(parents=True)
        film = rng.integers(0, 120, (PX, PX), dtype=np.uint8) + 120 * mask.astype(np.uint8)
        Image.fromarray(film).save(folder / f"{name}.png")
        parts = [mask & half for half in _halves()] if number == 0 else [mask]
        if number < COUNT:
            lines += [f"{name}, {written(part)}" for part in parts]
    (root / "train-rle.csv").write_text("\n".join(lines) + "\n")


def written(mask: np.ndarray) -> str:
    """Return a mask as the challenge's `mask_functions.py` writes it: down the columns."""
    words, after = [], 0
    flat = np.concatenate([[0], mask.ravel(order="F").astype(np.int8), [0]])
    starts, ends = (np.flatnonzero(np.diff(flat) == step) for step in (1, -1))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        words += [str(start - after), str(end - start)]
        after = end
    return " ".join(words) or "-1"


def _halves() -> tuple[np.ndarray, np.ndarray]:
    left = np.zeros((PX, PX), np.bool_)
    left[:, : PX // 2] = True
    return left, ~left
