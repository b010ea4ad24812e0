"""What further observers of masks score against the first one, as rows of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.reporting.metric_words import MetricWords, named_together
from transfergrid.reporting.words import known


@dataclass(frozen=True)
class ObserverRow:
    """One value of an observer.

    Attributes:
        dataset: The data set.
        observer: Which one, in words: "second".
        metric: What the metric is called.
        structure: The structure, or that it is the mean over them.
        value: The value, with its bounds.
        low: Lower bound.
        high: Upper bound.
        films: Films that both observers have looked at.
        patients: Their patients.
    """

    dataset: str
    observer: str
    metric: MetricWords
    structure: str
    value: Any
    low: Any
    high: Any
    films: Any
    patients: Any


def observer_rows(
    table: pd.DataFrame | None, metrics: Mapping[str, MetricWords]
) -> tuple[ObserverRow, ...]:
    """Return the rows of observers.csv; a mean over one structure is that structure's row.

    Args:
        table: The table, or None where no masks have several observers.
        metrics: What metrics are called, by name.
    """
    if table is None or table.empty:
        return ()
    found = []
    for _, rows in table.groupby(["dataset", "observer", "metric"], sort=False):
        structures = rows["task"].map(known)
        kept = rows[structures] if structures.sum() == 1 else rows
        for row in kept.to_dict("records"):
            found.append(
                ObserverRow(
                    str(row["dataset"]),
                    ordinal(int(row["observer"])),
                    named_together([str(row["metric"])], metrics),
                    str(row["task"]) if known(row["task"]) else "mean",
                    *(row[key] for key in ("value", "low", "high", "n", "n_patients")),
                )
            )
    return tuple(found)


def ordinal(number: int) -> str:
    """Return "second", "third", ... of an observer's number."""
    named = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
    return named.get(number, f"number {number}")
