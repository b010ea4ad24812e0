"""Write fake chest films in the layouts of Kermany et al.: a folder a part and class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = "chest_xray"
KAGGLE = {
    "train": {
        "NORMAL": [f"IM-{n:04d}-{v:04d}" for n in range(115, 127) for v in (1, 2)]
        + [f"NORMAL2-IM-{n:04d}-0001-000{v}" for n in range(115, 123) for v in (1, 2)],
        "PNEUMONIA": [f"person{n}_bacteria_{2 * n + v}" for n in range(1, 15) for v in (0, 1)]
        + [f"person{n}_virus_{n + 20}" for n in range(9, 16)]
        + ["person15_virus_35_1"],
    },
    "val": {"NORMAL": ["NORMAL2-IM-1427-0001"], "PNEUMONIA": ["person1946_bacteria_4874"]},
    "test": {
        "NORMAL": [f"IM-{n:04d}-0001" for n in range(1, 9)]
        + [f"NORMAL2-IM-{n:04d}-0001" for n in range(3, 8)],
        # The numbers of persons begin anew.
        "PNEUMONIA": [f"person{n}_virus_{2 * n + v}" for n in range(1, 7) for v in (0, 1)]
        + [f"person{n}_bacteria_{n + 300}" for n in range(78, 84)],
    },
}
MENDELEY = {
    "train": {
        "NORMAL": [f"NORMAL-10{n}-000{v}" for n in range(10, 30) for v in (1, 2)],
        "PNEUMONIA": [f"BACTERIA-20{n}-000{v}" for n in range(10, 25) for v in (1, 2)]
        + [f"VIRUS-30{n}-0001" for n in range(10, 20)],
    },
    "test": {
        "NORMAL": [f"NORMAL-40{n}-0001" for n in range(10, 20)],
        "PNEUMONIA": [f"VIRUS-50{n}-0001" for n in range(10, 20)],
    },
}


def make(root: Path, rng: np.random.Generator, copy: str = "kaggle") -> None:
    """Write `root`/chest_xray as Kaggle has it or as it was first published ("mendeley")."""
    for part, classes in (KAGGLE if copy == "kaggle" else MENDELEY).items():
        for name, films in classes.items():
            folder = root / FOLDER / part / name
            folder.mkdir(parents=True)
            for film in films:
                width, height = (int(side) for side in rng.integers(24, 48, 2))
                coarse = rng.integers(0, 256, (6, 6), dtype=np.uint8)
                Image.fromarray(coarse).resize((width, height)).save(folder / f"{film}.jpeg")
    if copy == "kaggle":
        (root / FOLDER / "train" / "NORMAL" / "._IM-0115-0001.jpeg").write_bytes(b"\0\5\x16\7")
        (root / FOLDER / ".DS_Store").write_bytes(b"\0")
