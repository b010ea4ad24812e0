"""Tables on disk: CSV that gives back every number exactly."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pandas as pd

from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError

_NAMES = ("architecture", "pretraining", "protocol")
_SIDES = tuple(f"{side}_{name}" for side in ("left", "right") for name in _NAMES[1:])
_TEXT = dict.fromkeys(("cell", "fold", "task", "layer", *_NAMES, *_SIDES), "str")
"""Columns of names, which stay text even where all of them are digits."""


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV; floats have as many digits as they need, NaN is an empty field."""
    return table.to_csv(index=False, lineterminator="\n")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, atomically."""
    write_text(path, csv_text(table))


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote, every float exactly.

    Raises:
        UserError: The file is missing or has no header.
    """
    try:
        return parse_table(path, path)
    except FileNotFoundError:
        raise UserError(f"the table {path} is missing; make the study's tables first.") from None


def parse_table(source: Path | BytesIO, path: Path) -> pd.DataFrame:
    """Read a table from a file or its bytes; `path` names it.

    Raises:
        UserError: There is no header.
    """
    try:
        # A network may be called "NA": only an empty field is a missing value. The Python engine
        # reads every float exactly in all versions of pandas.
        return pd.read_csv(
            source, engine="python", keep_default_na=False, na_values=[""], dtype=_TEXT
        )
    except pd.errors.EmptyDataError:
        raise UserError(f"the table {path} is empty; remove it and make it again.") from None
