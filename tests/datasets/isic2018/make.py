"""Write a fake ISIC 2018 task 3 in its published layout: an archive a folder, one-hot tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

DIAGNOSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
COUNTS = {"Training": 280, "Validation": 14, "Test": 21}
FIRST = {"Training": 24306, "Validation": 34321, "Test": 34524}


def make(root: Path, rng: np.random.Generator, tables_in_folders: bool = True) -> None:
    """Write its training, validation and test parts into `root`.

    Every diagnosis is as frequent as any other, and two images in a row, of one diagnosis, show one
    lesion. Tables lie in folders of their archives' names, or in `root` itself.
    """
    for part, count in COUNTS.items():
        rows, lesions = [], []
        images = root / f"ISIC2018_Task3_{part}_Input"
        images.mkdir(parents=True)
        (images / "ATTRIBUTION.txt").touch()
        for number in range(count):
            name = f"ISIC_{FIRST[part] + number:07d}"
            diagnosis = (number // 2) % len(DIAGNOSES)
            rows.append((name, *(float(place == diagnosis) for place in range(len(DIAGNOSES)))))
            lesions.append((name, f"HAM_{number // 2:07d}", "histopathology"))
            coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((60, 45)).save(images / f"{name}.jpg")
        table = f"ISIC2018_Task3_{part}_GroundTruth"
        place = root / table if tables_in_folders else root
        _write(place / f"{table}.csv", ("image", *DIAGNOSES), rows)
        if part == "Training":
            grouped = root / f"ISIC2018_Task3_{part}_LesionGroupings.csv"
            _write(grouped, ("image", "lesion_id", "diagnosis_confirm_type"), lesions)


def _write(path: Path, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
