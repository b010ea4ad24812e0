"""How far apart the pixels of films are, in millimetres."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.tablefile import Table, read_table
from transfergrid.runtime.errors import UserError

Spacing = float | str | list[float] | list[str]
"""A number or a column of the table, for rows and columns alike, or one for each."""


def spacing_of(
    declared: Spacing, declaration: Mapping[str, Any], root: Path | None, films: int
) -> npt.NDArray[np.float64]:
    """Return the spacing of every film's pixels.

    Args:
        declared: The data set's ``spacing``.
        declaration: The data set's settings; ``table`` and ``separator`` where columns are named.
        root: Where it lies.
        films: How many films it has.

    Returns:
        (N, 2) mm from row to row and from column to column.

    Raises:
        UserError: There is no such column, or a film has no number above 0 in it.
    """
    both = declared if isinstance(declared, list) else [declared, declared]
    if not any(isinstance(one, str) for one in both):
        return np.tile(np.asarray(both, dtype=np.float64), (films, 1))
    if root is None or not declaration.get("table"):
        raise UserError("spacing names a column, but the data set has no table; write numbers.")
    table = read_table(root / str(declaration["table"]), declaration.get("separator"))
    return np.stack([_numbers(table, str(one)) for one in both], axis=1)


def _numbers(table: Table, column: str) -> npt.NDArray[np.float64]:
    cells = table.column(column)
    found = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found > 0)))
    if len(wrong):
        first = cells.iloc[wrong[0]]
        told = "nothing" if pd.isna(first) else f"'{first}'"
        raise UserError(
            f"{table.path} has {told} in column '{column}' of row {wrong[0] + 1}, and spacing must "
            "be millimetres above 0 for every film; distances in mm and in pixels have no mean, so "
            "give that of all, or leave spacing out."
        )
    return found
