"""Which row of a table speaks of which films, where it has one for each examination of several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath

import pandas as pd

from transfergrid.commands.blanks import known_cells
from transfergrid.commands.films import films_in, is_dicom
from transfergrid.commands.guess import spaced
from transfergrid.commands.guessed_people import PATIENT, PRIVATE, STUDY, STUDY_UID
from transfergrid.data.decoding import dicom_module
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.progress import progress

OF_STUDIES, OF_PATIENTS = (STUDY_UID, "AccessionNumber"), "PatientID"
FOLDER = "folder"
"""In the place of a header's keyword, where folders are named for examinations."""
_IMAGE = "Rows"
"""What the header of a DICOM file has if it is an image, and no report."""
_CALLED = {STUDY_UID: "study(instance)?uid$", "AccessionNumber": "accession"}
"""How a column is called that can have nothing else, in small letters without blanks."""
_MOST = 0.5
"""Share of what a column has, or of what films say, that the other side has to have as well."""


@dataclass(frozen=True)
class Joined:
    """The rows of films.

    Attributes:
        films: Films of which a row speaks, relative to the folder.
        rows: (N,) the row of each.
        column: The column by which it was found.
        keyword: What that column has, of the headers; or `FOLDER`.
        left_out: How many films have no row, and rows no film: sentences.
    """

    films: Sequence[PurePosixPath]
    rows: Sequence[int]
    column: str
    keyword: str
    left_out: tuple[str, ...]

    @property
    def unit(self) -> str:
        """What a row is of: an "examination", or a "patient"."""
        called = re.search(PATIENT, spaced(self.column), re.IGNORECASE)
        of_patients = called if self.keyword == FOLDER else self.keyword == OF_PATIENTS
        return "patient" if of_patients else "examination"


@dataclass(frozen=True)
class _Key:
    """A column that has what films say of themselves.

    Attributes:
        column: The column.
        keyword: What of the headers it has; or `FOLDER`.
        said: (films,) what each says; None of those that say nothing.
        rows: By what they say, the rows that have it.
    """

    column: str
    keyword: str
    said: Sequence[str | None]
    rows: Mapping[str, Sequence[int]]

    def found(self) -> list[int | None]:
        """Return the row of each film, if it has one."""
        return [next(iter(self.rows.get(one or "", ())), None) for one in self.said]

    def several(self) -> list[str]:
        """Return what films say and several rows have."""
        return [one for one in {*self.said} & {*self.rows} if one and len(self.rows[one]) > 1]

    def fits(self) -> bool:
        """Tell whether most films have rows, or most rows films; those that are left are told.

        A class of many rows may be somebody's number, and is not the number of most of them.
        """
        told = {*self.said} - {None}
        both = len(told & {*self.rows})
        rows = sum(map(len, self.rows.values()))
        return both > 0 and (both > _MOST * len(told) or both > _MOST * rows)


def join(frame: pd.DataFrame, root: Path, source: str) -> Joined | None:
    """Find the column that has examinations as the headers of films do, or the folders of films.

    Args:
        frame: The table, cells as text and blanks as null.
        root: The folder in and below which films are sought, however deep.
        source: What messages call the table.

    Returns:
        None where no column does.

    Raises:
        UserError: An examination has several rows or is of several patients, a patient with one row
            has several examinations, columns contradict each other, or few rows have films.
    """
    frame = known_cells(frame)
    paths = films_in(root)
    heads = _heads(frame, root, paths)
    found = _by_headers(heads, len(frame), source) or _by_folders(frame, paths, source)
    if found is None:
        _refuse_few(heads.keys, source)
    return found


@dataclass(frozen=True)
class _Heads:
    """What the headers of DICOM files say.

    Attributes:
        films: Those of them that are images.
        said: (films,) what each says, by keyword.
        keys: Columns that may have some of it.
        others: How many other files there are, with what these are.
    """

    films: Sequence[PurePosixPath]
    said: pd.DataFrame
    keys: Sequence[_Key]
    others: Sequence[tuple[int, str]]


def _heads(frame: pd.DataFrame, root: Path, paths: Sequence[PurePosixPath]) -> _Heads:
    files = [path for path in paths if is_dicom(root / path)]
    words = [*OF_STUDIES, OF_PATIENTS, _IMAGE]
    read = dicom_module("dicom_headers").values_of if files else None
    told = progress(
        (read(str(root / path), words) for path in files if read), len(files), "reading headers"
    )
    heads = pd.DataFrame(list(told), columns=pd.Index(words), dtype=object)
    images = heads[_IMAGE].notna().to_numpy()
    films = [path for path, image in zip(files, images, strict=True) if image]
    heads = heads[images].reset_index(drop=True)
    keys = [
        _Key(name, word, heads[word].tolist(), _rows(frame[name]))
        for word in (*OF_STUDIES, OF_PATIENTS)
        for name in _columns(frame, word)
    ]
    others = [
        (len(files) - len(films), "DICOM file(s) without an image, such as reports,"),
        (len(paths) - len(files), "film(s) that are no DICOM files"),
    ]
    return _Heads(films, heads, keys, others)


def _by_headers(heads: _Heads, rows: int, source: str) -> Joined | None:
    key = _chosen(heads.keys, source)
    if key is None:
        return None
    _refuse_others(key, heads.said, source)
    return _joined(key, heads.films, rows, source, heads.others)


def _columns(frame: pd.DataFrame, keyword: str) -> Iterator[str]:
    """Yield the columns that may have what headers say under a keyword.

    Numbers of rows, ages and the like are soon equal to a number of somebody; UIDs are not.
    """
    for name in map(str, frame.columns):
        called = spaced(name)
        cells = frame[name].dropna().tolist()
        counted = any(cells == [str(n + first) for n in range(len(cells))] for first in (0, 1))
        if keyword == STUDY_UID:
            fits = True
        elif keyword == OF_PATIENTS:
            fits = bool(re.search(rf"{PATIENT}|\bid\b", called, re.IGNORECASE))
        else:
            apart = counted or re.search(PRIVATE, called, re.IGNORECASE)
            fits = not apart or bool(re.search(STUDY, called, re.IGNORECASE))
        if fits and cells:
            yield name


def _rows(cells: pd.Series) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        if cell is not None:
            found.setdefault(str(cell).strip(), []).append(row)
    return found


def _chosen(keys: Sequence[_Key], source: str) -> _Key | None:
    """Choose the column that says most exactly which film is meant; those of patients say least."""
    fitting = [key for key in keys if key.fits()]
    exact = [key for key in fitting if key.keyword != OF_PATIENTS] or fitting
    if not exact:
        return None
    single = [key for key in exact if not key.several()]
    if not single:
        first = exact[0]
        mend = "each examination"
        if first.keyword == OF_PATIENTS:
            mend = "each patient, or add a column with StudyInstanceUID or AccessionNumber"
        raise UserError(
            f"column '{first.column}' of {source} has the {_said(first)} of films, and "
            f"{len(first.several())} of these are in several rows, so nobody knows which row "
            f"speaks of which film; name each film in a row of its own, or keep one row for {mend}."
        )
    every = [key for key in fitting if not key.several()]
    for one, other in combinations(every, 2):
        differ = sum(
            None not in pair and pair[0] != pair[1]
            for pair in zip(one.found(), other.found(), strict=True)
        )
        if differ:
            raise UserError(
                f"column '{one.column}' of {source} has the {_said(one)} of films and "
                f"'{other.column}' the {_said(other)}, and {differ} film(s) get other rows "
                "by each; correct the table, or leave in it the one column that is right."
            )
    return single[0]


def _said(key: _Key) -> str:
    return "folders" if key.keyword == FOLDER else key.keyword


def _refuse_few(keys: Sequence[_Key], source: str) -> None:
    """Refuse a column of examinations that are not those of the films, which spreadsheets make.

    Raises:
        UserError: A column is called after a header and has less than half of what it has.
    """
    for key in keys:
        told, known = {one for one in key.said if one is not None}, sorted(key.rows)
        called = re.sub(r"[\W_]", "", key.column).lower()
        after = re.match(_CALLED.get(key.keyword, "$"), called) and key.said
        both = len(told & {*known})
        if not (after or (key.keyword == STUDY_UID and both)):
            continue
        why = f"are among the {len(told)} of the films beside it"
        mend = "put the films of the table there, or take out the rows of others"
        if not told:
            mend = "name each film in a row of its own, or give each examination a folder so called"
        elif not both:
            why += f": it has such as '{known[0]}', and headers such as '{min(told)}'"
            mend = "write them as the headers have them: spreadsheets drop zeros and round numbers"
        raise UserError(
            f"column '{key.column}' of {source} names examinations, but only {both} of its "
            f"{len(known)} {key.keyword}s {why}; {mend}."
        )


def _refuse_others(key: _Key, heads: pd.DataFrame, source: str) -> None:
    """Refuse a key under which films of several patients, or examinations, would get one row.

    Raises:
        UserError: Accession numbers of two hospitals are alike, or a patient was seen twice.
    """
    of_patients = key.keyword == OF_PATIENTS
    rows = pd.Series(key.found(), dtype=object)
    inner = heads[STUDY_UID if of_patients else OF_PATIENTS]
    kept = rows.notna() & (of_patients | inner.notna())
    count = inner[kept].fillna("").groupby(rows[kept]).nunique()
    mixed = int((count > 1).sum())
    if not mixed:
        return
    if of_patients:
        raise UserError(
            f"column '{key.column}' of {source} has the PatientID of films, and {mixed} of these "
            "patients have films of several examinations, so nobody knows of which a row speaks; "
            "add a column with the StudyInstanceUID or AccessionNumber of each row."
        )
    raise UserError(
        f"column '{key.column}' of {source} has the {key.keyword} of films, and {mixed} of these "
        "are of films of several patients by their headers, so a row would speak of others as "
        "well; take these rows out, or name examinations by their StudyInstanceUID."
    )


def _joined(
    key: _Key,
    films: Sequence[PurePosixPath],
    rows: int,
    source: str,
    more: Sequence[tuple[int, str]] = (),
) -> Joined:
    found = key.found()
    table = PurePosixPath(source).name
    nowhere = f"whose headers have no {key.keyword}"
    if key.keyword == FOLDER:
        nowhere = "beside folders of films, and in none of an examination,"
    silent = sum(one is None for one in key.said)
    strange = [one for one in key.said if one is not None and one not in key.rows]
    both = [(film, row) for film, row in zip(films, found, strict=True) if row is not None]
    lost = rows - len({row for _, row in both})
    counts = [
        (len(strange), f"film(s) of {len({*strange})} examination(s) that no row of {table} has"),
        (silent, f"film(s) {nowhere}"),
        (lost, f"row(s) of {table} that have no film"),
        *more,
    ]
    return Joined(
        [film for film, _ in both],
        [row for _, row in both],
        key.column,
        key.keyword,
        tuple(f"{count} {what} are left out." for count, what in counts if count),
    )


def _by_folders(frame: pd.DataFrame, paths: Sequence[PurePosixPath], source: str) -> Joined | None:
    """Find the column that has the innermost folders of films, by the ends of their paths."""
    homes = [path.parent for path in paths]
    outer = {place for home in {*homes} for place in home.parents}
    called: dict[str, list[PurePosixPath]] = {}
    for home in sorted({*homes} - outer):
        for first in range(len(home.parts)):
            called.setdefault("/".join(home.parts[first:]), []).append(home)
    said = [None if home in outer else str(home) for home in homes]
    keys = []
    several: dict[str, str] = {}
    for name in map(str, frame.columns):
        cells = [None if cell is None else str(cell).strip("/ ") for cell in frame[name]]
        counted = all(cell in (None, str(row), str(row + 1)) for row, cell in enumerate(cells))
        if counted and not re.search(rf"{STUDY}|{PATIENT}", spaced(name), re.IGNORECASE):
            continue  # numbers of rows
        places = [called.get(cell or "", ()) for cell in cells]
        whole = [str(one[0]) if len(one) == 1 else None for one in places]
        named = pd.Series([one or cell for one, cell in zip(whole, cells, strict=True)])
        key = _Key(name, FOLDER, said, _rows(named.astype(object)))
        keys.append(key)
        many = [cell for cell in cells if len(called.get(cell or "", ())) > 1]
        if many and (key.fits() or sum(map(bool, places)) > _MOST * len(places)):
            several[name] = str(many[0])
    chosen = _chosen(keys, source)
    name = next(iter(several), "") if chosen is None else chosen.column
    if name in several:
        raise UserError(
            f"'{several[name]}' in column '{name}' of {source} is the name of several folders of "
            f"films, {listed(called[several[name]], 3)}; write their paths."
        )
    return None if chosen is None else _joined(chosen, paths, len(frame), source)
