"""Write a fake private data set: PNG files in a folder and a table that describes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CLASSES = ("Benign", "Malignant", "Not Sure")


def make(
    root: Path,
    rng: np.random.Generator,
    table: str = "labels.csv",
    patients: int = 18,
) -> None:
    """Write `root`/images/*.png and `root`/`table` (.csv, .tsv or .parquet).

    Each patient has two studies, "a" and "b", of one or two views each. Columns: image, patient,
    study, view, part ("development", "tuning", "holdout"), the multilabel columns "Mass" and
    "Micro-Calcification" (blank is unknown; only in development), and the class "finding".
    """
    (root / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for patient in range(patients):
        part = ("development", "tuning", "holdout")[patient // 2 % 3]
        for study in ("a", "b"):
            mass, calcification = patient % 2, int(study == "a")
            finding = CLASSES[(patient + (study == "b")) % 3]
            for view in ("CC", "MLO")[: int(rng.integers(1, 3))]:
                name = f"images/{patient:03d}{study}_{view}.png"
                size = tuple(int(side) for side in rng.integers(20, 40, 2))
                mode = ("L", "RGB")[patient % 2]
                coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
                Image.fromarray(coarse).convert(mode).resize(size).save(root / name)
                unknown = part == "development" and rng.random() < 0.2
                rows.append(
                    {
                        "image": name,
                        "patient": f"{patient:03d}",
                        "study": study,
                        "view": view,
                        "part": part,
                        "Mass": str(mass),
                        "Micro-Calcification": "" if unknown else str(calcification),
                        "finding": finding,
                    }
                )
    frame = pd.DataFrame(rows)
    path = root / table
    if path.suffix == ".parquet":
        frame.replace({"Micro-Calcification": {"": None}}).to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
