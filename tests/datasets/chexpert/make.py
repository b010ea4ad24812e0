"""Write a fake CheXpert with the published layout: three tables, one JPEG a view."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)


def make(
    root: Path,
    rng: np.random.Generator,
    folder: str = "CheXpert-v1.0-small",
    patients: tuple[int, int, int] = (12, 5, 6),
    test_table: str = "test.csv",
) -> None:
    """Write `folder` into `root`.

    Training labels hold blanks and -1, those of valid and test 0 and 1 only; in each split the
    first patient has every label and the second none. `test_table` "test_labels.csv" has the
    paths without the leading folder and no columns but the labels, as in its own publication.
    """
    base = root / folder
    number = 1
    for split, count in zip(("train", "valid", "test"), patients, strict=True):
        rows = []
        for position in range(count):
            for study in range(1, 1 + (1 if split != "train" else int(rng.integers(1, 3)))):
                labels = _labels(rng, split, position)
                for view, side in enumerate(_views(rng), start=1):
                    name = f"{split}/patient{number:05d}/study{study}/view{view}_{side}.jpg"
                    _write_image(base / name, rng)
                    facing = ("Frontal", "AP") if side == "frontal" else ("Lateral", "")
                    person = ("Female" if number % 2 else "Male", 20 + number)
                    rows.append((f"{folder}/{name}", *person, *facing, *labels))
            number += 1
        bare = split == "test" and Path(test_table).name == "test_labels.csv"
        _write_table(base / (test_table if split == "test" else f"{split}.csv"), rows, bare)


def _views(rng: np.random.Generator) -> tuple[str, ...]:
    return ("frontal", "lateral") if rng.random() < 0.5 else ("frontal",)


def _labels(rng: np.random.Generator, split: str, position: int) -> list[str]:
    if position < 2:
        return ["0.0" if position else "1.0"] * len(LABELS)
    values = ("", "0.0", "1.0", "-1.0") if split == "train" else ("0.0", "1.0")
    return [str(value) for value in rng.choice(values, len(LABELS))]


def _write_image(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = rng.integers(36, 52, 2)
    coarse = rng.integers(0, 256, (6, 6), dtype=np.uint8)
    Image.fromarray(coarse).resize((int(width), int(height))).save(path, quality=90)


def _write_table(path: Path, rows: list[tuple[object, ...]], bare: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if bare:
            writer.writerow(("Path", *LABELS))
            for row in rows:
                path_in_folder = str(row[0]).split("/", 1)[1]
                writer.writerow((path_in_folder, *(int(float(str(label))) for label in row[5:])))
        else:
            writer.writerow(COLUMNS)
            writer.writerows(rows)
