"""What a data set that nobody has described was found to be, and what is common to its kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.commands.divided import SHARES, Parts, draws
from transfergrid.commands.films import DEEPEST, Looks, homes_of, others_of
from transfergrid.commands.guess import FEWEST, Guess
from transfergrid.commands.guessed_parts import PARTS
from transfergrid.commands.guessed_people import PATIENT, STUDY_UID, no_patients, told_by_headers
from transfergrid.commands.masks_beside import called_mask, part_of
from transfergrid.data.decoding import dicom_module
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.progress import progress

_PATIENT = rf"{PATIENT}|^case\W?_?\d"
LINK, TABLE = "films", "films.csv"
"""Beside a study of folders: a link to them, and a table of what is in them."""
GREY = Guess("channels", "grey", "no film that was looked at has colours")
EXCLUSIVE = Guess("exclusive", True, "a pixel has one number, and so one structure at most")


@dataclass(frozen=True)
class Found:
    """A data set that was found.

    Attributes:
        kind: Its kind.
        root: What `root` is, absolute; None is the folder that is written.
        guesses: Its settings, each with its reason; `split` or `folds` only where the data say
            which part a film is in.
        size: The shorter side of the smallest of some images.
        link: A folder that is linked to from the folder that is written.
        table: A table that is written there.
        remarks: What else there is to say of the data, a sentence each.
        parts: Who says which part a film is in: "settings", where guesses have `split` or `folds`
            or these are drawn; "files", which lie in parts; or "folds" alone can, as the kind
            draws no split.
    """

    kind: str
    root: Path | None
    guesses: list[Guess]
    size: int
    link: Path | None = None
    table: pd.DataFrame | None = None
    remarks: tuple[str, ...] = ()
    parts: Parts = "settings"


def placed(path: Path, root: Path, folders: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the folder in which each of a table's names is a file.

    Raises:
        UserError: Some are in none, or in several.
    """
    homes = homes_of(root, folders, names)
    lost = [name for home, name in zip(homes, names, strict=True) if home is None]
    if lost:
        raise UserError(
            f"{len(lost)} of the {len(names)} files that {path} names are not in {root} or up to "
            f"{DEEPEST} folders below: {listed(lost, 3)}; put them there, or take their rows out."
        )
    found = [home for home in homes if home is not None]
    of_masks = any(map(called_mask, found))
    alike = [place for place in folders if called_mask(place) == of_masks]
    several = others_of(root, alike, names, found)
    if several:
        raise UserError(
            f"{len(several)} of the {len(names)} files that {path} names are in several folders, "
            f"such as {several[0][0]} in {listed(several[0][1], 3)}; write their paths into the "
            f"table, relative to its folder, or keep one of these folders in {root}."
        )
    return found


def of_dicom(looks: Looks) -> list[Guess]:
    """Return the setting that has DICOM files read, where there are such."""
    return [Guess("dicom", True, "files begin as DICOM files do")] if looks.dicom else []


def add_patients(
    frame: pd.DataFrame, homes: Sequence[Sequence[str]], looks: Looks, unit: str = "image"
) -> Guess:
    """Say whose films are those that lie in folders; where these tell, write it into the table.

    Args:
        frame: Films, which may get a column `patient`.
        homes: Of each film, its folders but those of classes, parts and masks; the outermost first.
        looks: What their files tell.
        unit: What counts as a patient where nobody is known, an image or a study.
    """
    if told_by_headers("PatientID", looks.headers):
        told = f"the files' headers tell {looks.headers['PatientID'].values} patients"
        return Guess("patient_column", "PatientID", told)
    named = _by_folders(homes)
    if named is None:
        return no_patients("folders do not tell patients", looks.headers, unit)
    frame["patient"] = named
    # How many, and not which: a study goes into archives, and a number may be a patient's own.
    why = f"films in folders of one name count as one patient, {len(set(named))} in all"
    return Guess("patient_column", "patient", f"{why}; null, if each film is one's own")


def _by_folders(homes: Sequence[Sequence[str]]) -> list[str] | None:
    """Return the outermost folders that are many, or are called patients.

    Taking too many films for one patient's makes scores less certain; too few, wrong.
    """
    for level in range(min(map(len, homes), default=0)):
        names = [home[level] for home in homes]
        if len(set(names)) >= (2 if called_patients(names) else FEWEST):
            return names
    return None


def called_patients(names: Sequence[str]) -> bool:
    """Tell whether all of some folders are called patients."""
    return all(re.search(_PATIENT, name, re.IGNORECASE) for name in set(names))


def refuse_folders(path: Path, films: Sequence[str], guesses: Sequence[Guess]) -> None:
    """Refuse a table that says less of parts and patients than the folders of its films.

    Args:
        path: The table.
        films: The files that it names.
        guesses: What its columns are.

    Raises:
        UserError: A split at random would train on films of a folder test, or divide patients.
    """
    homes = [PurePosixPath(film).parts[:-1] for film in films]
    known = {guess.key for guess in guesses if guess.value is not None}
    parts = {part: name for home in homes for name in home if (part := part_of(name))}
    if len(parts) > 1 and not known & {"split", "folds"}:
        raise UserError(
            f"films of {path} are in folders {listed(sorted(parts.values()))}, and no column says "
            "train, valid and test; add one that does, as a random split would mix these folders."
        )
    named = next((level for level in zip(*homes, strict=False) if called_patients(level)), None)
    if named and len(set(named)) > 1 and "patient_column" not in known:
        raise UserError(
            f"films of {path} are in folders such as {named[0]}, and no column says whose they "
            "are; add a column patient with these, or a patient's films would be divided."
        )


def whose(files: Sequence[Path], looks: Looks, frame: pd.DataFrame) -> list[str]:
    """Return whose each film is: by headers, by `add_patients`, else by its study, else its own."""
    if not told_by_headers("PatientID", looks.headers):
        if "patient" in frame:
            return list(frame["patient"])
        studies = looks.headers[STUDY_UID].each
        return [study or str(file) for study, file in zip(studies, files, strict=True)]
    read = dicom_module("dicom_headers").values_of
    named = (read(str(file), ["PatientID"])[0] for file in files)
    return [str(name) for name in progress(named, len(files), "reading headers of films")]


def complete(frame: pd.DataFrame, has: npt.NDArray[np.bool_], patients: Sequence[str]) -> list[str]:
    """Draw the parts that have no folder from the films of train, and return their names.

    Films in folders valid and test stay there, because others have reported scores on them.

    Args:
        frame: Films with their `part`; the drawn ones get another part.
        has: (N, K) bool, which film has which class, or shows which structure.
        patients: (N,) whose each film is.

    Raises:
        UserError: There is no train, or no draw leaves each class in each part.
    """
    lacks = [part for part in PARTS if part not in set(frame["part"])]
    if "train" in lacks:
        raise UserError(
            f"there are folders {listed(sorted(set(frame['part'])))} and none of films to train "
            "on; add train, or leave these folders out."
        )
    if not lacks:
        return []
    rows = frame.index[frame["part"] == "train"]
    groups = [patients[row] for row in rows]
    for _, parts in draws(groups, {part: SHARES[part] for part in lacks}):
        if all(has[rows[parts == part]].any(axis=0).all() for part in set(parts)):
            frame.loc[rows, "part"] = parts
            return lacks
    raise UserError(
        f"train has too few films to draw {listed(lacks)} from with each class or structure in "
        "each; sort some films into such folders."
    )


def part_folders(drawn: Sequence[str]) -> Guess:
    """Say that folders tell which part a film is in, but for those that were drawn."""
    rule: dict[str, Any] = {"column": "part", **{part: [part] for part in PARTS}}
    kept = listed([part for part in PARTS if part not in drawn])
    more = f"; no folder {' and '.join(drawn)}: drawn from train" if drawn else ""
    return Guess("split", rule, f"by the folders {kept}{more}")
