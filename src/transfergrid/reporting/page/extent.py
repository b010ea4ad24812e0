"""How much of a large study its page holds: no more than a browser opens within seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from transfergrid.catalog.axes import PLACE

MOST_ROWS = 5_000
"""Rows of the leaderboard, about 1 kB each."""
MOST_SECTIONS = 500
"""Cells, folds included, that have a section of their own, about 8 kB each."""


def best_rows(ordered: pd.DataFrame, most: int = MOST_ROWS) -> pd.DataFrame:
    """Return the first rows of each metric, as many of one as of another.

    Args:
        ordered: Rows of cells.csv with a score, those of one metric after those of the other.
        most: How many there may be.
    """
    if len(ordered) <= most:
        return ordered
    return ordered.groupby("metric", sort=False).head(most // ordered["metric"].nunique())


def with_section(
    cells: pd.DataFrame,
    best_first: Sequence[str],
    runs: Mapping[str, Sequence[str]],
    most: int = MOST_SECTIONS,
) -> frozenset[str]:
    """Return the cells, and runs over folds, that have a section: all, if they are not too many.

    Of a larger study those of every network's first seed come first, the best network before the
    others, then those of its second seed, and so on.

    Args:
        cells: Rows of cells.csv under the primary selection, single folds left out.
        best_first: Cells with a score, in the order of the leaderboard.
        runs: Per run over folds its cells.
        most: How many sections there may be, those of folds included.
    """
    folds = {name: len(runs.get(name, ())) for name in cells["cell"]}
    if len(cells) + sum(folds.values()) <= most:
        return frozenset(folds)
    turn = cells.groupby(list(PLACE), sort=False)["seed"].rank(method="first")
    seed_of = dict(zip(cells["cell"], turn, strict=True))
    chosen: list[str] = []
    left = most
    for name in sorted(best_first, key=lambda name: seed_of[name]):  # stable: the best first
        left -= 1 + folds[name]
        if left < 0:
            break
        chosen.append(name)
    return frozenset(chosen)
