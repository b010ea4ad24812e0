"""The tables of drawn chest films without the films: whose they are, and from which hospital."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.data import chexpert
from transfergrid.data.manifest import Manifest
from transfergrid.data.phantom import _COUNT_KEYS, _FOR_CHEXPERT, PATIENTS
from transfergrid.data.phantom_cohort import patient_films
from transfergrid.data.phantom_layout import COLUMNS, FOLDER, _row, film_name, first_numbers
from transfergrid.data.store import SPLITS

# What draws films is part of their cells' names, so this takes from there what it has.

HOSPITAL = "Hospital"
"""A column that CheXpert's tables lack: three hospitals, whose films differ in exposure."""


def read(options: Mapping[str, Any], folder: Path) -> Manifest:
    """Write the tables of a set of drawn chest films, and return its manifest.

    Args:
        options: The declaration, of which `transfergrid.data.phantom.read` made images.
        folder: An empty folder.
    """
    patients = {split: int(options.get(key, PATIENTS[split])) for split, key in _COUNT_KEYS.items()}
    seed, first = int(options.get("seed", 0)), first_numbers(patients)
    base = folder / FOLDER
    base.mkdir()
    for split in SPLITS:
        with open(base / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*COLUMNS, HOSPITAL))
            for patient in range(patients[split]):
                for film in patient_films(seed, split, patient):
                    path = f"{FOLDER}/{film_name(film, first[split])}"
                    writer.writerow((*_row(seed, film, path), "ABC"[film.hospital]))
    return chexpert.read({key: options[key] for key in _FOR_CHEXPERT if key in options}, base)
