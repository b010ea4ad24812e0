"""Write a fake Montgomery set in its published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = "MontgomerySet"
COUNT = 20


def make(root: Path, rng: np.random.Generator) -> None:
    """Write `root`/MontgomerySet: films, masks of both lungs of the same size, and readings.

    The first half are normal. Films are of many sizes; the left lung is at the film's right.
    """
    base = root / FOLDER
    for name in ("CXR_png", "ManualMask/leftMask", "ManualMask/rightMask", "ClinicalReadings"):
        (base / name).mkdir(parents=True)
    for number in range(1, COUNT + 1):
        name = f"MCUCXR_{number:04d}_{int(number > COUNT // 2)}"
        width, height = (int(side) for side in rng.integers(40, 64, 2))
        film = rng.integers(150, 256, (height, width), dtype=np.uint8)
        masks = {"left": (0.6, 0.9), "right": (0.1, 0.4)}
        for side, (start, end) in masks.items():
            mask = np.zeros((height, width), np.bool_)
            mask[height // 4 : 3 * height // 4, round(start * width) : round(end * width)] = True
            film[mask] //= 4
            # As 8 and as 1 bit: both are read alike.
            image = (
                Image.fromarray(mask) if number % 2 else Image.fromarray(mask.astype("u1") * 255)
            )
            image.save(base / "ManualMask" / f"{side}Mask" / f"{name}.png")
        Image.fromarray(film).save(base / "CXR_png" / f"{name}.png")
        (base / "ClinicalReadings" / f"{name}.txt").write_text("Patient's Sex: F\n")
    (base / "CXR_png" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
