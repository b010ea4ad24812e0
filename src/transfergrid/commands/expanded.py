"""A table with a row for each examination, written anew with a row for each film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.commands.completed import completed, halved_column
from transfergrid.commands.examinations import FOLDER, Joined
from transfergrid.commands.films import Looks, look_at
from transfergrid.commands.found import LINK, TABLE, Found, add_patients, of_dicom, refuse_folders
from transfergrid.commands.guess import Guess, columns_named
from transfergrid.commands.guessed_people import PATIENT
from transfergrid.commands.guesses import guess_columns
from transfergrid.runtime.errors import listed

_PERSONAL = (
    r"(?<!file)(?<!file )name|birth|\bdob\b|(?<!vali)(?<!candi)(?<!up)date|time|address|phone|"
    r"initial"
)
"""Of columns that say who somebody is, or when they were seen: what is not used is not copied."""


def expanded(path: Path, frame: pd.DataFrame, root: Path, joined: Joined) -> Found:
    """Say what a table of examinations is.

    Args:
        path: The table.
        frame: Its cells as text, blanks as null.
        root: Its folder.
        joined: Which of its rows speaks of which film.

    Raises:
        UserError: Films cannot be read, or no column looks like labels.
    """
    films = list(map(str, joined.films))
    looks = look_at([root / film for film in films])
    table = frame.iloc[list(joined.rows)].reset_index(drop=True)
    column = next(name for name in ("film", "film_file", "its_film") if name not in frame)
    table[column] = [f"{LINK}/{film}" for film in films]
    whom = _patients_of_folders(table, joined, looks)
    study = _study(joined)
    halved = halved_column(table, column)
    if halved is None:
        guesses = guess_columns(table, column, looks.headers, study)
    else:
        whole = completed(path, table, column, halved, films, looks, study)
        guesses = [
            one for one in whole.guesses if one.key not in ("table", "image_column", "dicom")
        ]
        table = table if whole.table is None else whole.table
    guesses = [whom if whom and guess.key == whom.key else guess for guess in guesses]
    refuse_folders(path, films, guesses)
    used = {joined.column, column, *(name for guess in guesses for name in _texts(guess.value))}
    apart = columns_named(table, _PERSONAL, used)
    why = f"{path.name} with a row for each film of its rows, written beside this file"
    through = f"found by {_key(joined)}; through the link '{LINK}' to them"
    first = [
        Guess("table", TABLE, f"{why}, without {listed(apart, 6)}" if apart else why),
        Guess(
            "image_column", column, f"{through}. A film has the labels of its whole {joined.unit}"
        ),
        *of_dicom(looks),
    ]
    remarks = tuple(_remarks(path, joined, apart))
    return Found(
        "csv", None, [*first, *guesses], looks.size, root, table.drop(columns=apart), remarks
    )


def _key(joined: Joined) -> str:
    if joined.keyword == FOLDER:
        return f"column '{joined.column}', which names their folders"
    return f"column '{joined.column}', which has the {joined.keyword} of their headers"


def _remarks(path: Path, joined: Joined, apart: Sequence[str]) -> Iterator[str]:
    yield (
        f"{path.name} has a row for each {joined.unit}: {len(joined.films)} films are those of "
        f"{len({*joined.rows})} of its rows by {_key(joined)}. A film has the labels of its whole "
        f"{joined.unit}, whether it shows these or not."
    )
    yield from joined.left_out
    if apart:
        yield f"{TABLE} is without {listed(apart, 6)}: columns called after names or dates."


def _study(joined: Joined) -> list[Guess]:
    if joined.unit == "patient":
        return []
    why = f"of films that are scored as one, {len({*joined.rows})} examinations in all"
    return [Guess("study_column", joined.column, why)]


def _patients_of_folders(table: pd.DataFrame, joined: Joined, looks: Looks) -> Guess | None:
    """Say whose films are those in folders of examinations, by the folders around these."""
    if joined.keyword != FOLDER or columns_named(table, PATIENT, ()):
        return None
    found = add_patients(table, [film.parts[:-2] for film in joined.films], looks)
    return found if "patient" in table else None


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a setting, columns among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
