"""Cells of an unknown table that say nothing, though they are not empty."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

_NOTHING = {"na", "nan", "n/a", "null"}
"""What programs write in the place of nothing, in lower case."""


def known_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which words such as NA are blanks as well.

    Args:
        frame: Cells as text, blanks as null.
    """
    nothing = frame.apply(lambda cells: cells.str.lower().isin(_NOTHING))
    return frame.astype(object).where(frame.notna() & ~nothing, None)


def words_for_nothing(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return such words as they are written in some columns, sorted."""
    cells = {cell for name in columns for cell in frame[name].dropna().unique()}
    return sorted(cell for cell in cells if cell.lower() in _NOTHING)
