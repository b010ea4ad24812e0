"""Which rows of cells.csv are trainings, and which are runs that pool the folds of several."""

from __future__ import annotations

import pandas as pd

from transfergrid.planning.grid import ALL


def answered(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that answers are given for: cells without folds, and runs over folds."""
    return cells[cells["fold"] == ALL]


def trained(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of what was trained: cells without folds, and single folds."""
    folds = cells["fold"] != ALL
    # A data set is cut into folds for all of its cells, or for none.
    pooled = ~folds & cells["dataset"].isin(cells.loc[folds, "dataset"])
    return cells[~pooled]
