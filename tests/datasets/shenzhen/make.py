"""Write a fake Shenzhen set in its published layout, and lists as a benchmark has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = "ChinaSet_AllFiles"
COUNT = 24
SHARES = {"train": 14, "valid": 4, "test": 6}


def make(root: Path, rng: np.random.Generator) -> None:
    """Write `root`/ChinaSet_AllFiles with films and readings, and three lists in `root`.

    The first half are normal, as in the published set. A list has a film and its label in each
    line, as those of jlianglab/BenchmarkTransferLearning.
    """
    base = root / FOLDER
    for name in ("CXR_png", "ClinicalReadings"):
        (base / name).mkdir(parents=True)
    films = [f"CHNCXR_{number:04d}_{int(number > COUNT // 2)}" for number in range(1, COUNT + 1)]
    for film in films:
        width, height = (int(side) for side in rng.integers(40, 64, 2))
        coarse = rng.integers(0, 256, (6, 6), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height)).save(base / "CXR_png" / f"{film}.png")
        (base / "ClinicalReadings" / f"{film}.txt").write_text("male 45yrs\nnormal")
    (base / "CXR_png" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    # In turn, so that each part has both classes.
    order = [films[place // 2 + (place % 2) * (COUNT // 2)] for place in range(COUNT)]
    start = 0
    for part, count in SHARES.items():
        lines = [f"{film}.png,{film[-1]}\n" for film in order[start : start + count]]
        (root / f"ShenzenCXR_{part}_data.txt").write_text("".join(lines))
        start += count
