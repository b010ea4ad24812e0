"""Films that a table names otherwise than by their paths: without endings, or by SOPInstanceUID."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from transfergrid.commands.films import films_in, is_dicom, stem_of
from transfergrid.data.decoding import dicom_module
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.progress import progress

UID = "SOPInstanceUID"
_UID = re.compile(r"\d+(\.\d+){3,}")
_MOST = 0.5
"""Share of a column's cells that have to name films, if it is to be the column of films."""

Films = Mapping[str, Sequence[PurePosixPath]]
"""By what they are called, films; several where a name is that of several."""


@dataclass(frozen=True)
class Matched:
    """The films of a table's rows.

    Attributes:
        films: Of each row, its film.
        why: How they were found, for a comment.
        others: How many films there are of which no row speaks.
    """

    films: Sequence[PurePosixPath]
    why: str
    others: int


def match(frame: pd.DataFrame, root: Path, source: str) -> Matched | None:
    """Find the column that names films without their endings, or by their headers' SOPInstanceUID.

    Args:
        frame: The table, cells as text and blanks as null.
        root: The folder in and below which films are sought, however deep.
        source: What messages call the table.

    Returns:
        The films, or None where no column does.

    Raises:
        UserError: A column does, but some of its names are those of no film, or of several.
    """
    paths = films_in(root)
    for films, how in _ways(frame, root, paths):
        matched: dict[str, Matched] = {}
        for name in frame.columns:
            cells = frame[name]
            if cells.isna().any() or not cells.is_unique or not len(cells):
                continue
            if sum(cell in films for cell in cells) > _MOST * len(cells):
                found = _found(cells.tolist(), films, source, name)
                why = f"column '{name}' has {how}"
                matched[name] = Matched(found, why, len(paths) - len(found))
        if len({tuple(one.films) for one in matched.values()}) > 1:
            raise UserError(
                f"the columns {listed(matched, 5)} of {source} have {how} each, and not the same "
                "in each row; remove those that are only numbers of rows or other films."
            )
        if matched:
            return next(iter(matched.values()))
    return None


def _ways(
    frame: pd.DataFrame, root: Path, paths: Sequence[PurePosixPath]
) -> Iterator[tuple[Films, str]]:
    yield _by((path.name, path) for path in paths), "names of films"
    yield _by((stem_of(path), path) for path in paths), "names of films without their endings"
    if any(_UID.fullmatch(str(cell)) for cell in frame.head(1).to_numpy().ravel()):
        files = [path for path in paths if is_dicom(root / path)]
        read = dicom_module("dicom_headers").values_of
        told = progress(
            (read(str(root / path), [UID])[0] for path in files), len(files), "reading headers"
        )
        yield (
            _by((uid, path) for uid, path in zip(told, files, strict=True) if uid),
            f"the {UID} of their headers",
        )


def _by(pairs: Iterator[tuple[str, PurePosixPath]]) -> Films:
    found: dict[str, list[PurePosixPath]] = {}
    for name, path in pairs:
        found.setdefault(name, []).append(path)
    return found


def _found(cells: Sequence[str], films: Films, source: str, name: str) -> list[PurePosixPath]:
    lost = [cell for cell in cells if cell not in films]
    if lost:
        raise UserError(
            f"{len(lost)} of {len(cells)} names in column '{name}' of {source} are those of no "
            f"film: {listed(lost, 3)}; put the films there, or take these rows out."
        )
    several = Counter({cell: len(films[cell]) for cell in cells}).most_common(1)[0][0]
    if len(films[several]) > 1:
        raise UserError(
            f"'{several}' in column '{name}' of {source} is the name of several films, "
            f"{listed(films[several], 3)}; write their paths, or keep one of them."
        )
    return [films[cell][0] for cell in cells]
