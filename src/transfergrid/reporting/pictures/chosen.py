"""Which cells are shown on films, and on which of their films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.mask_metrics import dice
from transfergrid.metrics.mask_record import MaskRecord
from transfergrid.metrics.overlap import State
from transfergrid.reporting.folds import answered
from transfergrid.statistics.runs import Run

MOST = 60
"""Cells, or runs over folds, that a page shows at most."""
PLACES = ("best", "median", "worst")
"""Which of a cell's films are shown."""


@dataclass(frozen=True)
class ChosenFilm:
    """A film of a cell that is shown.

    Attributes:
        place: One of `PLACES`.
        fold: The fold that it is tested in, or what stands for none.
        row: Which film of the test split.
        film: Its id.
        value: Its Dice, the mean over the scored structures.
    """

    place: str
    fold: str
    row: int
    film: str
    value: float


def chosen_runs(
    cells: pd.DataFrame, runs: Sequence[Run], names: Sequence[str], show: str, lower: Sequence[str]
) -> list[Mapping[Any, Any]]:
    """Return the rows of cells.csv of what is shown, the first `MOST` of them.

    Args:
        cells: cells.csv under the primary selection.
        runs: The study's runs, which tell which cells a row takes together.
        names: The cells that may be shown.
        show: "best" of each data set and pretraining by test score, or "all".
        lower: The metrics of which lower is better.
    """
    allowed = {run.name for run in runs if set(run.cells.values()) <= set(names)}
    there = answered(cells)
    there = there[there["cell"].isin(allowed) & there["score"].notna()]
    if show == "best":
        sign = np.where(there["metric"].isin(list(lower)), -1.0, 1.0)
        order = (sign * there["score"]).sort_values(ascending=False, kind="stable").index
        best = there.loc[order].drop_duplicates(["dataset", "pretraining"]).index
        there = there[there.index.isin(best)]
    return list(there.head(MOST).to_dict("records"))


def chosen_films(
    folds: Mapping[str, Ensemble], score_tasks: Sequence[str] | None
) -> list[ChosenFilm]:
    """Return a run's best, median and worst film, fewer where there are fewer.

    Films without any mask, true or predicted, are left out: there is nothing to see.

    Args:
        folds: What the run marks on the films of each fold.
        score_tasks: The scored structures; None for all.
    """
    values, keys = [], []
    for fold, table in folds.items():
        scored = [t for t, name in enumerate(table.tasks) if name in (score_tasks or table.tasks)]
        for row, value in enumerate(film_values(table, scored)):
            if not np.isnan(value):
                values.append(float(value))
                keys.append((fold, row, str(table.study_id[row])))
    order = sorted(range(len(values)), key=lambda n: (-values[n], n))
    if not order:
        return []
    at = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    found: dict[int, ChosenFilm] = {}
    for place in ("best", "worst", "median"):
        number = at[place]
        if number not in found:
            found[number] = ChosenFilm(place, *keys[number], values[number])
    return sorted(found.values(), key=lambda film: PLACES.index(film.place))


def film_values(table: Ensemble, scored: Sequence[int]) -> NDArray[np.float64]:
    """Return (S,) Dice of each film, the mean over structures; NaN where there is nothing to see.

    Args:
        table: Counts of pixels.
        scored: Columns of the scored structures.
    """
    rows = table.probabilities[:, scored]
    # Of a cell that diverged.
    lost = np.asarray(np.isnan(rows).reshape(len(rows), -1).any(axis=1), dtype=bool)
    rows = np.where(lost[:, None, None], 0.0, rows)
    states = MaskRecord.of(rows).overlap.state
    values = np.where(states == State.UNKNOWN, np.nan, dice.film_values(rows))
    known = ~np.isnan(values)
    seen = np.isin(states, (State.BOTH, State.MISSED, State.FALSE_ALARM)).any(axis=1) & ~lost
    means = np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(seen, means, np.nan)
