"""Tables that say which films train and which test, or validate, and nothing of the third part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.commands.films import Looks
from transfergrid.commands.found import LINK, TABLE, Found, complete, of_dicom, whose
from transfergrid.commands.guess import FEWEST, Guess
from transfergrid.commands.guessed_parts import PART_OF, PARTS, guess_parts
from transfergrid.commands.guesses import guess_columns
from transfergrid.runtime.errors import UserError

_TRUE = ("1", "1.0", "true")


def halved_column(frame: pd.DataFrame, films: str) -> str | None:
    """Return the one column that has train in some rows, and valid or test in all others.

    Args:
        frame: Cells as text, blanks as null.
        films: The column of films.

    Returns:
        None where there is none, or another column says something of parts as well.
    """
    for name in frame.columns:
        parts = {PART_OF.get(str(value).lower()) for value in frame[name].unique()}
        if name != films and parts in ({"train", "test"}, {"train", "valid"}):
            try:
                others = guess_parts(frame.drop(columns=name), [films])
            except UserError:
                return None
            return None if others else str(name)
    return None


def completed(
    path: Path,
    frame: pd.DataFrame,
    column: str,
    halved: str,
    films: Sequence[str],
    looks: Looks,
    own: Sequence[Guess] = (),
) -> Found:
    """Draw the third part from the films of train, as where folders say so.

    Args:
        path: The table.
        frame: Its cells as text and blanks as null.
        column: Its column of films.
        halved: Its column of two parts.
        films: The films, relative to its folder.
        looks: What the films are.
        own: Guesses of studies that have been made already.

    Returns:
        What was found, with a table that has paths through the link and all three parts.

    Raises:
        UserError: No column looks like labels, or no draw leaves each class in each part.
    """
    root = path.resolve().parent
    guesses = guess_columns(frame.drop(columns=halved), column, looks.headers, own)
    known = {guess.key: guess.value for guess in guesses}
    whom = known.get("patient_column") or known.get("study_column")
    patients = (
        frame[whom].tolist()
        if whom in frame
        else whose([root / film for film in films], looks, pd.DataFrame())
    )
    parts = pd.DataFrame({"part": [PART_OF[value.lower()] for value in frame[halved]]})
    drawn = complete(parts, _has(frame, known), patients)
    name = next(name for name in ("part", "drawn_part", "its_part") if name not in frame)
    paths = {column: [f"{LINK}/{film}" for film in films], name: parts["part"].tolist()}
    kept = " and ".join(part for part in PARTS if part not in drawn)
    why = f"column '{halved}' says {kept}; {drawn[0]} is drawn from train"
    rule = {"column": name, **{part: [part] for part in PARTS}}
    found = [
        Guess("table", TABLE, f"{path.name} with all three parts, written beside this file"),
        Guess("image_column", column, f"its cells are files; through the link '{LINK}' to them"),
        *of_dicom(looks),
        *guesses,
        Guess("split", rule, why),
    ]
    return Found("csv", None, found, looks.size, root, frame.assign(**paths))


def _has(frame: pd.DataFrame, known: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return which film has which class, or has a label and which lacks it, (N, K)."""
    columns = frame[known["label_columns"]]
    if known.get("task_kind") == "multiclass":
        return pd.get_dummies(columns.iloc[:, 0]).to_numpy(bool)
    if "label_separator" in known:
        cells = columns.iloc[:, 0].fillna("").str.replace(" ", "")
        shown = cells.str.get_dummies(known["label_separator"]).to_numpy(bool)
        often = 2 * FEWEST  # as those that are scored
        return shown[:, shown.sum(axis=0) >= often]
    meant = {word: value == 1 for word, value in known.get("label_values", {}).items()}
    shown = columns.map(lambda cell: meant.get(cell, str(cell).lower() in _TRUE)).to_numpy(bool)
    lacks = ~shown & columns.notna().to_numpy()
    return np.hstack([shown, lacks])
