"""The most confident errors, by data set and task, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from transfergrid.reporting.page.shown_films import told_cell
from transfergrid.reporting.pictures.mistakes_file import POSITIVE, Mistake
from transfergrid.reporting.words import plural


@dataclass(frozen=True)
class ShownMistakes:
    """The errors of one network.

    Attributes:
        dataset: Its data set.
        told: Which network it is, in words.
        tasks: By task the errors, false positives first.
    """

    dataset: str
    told: str
    tasks: tuple[tuple[str, tuple[Mistake, ...]], ...]


def shown_mistakes(cells: pd.DataFrame, mistakes: Sequence[Mistake]) -> list[ShownMistakes]:
    """Return the networks whose errors are shown, each with those of its tasks.

    Args:
        cells: Rows of cells.csv under the primary selection, single folds left out.
        mistakes: The errors.
    """
    rows = {str(row["cell"]): row for row in cells.to_dict("records")}
    found = []
    for run in dict.fromkeys(one.run for one in mistakes):
        if run not in rows:
            continue
        row = {str(key): value for key, value in rows[run].items()}
        tasks: dict[str, list[Mistake]] = {}
        for one in mistakes:
            if one.run == run:
                tasks.setdefault(one.task, []).append(one)
        own = tuple((task, tuple(part)) for task, part in tasks.items())
        found.append(ShownMistakes(str(row["dataset"]), told_cell(row, recipe=True), own))
    return found


def other_of(one: Mistake) -> str:
    """Say of an error on classes which other one it is about; empty of labels."""
    if not one.other:
        return ""
    name = one.other.replace("_", " ")
    return f"truly {name}" if one.kind == POSITIVE else f"most probable: {name}"


def place_of(one: Mistake) -> str:
    """Say which study of the test split an error is of, without its id."""
    where = f"of fold {one.fold}'s test part" if one.fold else "of the test split"
    more = f", the first of {plural(one.views, 'film')}" if one.views > 1 else ""
    return f"study {one.place} {where}{more}"
