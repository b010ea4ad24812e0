"""Where CheXpert's tables and films are: one folder, or the four batches of the full download."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from transfergrid.runtime.errors import UserError, listed

TABLES_BATCH = "CheXpert-v1.0 batch 1 (validate & csv)"
FOLDERS = ("CheXpert-v1.0", "CheXpert-v1.0-small", TABLES_BATCH)
"""Folders that may hold train.csv; in the full download, the first batch."""
TEST_TABLES = ("test.csv", "test_labels.csv", "test/test.csv", "test/test_labels.csv")

_BATCH = re.compile(r"CheXpert-v1\.0 batch \d+ \(train \d+\)")


def find_base(root: Path) -> Path:
    """Return the folder that holds train.csv: `root`, or the one published folder inside it."""
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; correct the data set's root.")
    if (root / "train.csv").is_file():
        return root
    found = [root / folder for folder in FOLDERS if (root / folder / "train.csv").is_file()]
    if len(found) > 1:
        raise UserError(
            f"{root} contains both {' and '.join(folder.name for folder in found)}; name one of "
            "them as the root."
        )
    if not found:
        raise UserError(
            f"{root} has no train.csv, nor does {', '.join(FOLDERS[:-1])} or '{FOLDERS[-1]}' in "
            "it; as the root, name the folder into which CheXpert was unpacked."
        )
    return found[0]


def homes(base: Path) -> tuple[Path, ...]:
    """Return the folders of tables and of films by split: `base`, and that of the batches."""
    return (base, base.parent) if base.name == TABLES_BATCH else (base,)


def has_test_table(base: Path) -> bool:
    """Tell whether there is a table of the test set."""
    return bool(_test_tables(base))


def _test_tables(base: Path) -> list[Path]:
    found = [home / name for home in homes(base) for name in TEST_TABLES]
    return [table for table in found if table.is_file()]


def test_table(base: Path) -> Path:
    """Return the one table of the test set; UserError if there are several or none."""
    found = _test_tables(base)
    if len(found) > 1:
        raise UserError(f"there are test labels in {listed(found)}; keep one of them.")
    if not found:
        raise UserError(
            f"{base} has neither test.csv nor test_labels.csv; add the published test set, or "
            "set test_split to 'valid' and validation_share above 0."
        )
    return found[0]


def place_films(base: Path, names: Sequence[str]) -> tuple[Path, list[str]]:
    """Find films in the batches of the full download.

    A batch of training films directly holds the patients' folders, which the tables call
    ``train/patient00001``.

    Args:
        base: The folder that holds train.csv.
        names: Paths as the tables name them: ``train/patient00001/study1/view1_frontal.jpg``.

    Returns:
        A folder, and the paths of the films relative to it. Films of patients without a folder stay
        where the tables have them.
    """
    *_, top = homes(base)
    batches = sorted(entry.name for entry in os.scandir(top) if _BATCH.fullmatch(entry.name))
    if not batches:
        return base, list(names)
    folder_of = {}
    for home in homes(base):
        for split in {name.partition("/")[0] for name in names}:
            for patient in _entries(home / split):
                folder_of[f"{split}/{patient}"] = os.path.relpath(home / split, top)
    for batch in batches:
        for folder in (batch, f"{batch}/train"):
            for patient in _entries(top / folder):
                folder_of.setdefault(f"train/{patient}", folder)
    placed = []
    for name in names:
        split, patient, film = name.split("/", 2)
        folder = folder_of.get(f"{split}/{patient}", split)
        placed.append(f"{folder}/{patient}/{film}")
    return top, placed


def _entries(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []
