"""How many images a data set has, as far as that is known before it is decoded."""

from __future__ import annotations

import ast
import csv
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.commands.reasons import read_json_or_none
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.named import named
from transfergrid.planning.paths import RESULTS, cache_directory, cell_directory

FILMS_PER_PATIENT = (1.55, 1.2, 1.2)
"""Of a drawn data set of chest films, in train, valid and test, about."""
FRONTALS_PER_PATIENT = (1.3, 1.03, 1.03)
"""The same of frontal films alone."""
CHEXPERT_TASKS = 14
_CHEXPERT_PATIENT = re.compile(rb"/(patient\w+)/")


@dataclass(frozen=True)
class Images:
    """Size of a data set.

    Attributes:
        train: Images to train on.
        valid: Images to validate on.
        test: Images to test on.
        tasks: Outputs of a network.
        exact: Whether they were counted on decoded data, not estimated from its tables.
        patients: Patients to train on; None where each image counts as one, or only the headers of
            its files tell.
        no_more: Whether there cannot be more patients, although images are estimated.
    """

    train: int
    valid: int
    test: int
    tasks: int
    exact: bool
    patients: int | None = None
    no_more: bool = False

    @property
    def per_patient(self) -> float:
        """Training images of a patient, on average."""
        return self.train / self.patients if self.patients else 1.0

    @property
    def total(self) -> int:
        """All images."""
        return self.train + self.valid + self.test


def count_images(
    dataset: Dataset, trained: tuple[str, ...], results: Path = RESULTS
) -> Images | None:
    """Count a data set's images, or return None if that is unknown until it is decoded.

    Args:
        dataset: The planned data set.
        trained: Names of cells on disk that were trained on some version of it, nearest first; each
            keeps a copy of its data's card.
        results: The folder of results.
    """
    card = _from_card(cache_directory(dataset.id, results) / "card.json", True)
    for name in () if card else trained:
        folder = cell_directory(name, results)
        spec = read_json_or_none(folder / "spec.json") or {}
        same = (spec.get("dataset") or {}).get("id") == dataset.id
        card = card or _from_card(folder / "card.json", same)
    try:
        return card or _from_declaration(dataset.declaration, dataset.root)
    except (
        OSError,
        ValueError,
        KeyError,
        UnicodeError,
        struct.error,
        csv.Error,
        zipfile.BadZipFile,
    ):
        return None  # saying what is wrong with the data is not this module's task


def _images(counts: Sequence[int], tasks: int, exact: bool, patients: int | None = None) -> Images:
    train, valid, test = counts
    return Images(train, valid, test, tasks, exact, patients)


def _from_card(path: Path, exact: bool) -> Images | None:
    card = read_json_or_none(path)
    if not card:
        return None
    try:
        # Of folds that differ by a patient or two, one speaks for all.
        splits = card["by_fold"][0] if "by_fold" in card else card["splits"]
        counts = [int(splits[s]["images"]) for s in ("train", "valid", "test")]
        people = splits["train"].get("patients")
        return _images(counts, len(card["tasks"]), exact, people)
    except (KeyError, TypeError, ValueError):
        return None  # a broken card; `doctor --verify` names it


def _from_declaration(declaration: Mapping[str, Any], root: Path | None) -> Images | None:
    found = _unsplit(declaration, root)
    folds = declaration.get("folds")
    if found is None or not folds:
        return found
    test = round(found.total / folds["k"])
    share = folds["valid"]
    valid = test if share == "next" else round(share * (found.total - test))
    train = found.total - test - valid
    patients = found.patients and round(found.patients * train / found.total)
    return replace(
        found,
        train=train,
        valid=valid,
        test=test,
        exact=False,
        patients=patients or None,
        no_more=False,
    )


def _unsplit(declaration: Mapping[str, Any], root: Path | None) -> Images | None:
    """Return what a declaration says without its folds."""
    kind = dataset_kind(declaration["kind"])
    if kind is None or not kind.count or (root is None and kind.rooted):
        return None
    found: Images | None = named(kind.count)(declaration, root)
    return found


def of_phantom(declaration: Mapping[str, Any], root: Path | None) -> Images:
    """Count what is drawn."""
    counts = [declaration[f"{part}patients"] for part in ("", "valid_", "test_")]
    if declaration["set"] == "shapes":
        return _images(counts, 8, exact=True, patients=counts[0])
    films = [round(r * n) for r, n in zip(FILMS_PER_PATIENT, counts, strict=True)]
    found = _images(films, _tasks(declaration), exact=False, patients=counts[0])
    return replace(found, no_more=True)


def _tasks(declaration: Mapping[str, Any]) -> int:
    tasks = declaration.get("tasks", CHEXPERT_TASKS)
    return len(tasks) if isinstance(tasks, list) else int(tasks)


def of_archive(declaration: Mapping[str, Any], root: Path) -> Images:
    """Count the arrays of an .npz file, of which only headers are read."""
    with zipfile.ZipFile(root) as archive:
        counts = [_shape(archive, f"{s}_images.npy")[0] for s in ("train", "val", "test")]
        labels = _shape(archive, "train_labels.npy")
    return _images(counts, labels[1] if len(labels) > 1 else 1, exact=True)


def of_mask_phantom(declaration: Mapping[str, Any], root: Path | None) -> Images:
    """Count the frontal films that are drawn."""
    counts = [declaration[f"{part}patients"] for part in ("", "valid_", "test_")]
    films = [round(r * n) for r, n in zip(FRONTALS_PER_PATIENT, counts, strict=True)]
    found = _images(films, len(declaration["structures"]), exact=False, patients=counts[0])
    return replace(found, no_more=True)


def of_mask_archive(declaration: Mapping[str, Any], root: Path) -> Images:
    """Count the films of an .npz file with masks, which may lack splits."""
    with zipfile.ZipFile(root) as archive:
        names = set(archive.namelist())
        keys = [f"{split}_images.npy" for split in ("train", "val", "test")]
        counts = [_shape(archive, key)[0] if key in names else 0 for key in keys]
    return _images(counts, len(declaration["structures"]), exact=True)


def _shape(archive: zipfile.ZipFile, member: str) -> tuple[int, ...]:
    """Read the shape of an array from its header: magic, version, length, a Python literal."""
    with archive.open(member) as file:
        version = file.read(8)[6]
        size = (
            struct.unpack("<H", file.read(2)) if version == 1 else struct.unpack("<I", file.read(4))
        )
        shape: tuple[int, ...] = ast.literal_eval(file.read(size[0]).decode("latin1"))["shape"]
    return shape


def of_reader(declaration: Mapping[str, Any], root: Path) -> Images:
    """Count what a reader finds that opens no image."""
    from transfergrid.data.kinds import read_manifest  # pandas

    manifest = read_manifest(declaration, root)
    split = manifest.table["split"]
    found = [int((split == name).sum()) for name in ("train", "valid", "test")]
    whole = manifest.folds is not None
    people = (
        manifest.table["patient_id"] if whole else manifest.table["patient_id"][split == "train"]
    )
    counts = [len(split), 0, 0] if whole else found
    return _images(counts, len(manifest.tasks), exact=True, patients=int(people.nunique()))


def of_chexpert(declaration: Mapping[str, Any], root: Path) -> Images:
    """Count the lines of CheXpert's tables."""
    rows = {Path(name).stem: _rows(root / name) for name in declaration["tables"]}
    share = declaration["validation_share"]
    cut = round(share * rows["train"])
    valid = cut if share else rows.get("valid", 0)
    tested = rows.get("test_labels", rows.get("test", 0))
    test = rows.get("valid", 0) if declaration["test_split"] == "valid" else tested
    train = next(root / name for name in declaration["tables"] if Path(name).stem == "train")
    people = len(set(_CHEXPERT_PATIENT.findall(train.read_bytes())))
    left = rows["train"] - cut
    # Validation takes patients, so that those who are left have their share of the films.
    patients = round(people * left / max(rows["train"], 1)) or None
    return Images(left, valid, test, _tasks(declaration), exact=False, patients=patients)


def _rows(path: Path) -> int:
    with open(path, "rb") as file:
        return max(0, sum(1 for line in file if line.strip()) - 1)


def of_table(declaration: Mapping[str, Any], root: Path) -> Images | None:
    """Count the lines of a table of text, by its column of splits if it has one."""
    path = root / declaration["table"]
    separators = {".csv": ",", ".tsv": "\t"}
    if path.suffix.lower() not in separators:
        return None
    separator = declaration["separator"] or separators[path.suffix.lower()]
    split, labels = declaration.get("split"), declaration["label_columns"]
    tasks = len(labels)
    if declaration["task_kind"] == "multiclass" or declaration["label_separator"]:
        divider = declaration["label_separator"]
        cells = set(_column(path, separator, labels[0]))
        found = {
            part.strip() for cell in cells for part in (cell.split(divider) if divider else [cell])
        }
        tasks = len(found - {"", declaration["no_label"]})
    if split is None:
        counts = [_rows(path), 0, 0]
    elif "column" in split:
        values = Counter(_column(path, separator, split["column"]))
        counts = [sum(values[str(v)] for v in split[part]) for part in ("train", "valid", "test")]
    else:
        rows = _rows(path)
        valid, test = split["random"]["valid"] * rows, split["random"]["test"] * rows
        counts = [rows - round(valid) - round(test), round(valid), round(test)]
    column = str(declaration.get("patient_column") or "")
    # How many patients headers tell is not known: to plan, no file is opened.
    known = column.strip() in _header(path, separator)
    people = len(set(_column(path, separator, column))) if column and known else 0
    share = counts[0] / max(sum(counts), 1)
    return _images(counts, tasks, exact=False, patients=round(people * share) or None)


def _header(path: Path, separator: str) -> list[str]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        return [cell.strip() for cell in next(csv.reader(file, delimiter=separator))]


def _column(path: Path, separator: str, name: str) -> Iterator[str]:
    place = _header(path, separator).index(name.strip())
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter=separator)
        next(rows)
        yield from (row[place].strip() for row in rows if len(row) > place)
