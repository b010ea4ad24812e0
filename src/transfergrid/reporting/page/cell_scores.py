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


_NUMBERS = ("value", "low", "high", "n_pos", "threshold")
"""Columns of a `Value`, in its order."""


def measures(
    scores: pd.DataFrame, selection: str, metrics: Mapping[str, MetricWords]
) -> dict[str, dict[str, Measure]]:
    """Return by cell and metric what scores.csv holds under a selection.

    Args:
        scores: Rows of scores.csv.
        selection: The selection.
        metrics: What metrics are called, by name.
    """
    here = scores[scores["selection"] == selection]
    # One pass over plain values: a group of pandas for each of ten thousand takes a minute.
    parts: dict[tuple[str, str], dict[str, Value]] = {}
    given: dict[tuple[str, str], str] = {}
    columns = (here[name] for name in ("cell", "metric", "task", "conditional_on", *_NUMBERS))
    for cell, name, task, condition, *numbers in zip(*columns, strict=True):
        key = (str(cell), str(name))
        parts.setdefault(key, {})[str(task) if known(task) else ""] = Value(*numbers)
        given.setdefault(key, str(condition) if known(condition) else "")
    found: dict[str, dict[str, Measure]] = {}
    for (cell, name), values in parts.items():
        found.setdefault(cell, {})[name] = Measure(
            named_together([name], metrics), values.pop(""), values, given[cell, name]
        )
    return found
