"""Films with masks in files: in folders beside them, or named in a column of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.commands import codings
from transfergrid.commands.films import Looks, films_in, look_at
from transfergrid.commands.found import (
    EXCLUSIVE,
    GREY,
    LINK,
    TABLE,
    Found,
    add_patients,
    complete,
    of_dicom,
    part_folders,
    placed,
    refuse_folders,
    whose,
)
from transfergrid.commands.guess import Guess
from transfergrid.commands.guessed_parts import guess_parts
from transfergrid.commands.guessed_people import PATIENT, VIEW, guess_people
from transfergrid.commands.guesses import truth_columns
from transfergrid.commands.masks_beside import (
    NAMELESS,
    Pairs,
    called_mask,
    pairs,
    part_of,
    rest_of,
    structure_of,
    without_masks,
)
from transfergrid.data.mask_files import read_numbers
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.progress import progress

_PEOPLE = (("patient_column", PATIENT, "patients"), ("view_column", VIEW, "views"))
_LOSSY = (".jpg", ".jpeg")

Files = Sequence[Sequence[str]]
"""Of each film, the files of its masks, relative to a folder; none of a film without."""


@dataclass(frozen=True)
class Layers:
    """How the masks of a table are read.

    Attributes:
        guesses: The settings `layers` and `exclusive`.
        shows: (N, K) which film has which marks at all.
    """

    guesses: list[Guess]
    shows: npt.NDArray[np.bool_]


def of_pairs(data: Path, paired: Pairs) -> Found:
    """Say what films with masks beside them are.

    Raises:
        UserError: Films or masks cannot be read, or masks are none.
    """
    columns = _columns(paired, paired.films)
    looks = look_at([data / film for film in paired.films])
    layers = _layers(columns, data, looks.dicom)
    frame = _table(pd.DataFrame(index=range(len(paired.films))), "film", paired.films, columns)
    homes = [film.parts[:-1] for film in paired.films]
    parts = [list(filter(None, map(part_of, home))) for home in homes]
    inner = [[name for name in home if rest_of(name) and not part_of(name)] for home in homes]
    whom = add_patients(frame, inner, looks)
    part: list[Guess] = []
    if any(parts) and not all(len(one) == 1 for one in parts):
        strange = next(place for place, one in enumerate(parts) if len(one) != 1)
        raise UserError(
            f"{data} has folders of parts, such as those of train and test, and films that are in "
            f"none or in two, such as {paired.films[strange]}; sort these into them, or leave them "
            "out."
        )
    if any(parts):
        frame["part"] = [one[0] for one in parts]
        patients = whose([data / film for film in paired.films], looks, frame)
        part = [part_folders(complete(frame, layers.shows, patients))]
    guesses = [
        Guess("table", TABLE, "written beside this file: the films and their masks"),
        Guess("image_column", "film", f"through the link '{LINK}' to them"),
        *layers.guesses,
        *_common(looks),
        whom,
        *part,
    ]
    remarks = _remarks(columns, paired.lone)
    return Found("mask_table", None, guesses, looks.size, data.resolve(), frame, remarks)


def of_columns(
    path: Path, frame: pd.DataFrame, root: Path, folders: Sequence[str], columns: Sequence[str]
) -> Found | None:
    """Say what a table of films and masks is.

    Args:
        path: The table.
        frame: Its cells as text, blanks as null.
        root: Its folder.
        folders: The folders in and below that.
        columns: Those of its columns whose cells are files.

    Returns:
        None if no such column is called a mask, or none is called otherwise.

    Raises:
        UserError: Films or masks are missing or cannot be read, or masks are none.
    """
    masks = list(filter(called_mask, columns))
    films = [name for name in columns if name not in masks]
    if not masks or not films:
        return None
    film = films[0]
    if frame[film].isna().any():
        raise UserError(f"{path} has rows without a film in column '{film}'; remove them.")
    of_masks = list(filter(called_mask, folders))
    placed_films = _placed(path, root, without_masks(folders), frame[film])
    found: dict[str, dict[str, Files]] = {}
    for name in masks:
        rows = _placed(path, root, [*of_masks, *without_masks(folders)], frame[name])
        found.setdefault(structure_of(name) or NAMELESS, {})[name] = rows
    return _of_rows(path, frame, root, film, [row[0] for row in placed_films], found, columns)


def of_table_and_folders(
    path: Path, frame: pd.DataFrame, root: Path, column: str, films: Sequence[str]
) -> Found | None:
    """Say what a table of films is whose masks lie in folders beside them.

    Args:
        path: The table.
        frame: Its cells as text, blanks as null.
        root: Its folder.
        column: Its column of films.
        films: The films, relative to its folder.

    Returns:
        None if there are no masks of these films.
    """
    paired = pairs(films_in(root))
    rows = list(map(PurePosixPath, films))
    if paired is None or not {*rows} & {*paired.films} or len(rows) != len(frame):
        return None
    columns = _columns(paired, rows)
    return _of_rows(path, frame, root, column, films, columns, [column], paired.lone)


def _of_rows(
    path: Path,
    frame: pd.DataFrame,
    root: Path,
    film: str,
    films: Sequence[str],
    columns: Mapping[str, Mapping[str, Files]],
    taken: Sequence[str],
    lone: Sequence[PurePosixPath] = (),
) -> Found:
    """Say what a table is: itself where it has all paths, else another one with these."""
    looks = look_at([root / name for name in films])
    layers = _layers(columns, root, looks.dicom)
    people = guess_people(frame, taken, looks.headers, _PEOPLE)
    used = {*taken, *(guess.value for guess in people if guess.value)}
    parts = guess_parts(frame, used)
    used |= {part.value["column"] for part in parts}
    refuse_folders(path, films, [*people, *parts])
    own = all(
        name in frame and frame[name].tolist() == [row[0] if row else None for row in rows]
        for name, rows in {film: [[one] for one in films], **_flat(columns)}.items()
    )
    told = f"{path.name} with the paths of films and masks through the link '{LINK}', written here"
    guesses = [
        Guess("table", path.name, "the table") if own else Guess("table", TABLE, told),
        Guess("image_column", film, "the first column of files that is not called a mask"),
        *layers.guesses,
        *_common(looks),
        *people,
        *parts,
    ]
    remarks = list(_remarks(columns, lone))
    labels = truth_columns(frame, used)
    if labels:
        remarks.append(
            f"{path.name} also has labels ({listed(labels, 5)}), which this study of masks does "
            "not use; for a study of labels, name a table without the columns of masks."
        )
    table = None if own else _table(frame, film, films, columns)
    home, link = (root, None) if own else (None, root)
    return Found("mask_table", home, guesses, looks.size, link, table, tuple(remarks))


def _placed(path: Path, root: Path, folders: Sequence[str], cells: pd.Series) -> Files:
    """Return where the file of each cell is, relative to the root; nothing of a blank cell."""
    names = cells.dropna().tolist()
    homes = iter(placed(path, root, folders, names))
    return [[] if cell is None else [str(PurePosixPath(next(homes)) / cell)] for cell in cells]


def _columns(paired: Pairs, films: Sequence[PurePosixPath]) -> dict[str, dict[str, Files]]:
    """Return columns of masks: of a structure as many as a film has files of it at most."""
    found: dict[str, dict[str, Files]] = {}
    for name, masks in paired.masks.items():
        rows = [[str(mask) for mask in masks.get(film, ())] for film in films]
        for place in range(max(map(len, rows), default=0)):
            column = f"{name}_mask" + (f"_{place + 1}" if place else "")
            found.setdefault(name, {})[column] = [row[place : place + 1] for row in rows]
    return found


def _flat(columns: Mapping[str, Mapping[str, Files]]) -> dict[str, Files]:
    return {column: rows for of_one in columns.values() for column, rows in of_one.items()}


def _table(
    frame: pd.DataFrame,
    film: str,
    films: Sequence[PurePosixPath] | Sequence[str],
    columns: Mapping[str, Mapping[str, Files]],
) -> pd.DataFrame:
    """Return a table whose films and masks are paths through the link."""
    paths = {film: [f"{LINK}/{one}" for one in films]}
    paths |= {
        column: [f"{LINK}/{row[0]}" if row else "" for row in rows]
        for column, rows in _flat(columns).items()
    }
    return frame.assign(**paths)


def _common(looks: Looks) -> list[Guess]:
    return [*of_dicom(looks), *([] if looks.coloured else [GREY])]


def _layers(columns: Mapping[str, Mapping[str, Files]], root: Path, dicom: bool) -> Layers:
    """Say what the masks of some structures are; each is read once.

    Args:
        columns: By structure, by column of the table, the files of each film.
        root: The folder of these files.
        dicom: Whether they may be DICOM files.
    """
    layers: list[dict[str, Any]] = []
    told: list[str] = []
    shows: list[npt.NDArray[np.bool_]] = []
    exclusive = False
    for name, files in columns.items():
        of_film = [
            [file for row in rows for file in row] for rows in zip(*files.values(), strict=True)
        ]
        marked = np.zeros(len(of_film), np.bool_)
        numbers = codings.Numbers.of(_read(of_film, root, dicom, name, marked))
        lossy = any(file.lower().endswith(_LOSSY) for row in of_film for file in row)
        what = f"'{name}'" if name != NAMELESS else str(root)
        found = codings.guess(numbers, name, what, lossy=lossy)
        blank = {} if all(of_film) else {"blank": "unknown"}
        layers.append(
            {"structures": found.structures, "files": list(files), **found.settings, **blank}
        )
        several = ", of all files of a film together" if len(files) > 1 else ""
        told.append(f"{listed(found.structures)}{several}: {found.why}")
        exclusive |= len(found.structures) > 1
        shows.append(marked)
    if any(NAMELESS in layer["structures"] for layer in layers):
        told.append(f"nothing tells what they show: rename '{NAMELESS}'")
    if any("blank" in layer for layer in layers):
        told.append("of films without a mask nothing is known; if they show nothing, blank: empty")
    guesses = [Guess("layers", layers, "; ".join(told))]
    if exclusive and len(layers) == 1:
        guesses.append(EXCLUSIVE)
    return Layers(guesses, np.stack(shows, axis=1))


def _read(
    of_film: Files, root: Path, dicom: bool, name: str, marked: npt.NDArray[np.bool_]
) -> Iterator[npt.NDArray[Any]]:
    """Yield the numbers of each mask, and note which films have marks.

    Raises:
        UserError: Some cannot be read; the first is named.
    """
    faults = []
    for place, files in enumerate(progress(of_film, len(of_film), f"reading masks of {name}")):
        for file in files:
            try:
                numbers = read_numbers(root / file, dicom)
            except UserError as fault:
                faults.append(str(fault))
                continue
            marked[place] |= bool(numbers.any())
            yield numbers
    if faults:
        raise UserError(
            f"{len(faults)} masks cannot be read, and no study was written; the first says: "
            f"{faults[0]}"
        )


def _remarks(
    columns: Mapping[str, Mapping[str, Files]], lone: Sequence[PurePosixPath]
) -> tuple[str, ...]:
    found = []
    for name, files in columns.items():
        has = [any(row) for row in zip(*files.values(), strict=True)]
        of = "" if name == NAMELESS else f" of {name}"
        if not all(has):
            lost = f"{has.count(False)} of {len(has)} films have no mask{of}"
            found.append(f"{lost}: what they show is unknown.")
    if lone:
        found.append(f"{len(lone)} mask(s) are of no film, such as {lone[0]}, and are left out.")
    return tuple(found)
