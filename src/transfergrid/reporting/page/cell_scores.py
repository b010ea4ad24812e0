"""A cell's scores on the page: its primary metric by task, and every other metric beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.reporting.metric_words import MetricWords, named_together
from transfergrid.reporting.words import known


@dataclass(frozen=True)
class Value:
    """One row of scores.csv.

    Attributes:
        value: The metric's value.
        low: Lower bound.
        high: Upper bound.
        positives: Studies with a positive label.
        threshold: Operating point, NaN without one.
    """

    value: Any
    low: Any
    high: Any
    positives: Any
    threshold: Any


@dataclass(frozen=True)
class Measure:
    """A metric of a cell.

    Attributes:
        metric: What it is called.
        whole: Over the scored tasks, or of whole cases.
        tasks: By task; none for a metric of whole cases.
        given: What its intervals take as given, possibly empty.
    """

    metric: MetricWords
    whole: Value
    tasks: Mapping[str, Value]
    given: str

    @property
    def pointed(self) -> bool:
        """Whether it has operating points."""
        return any(known(value.threshold) for value in self.tasks.values())


def measures(
    scores: pd.DataFrame, selection: str, metrics: Mapping[str, MetricWords]
) -> dict[str, dict[str, Measure]]:
    """Return by cell and metric what scores.csv holds under a selection.

    Args:
        scores: Rows of scores.csv.
        selection: The selection.
        metrics: What metrics are called, by name.
    """
    found: dict[str, dict[str, Measure]] = {}
    here = scores[scores["selection"] == selection]
    for (cell, name), rows in here.groupby(["cell", "metric"], sort=False):
        values = {
            task: Value(row["value"], row["low"], row["high"], row["n_pos"], row["threshold"])
            for row in rows.to_dict("records")
            for task in ["" if not known(row["task"]) else str(row["task"])]
        }
        given = rows["conditional_on"].iloc[0]
        found.setdefault(str(cell), {})[str(name)] = Measure(
            named_together([str(name)], metrics),
            values.pop(""),
            values,
            str(given) if known(given) else "",
        )
    return found
