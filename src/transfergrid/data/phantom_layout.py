"""The phantom's chest films on disk, with the layout and tables of the published CheXpert."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from transfergrid.data.chexpert import PUBLISHED
from transfergrid.data.phantom_cohort import Film, patient_films
from transfergrid.data.phantom_film import draw_film
from transfergrid.data.phantom_labels import labels
from transfergrid.data.store import SPLITS
from transfergrid.runtime.progress import progress

FOLDER = "CheXpert-v1.0-small"
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *PUBLISHED)

# The published numbers of the first valid and test patients.
_FIRST_VALID, _FIRST_TEST = 64541, 64741


def write_chexpert(root: Path, patients: Mapping[str, int], seed: int, native_px: int) -> Path:
    """Draw a set of films and write it in the layout of CheXpert-v1.0-small.

    Args:
        root: Folder in which the folder CheXpert-v1.0-small is made.
        patients: Number of patients by split: train, valid, test.
        seed: Seed of everything.
        native_px: Shorter side of the films.

    Returns:
        The folder that holds train.csv, valid.csv, test.csv and the films.
    """
    base = root / FOLDER
    first = first_numbers(patients)
    total = sum(patients.values())
    everyone = [(split, patient) for split in SPLITS for patient in range(patients[split])]
    rows: dict[str, list[list[str]]] = {split: [] for split in SPLITS}
    for split, patient in progress(everyone, total, "drawing patients"):
        for film in patient_films(seed, split, patient):
            name = film_name(film, first[split])
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw_film(film, native_px)).save(path, quality=92)
            rows[split].append(_row(seed, film, f"{FOLDER}/{name}"))
    for split in SPLITS:
        with open(base / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows[split])
    return base


def first_numbers(patients: Mapping[str, int]) -> dict[str, int]:
    """Return the number of each split's first patient: the published one if the sets fit it.

    The splits' numbers never overlap.
    """
    valid = max(_FIRST_VALID, 1 + patients["train"])
    return {"train": 1, "valid": valid, "test": max(_FIRST_TEST, valid + patients["valid"])}


def film_name(film: Film, first: int) -> str:
    """Return a film's path under the set's folder."""
    view = "lateral" if film.lateral else "frontal"
    return (
        f"{film.split}/patient{first + film.patient:05d}/study{film.study + 1}/"
        f"view{film.view + 1}_{view}.jpg"
    )


def _row(seed: int, film: Film, path: str) -> list[str]:
    values = labels(seed, film)
    if film.lateral:
        view, beam = "Lateral", ""
    else:
        view, beam = "Frontal", "AP" if film.ap else "PA"
    texts = ["" if math.isnan(values[name]) else f"{values[name]:.1f}" for name in PUBLISHED]
    return [path, film.sex, str(film.age), view, beam, *texts]
