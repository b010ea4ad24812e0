"""What somebody's data are: a table of films, folders of films, or an .npz file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.commands.guesses import (
    FEWEST,
    PARTS,
    SHARES,
    Guess,
    guess_columns,
    image_column,
)
from transfergrid.data.decoding import dicom_module
from transfergrid.data.splits import random_split
from transfergrid.planning.label_tables import IMAGE_SUFFIXES
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import seeded
from transfergrid.runtime.progress import progress

TABLES = (".csv", ".tsv", ".parquet")
DICOM_SUFFIXES = (".dcm", ".dicom")
LINK, TABLE = "films", "films.csv"
"""Beside a study of folders: a link to them, and a table of what is in them."""
HEADERS = ("PatientID", "ViewPosition")
KNOWN = {
    "Data_Entry_2017": "nih14",
    "mass_case_descr": "cbis_ddsm",
    "calc_case_descr": "cbis_ddsm",
    "train-acl.csv": "mrnet",
}
"""How tables of published data sets begin, and the kind that reads these."""
SEEDS = 20
"""How many draws of a split are tried, until each part has each class."""
_LOOKED_AT = 20
_DEEPEST = 3


@dataclass(frozen=True)
class Found:
    """A data set that was found.

    Attributes:
        kind: Its kind.
        root: What `root` is, absolute; None is the folder that is written.
        guesses: Its settings, each with its reason.
        link: A folder that is linked to from the folder that is written.
        table: A table that is written there.
        size: The shorter side of the smallest of some images.
    """

    kind: str
    root: Path | None
    guesses: list[Guess]
    link: Path | None = None
    table: pd.DataFrame | None = None
    size: int = 0
    names: Sequence[str] = field(default_factory=tuple)


def find(data: Path) -> Found:
    """Say what a file or a folder is.

    Raises:
        UserError: It is none of what a study can be guessed from, and what could be done.
    """
    if not data.exists():
        raise UserError(f"{data} does not exist; name a folder, a table (.csv) or an .npz file.")
    if data.is_dir():
        tables = sorted(path for path in data.iterdir() if path.suffix.lower() in TABLES)
        published = next((KNOWN[p.name[:15]] for p in tables if p.name[:15] in KNOWN), None)
        if published:
            raise UserError(
                f"{data} looks as if it were published data; write a study with kind: {published} "
                "and this root (docs/data.md), or name the one table with the labels."
            )
        if len(tables) > 1:
            raise UserError(
                f"{data} has several tables, {listed([path.name for path in tables])}; name the "
                "one with the labels. Published data sets have kinds of their own (docs/data.md)."
            )
        return _of_table(tables[0]) if tables else _of_folders(data)
    if data.suffix.lower() in TABLES:
        return _of_table(data)
    if data.suffix.lower() == ".npz":
        return _of_archive(data)
    raise UserError(
        f"{data} is no folder, no table ({listed(TABLES)}) and no .npz file; name the table of its "
        "labels, or a folder."
    )


def _of_archive(data: Path) -> Found:
    import zipfile

    try:
        with zipfile.ZipFile(data) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        raise UserError(f"{data} is not a readable .npz file; restore it.") from None
    needed = [
        f"{part}_{what}" for what in ("images", "labels") for part in ("train", "val", "test")
    ]
    lacks = [name for name in needed if name not in names]
    if lacks:
        masks = " with masks: see docs/segmentation.md" if "train_masks" in names else ""
        raise UserError(
            f"{data} has no {listed(lacks)}; a study of it is written by hand{masks or ''}, or "
            "save it with these arrays (docs/data.md)."
        )
    why = "no room for patients in such a file: each image counts as one"
    from transfergrid.data.medmnist import read

    manifest = read({"kind": "medmnist"}, data)
    pixels = manifest.images.read(0)
    guesses = [Guess("task_kind", manifest.task_kind, f"by its labels; {why}")]
    return Found("medmnist", data.resolve(), guesses, size=min(pixels.shape[:2]))


def _of_table(path: Path) -> Found:
    from transfergrid.data.tablefile import read_table

    frame = read_table(path).frame
    frame = frame.astype(object).where(frame.notna(), None)
    frame = frame.map(lambda cell: cell if cell is None else str(cell))
    root = path.resolve().parent
    folders = _folders(root)
    column = image_column(frame, lambda cell: _place(root, folders, cell) is not None)
    if column is None:
        raise UserError(
            f"no column of {path} names files in {root} or up to {_DEEPEST} folders below; "
            f"its columns are {listed(list(frame.columns), 10)}: put the films there, with their "
            "whole names (and endings) in the table."
        )
    names = frame[column].dropna().astype(str).tolist()
    homes = _homes(root, folders, names)
    several = sorted({home or "." for home in homes if home is not None} - {"."})
    several = [".", *several] if several and "" in homes else several
    guesses = [
        Guess("table", path.name, "the table"),
        Guess("image_column", column, "the first column whose cells are files"),
    ]
    if several:
        guesses.append(Guess("image_folders", several, "where these files are"))
    files = [root / (home or "") / name for home, name in zip(homes, names, strict=True)]
    dicom, headers, size = _looked_at(files[:_LOOKED_AT])
    guesses += [Guess("dicom", True, "files begin as DICOM files do")] if dicom else []
    guesses += guess_columns(frame, column, headers)
    return Found("csv", root, guesses, size=size)


def _folders(root: Path) -> list[str]:
    """Return the folders in and below one, relative to it, up to some depth; itself first."""
    found = [""]
    for home, below, _ in os.walk(root):
        place = Path(home).relative_to(root)
        if len(place.parts) >= _DEEPEST:
            below.clear()
        found += [(place / name).as_posix() for name in sorted(below) if not name.startswith(".")]
    return found


def _homes(root: Path, folders: Sequence[str], names: Sequence[str]) -> list[str | None]:
    """Return the folder in which each name is a file, sought first where others were found."""
    known: list[str] = []
    homes = []
    for name in progress(names, len(names), "finding films"):
        home = _place(root, known, name)
        if home is None:
            home = _place(root, folders, name)
            known += [] if home is None else [home]
        homes.append(home)
    return homes


def _place(root: Path, folders: Sequence[str], name: str) -> str | None:
    """Return the folder in which a name is a file; None where there is none."""
    if name.startswith("/") or ".." in name or not name.strip():
        return None
    return next((home for home in folders if (root / home / name).is_file()), None)


def _of_folders(data: Path) -> Found:
    """Find films in folders that are named after classes, in parts or not."""
    rows = _films_in(data)
    if not rows:
        raise UserError(f"{data} has no films in it or below; name the folder or table of films.")
    folders = {parts for _, parts in rows}
    if folders == {()} or any(not parts for parts in folders):
        raise UserError(
            f"{data} has {len(rows)} films and no labels: put them into a folder for each class, "
            "or name a table of their labels."
        )
    part_of = {word: part for part, words in PARTS.items() for word in words}
    parted = all(parts[0].lower() in part_of and len(parts) > 1 for parts in folders)
    tops = sorted({parts[0] for parts in folders})
    if not parted and any(top.lower() in part_of for top in tops):
        raise UserError(
            f"{data} has the folders {listed(tops, 5)}: sort the films into folders by class "
            "within train, valid and test, and leave no film beside these."
        )
    classes = [parts[1] if parted else parts[0] for _, parts in rows]
    counts = Counter(classes)
    if len(counts) < 2 or min(counts.values()) < FEWEST:
        raise UserError(
            f"{data} has the folders {listed(sorted(counts), 5)}, of which a class needs two and "
            f"each {FEWEST} films; sort the films into folders by class, or name a table of labels."
        )
    frame = pd.DataFrame({"image": [f"{LINK}/{path}" for path, _ in rows], "class": classes})
    dicom, headers, size = _looked_at([data / path for path, _ in rows[:: max(1, len(rows) // 20)]])
    drawn: list[str] = []
    if parted:
        frame["part"] = [part_of[parts[0].lower()] for _, parts in rows]
        files = [str(data / path) for path, _ in rows]
        drawn = _complete(frame, files if headers.get("PatientID", 0) > 1 else [])
    guesses = [
        Guess("table", TABLE, "written beside this file: the films and their folders"),
        Guess("image_column", "image", f"through the link '{LINK}' to them"),
        Guess("task_kind", "multiclass", f"folders are classes: {listed(sorted(counts), 5)}"),
        Guess("label_columns", ["class"], "the name of the folder"),
        *([Guess("dicom", True, "files begin as DICOM files do")] if dicom else []),
        _patients_of(headers),
        _split_of(parted, drawn),
    ]
    return Found("csv", None, guesses, data.resolve(), frame, size)


def _films_in(data: Path) -> list[tuple[PurePosixPath, tuple[str, ...]]]:
    """Return the films in and below a folder, each with the folders that it is in."""
    rows = []
    for home, below, names in os.walk(data):
        below.sort()
        place = PurePosixPath(Path(home).relative_to(data).as_posix())
        for name in sorted(names):
            if _may_be_image(Path(home) / name):
                rows.append((place / name, place.parts))
    return rows


def _patients_of(headers: Mapping[str, int]) -> Guess:
    if headers.get("PatientID", 0) > 1:
        return Guess("patient_column", "PatientID", "the files' headers tell patients")
    why = "folders do not tell patients, so each image counts as one; add a column if you know them"
    return Guess("patient_column", None, why)


def _complete(frame: pd.DataFrame, files: Sequence[str]) -> list[str]:
    """Draw the parts that have no folder from the films of train, and return their names.

    Films in folders valid and test stay there, because others have reported scores on them.

    Args:
        frame: Films with `class` and `part`; the drawn ones get another part.
        files: The DICOM files, if they tell whose they are: patients are then kept whole.

    Raises:
        UserError: There is no train, or no draw leaves each class in each part.
    """
    lacks = [part for part in PARTS if part not in set(frame["part"])]
    if "train" in lacks:
        raise UserError(
            f"there are folders {listed(sorted(set(frame['part'])))} and none of films to train "
            "on; add train, or put all films into a folder for each class."
        )
    if not lacks:
        return []
    rows = frame.index[frame["part"] == "train"]
    whose = _patients(files) if files else frame["image"].tolist()
    groups = [whose[row] for row in rows]
    counts = frame["class"].nunique()
    for seed in range(SEEDS):
        rng = np.random.default_rng(seeded("split", seed))
        parts = random_split(groups, {part: SHARES[part] for part in lacks}, "train", rng)
        drawn = frame.loc[rows, "class"].groupby(parts).nunique()
        if (drawn == counts).all():
            frame.loc[rows, "part"] = parts
            return lacks
    raise UserError(
        f"train has too few films to draw {listed(lacks)} from with all {counts} classes in each; "
        "sort some films into such folders."
    )


def _patients(files: Sequence[str]) -> list[str]:
    """Return whose each file is; one that does not tell is a patient of its own."""
    read = dicom_module("dicom_headers").values_of
    named = progress(
        (read(file, HEADERS[:1])[0] for file in files), len(files), "reading headers of films"
    )
    return [name or f" {row}" for row, name in enumerate(named)]


def _split_of(parted: bool, drawn: Sequence[str]) -> Guess:
    if parted:
        rule: dict[str, Any] = {"column": "part", **{part: [part] for part in PARTS}}
        kept = listed([part for part in PARTS if part not in drawn])
        more = f"; no folder {' and '.join(drawn)}: drawn from train" if drawn else ""
        return Guess("split", rule, f"by the folders {kept}{more}")
    rule = {"random": dict(SHARES), "seed": 0}
    return Guess("split", rule, "no folders train, valid and test: drawn, patient by patient")


def _may_be_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in (*IMAGE_SUFFIXES, *DICOM_SUFFIXES):
        return True
    return path.suffix.lower() not in TABLES and _is_dicom(path)


def _is_dicom(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _looked_at(files: Sequence[Path]) -> tuple[bool, dict[str, int], int]:
    """Return whether files are DICOM, how many values headers have, and the least side."""
    from transfergrid.data.decoding import Levels
    from transfergrid.data.images import read_image

    dicom = any(_is_dicom(path) for path in files)
    headers: dict[str, int] = {}
    if dicom:
        rows = [
            dicom_module("dicom_headers").values_of(str(path), HEADERS)
            for path in files
            if _is_dicom(path)
        ]
        for number, name in enumerate(HEADERS):
            values = [row[number] for row in rows]
            headers[name] = len(set(values)) if None not in values else 0
    sides = [
        min(read_image(path, levels=Levels(dicom=dicom)).pixels.shape[:2]) for path in files[:3]
    ]
    return dicom, headers, min(sides)
