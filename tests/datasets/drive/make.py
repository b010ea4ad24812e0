"""Write a fake DRIVE in its published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

TRAINING, TEST = range(21, 31), range(1, 9)
HEIGHT, WIDTH = 58, 56


def make(root: Path, rng: np.random.Generator) -> None:
    """Write `root`/training and `root`/test: TIFFs, GIFs of vessels and of fields of view.

    The second observer sees the test part alone, and draws each vessel one pixel wider.
    """
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    seen = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2) < WIDTH / 2 - 2
    for part, numbers in (("training", TRAINING), ("test", TEST)):
        names = ["images", "1st_manual", "mask", *(["2nd_manual"] if part == "test" else [])]
        for name in names:
            (root / part / name).mkdir(parents=True)
        for number in numbers:
            place = int(rng.integers(16, 32))
            first = (abs(rows - place) < 2) & seen
            second = (abs(rows - place) < 3) & seen
            photograph = rng.integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            photograph[seen] += 60
            photograph[first] += 100
            folder, stem = root / part, f"{number:02d}"
            Image.fromarray(photograph).save(folder / "images" / f"{stem}_{part}.tif")
            _gif(seen, folder / "mask" / f"{stem}_{part}_mask.gif")
            _gif(first, folder / "1st_manual" / f"{stem}_manual1.gif")
            if part == "test":
                _gif(second, folder / "2nd_manual" / f"{stem}_manual2.gif")


def _gif(mask: np.ndarray, path: Path) -> None:
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
