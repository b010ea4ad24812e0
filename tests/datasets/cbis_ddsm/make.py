"""Write a fake CBIS-DDSM with the published layout: four tables of abnormalities, films as PNG."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SHARED = ("left or right breast", "image view", "abnormality id", "abnormality type")
MASS = ("patient_id", "breast_density", *SHARED, "mass shape", "mass margins")
CALCIFICATION = ("patient_id", "breast density", *SHARED, "calc type", "calc distribution")
REST = (
    "assessment",
    "pathology",
    "subtlety",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
)
PATHOLOGIES = ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK")
TRAIN, TEST = 16, 8
"""Patients of each kind's training and test tables."""


@dataclass(frozen=True)
class Row:
    """An abnormality: its film, number and pathology."""

    kind: str
    part: str
    patient: int
    view: str
    number: int
    pathology: str

    @property
    def film(self) -> str:
        return f"P_{self.patient:05d}_LEFT_{self.view}"

    @property
    def folder(self) -> str:
        return f"{self.kind}-{'Training' if self.part == 'train' else 'Test'}_{self.film}"

    @property
    def path(self) -> str:
        return f"{self.folder}/1.3.6.1.{self.patient}/1.3.6.2.{self.patient}/000000.dcm"


def abnormalities() -> list[Row]:
    """Return all rows.

    Masses are of patients 1 to 24, calcifications of 25 to 48, each with two views. Patient 2 has
    two masses on a film, one of them malignant. Patient 1 has a calcification, too, on the very
    film of the mass, and so has patient 4, whose calcification is in the test table.
    """
    rows = []
    for kind, first in (("Mass", 1), ("Calc", 25)):
        for patient in range(first, first + TRAIN + TEST):
            part = "train" if patient < first + TRAIN else "test"
            for view in ("CC", "MLO"):
                rows.append(Row(kind, part, patient, view, 1, PATHOLOGIES[patient % 3]))
    rows.append(Row("Mass", "train", 2, "CC", 2, "MALIGNANT"))
    rows.append(Row("Calc", "train", 1, "CC", 1, "MALIGNANT"))
    rows.append(Row("Calc", "test", 4, "CC", 1, "MALIGNANT"))
    return rows


def make(root: Path, rng: np.random.Generator, form: str = "flat", folder: str = "images") -> None:
    """Write the tables and the 16-bit films.

    `form` is "flat" (a PNG named after the film's folder), "nested" (where the tables say, as PNG)
    or "renamed" (there, as 1-1.png).
    """
    rows = abnormalities()
    for kind, columns in (("Mass", MASS), ("Calc", CALCIFICATION)):
        for part in ("train", "test"):
            table = root / f"{kind.lower()}_case_description_{part}_set.csv"
            chosen = [row for row in rows if (row.kind, row.part) == (kind, part)]
            write(table, columns, chosen)
    for path in {row.path: row for row in rows}:
        file = root / folder / place(path, form)
        file.parent.mkdir(parents=True, exist_ok=True)
        film = rng.integers(0, 65536, (6, 5)).repeat(6, 0).repeat(6, 1).astype(np.uint16)
        Image.fromarray(film).save(file)


def write(table: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Write a table whose last paths end in a line break, as those of the published ones do."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*columns, *REST))
        for row in rows:
            type_ = {"Mass": "mass", "Calc": "calcification"}[row.kind]
            what = (f"P_{row.patient:05d}", 3, "LEFT", row.view, row.number, type_, "N/A", "OVAL")
            crop = f"{row.folder}_{row.number}/1.3/1.4/000000.dcm"
            mask = f"{row.folder}_{row.number}/1.3/1.4/000001.dcm\n"
            writer.writerow((*what, 4, row.pathology, 5, row.path, crop, mask))


def place(path: str, form: str) -> str:
    """Return where a film's PNG is."""
    folder = path.split("/")[0]
    nested = path.rsplit("/", 1)[0]
    return {
        "flat": f"{folder}.png",
        "nested": f"{nested}/000000.png",
        "renamed": f"{nested}/1-1.png",
    }[form]
