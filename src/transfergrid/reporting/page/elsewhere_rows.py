"""What networks score on films of other hospitals, beside their own, as tables of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.external import EVERY
from transfergrid.planning.grid import ALL
from transfergrid.reporting.figures.summaries import network_words
from transfergrid.reporting.metric_words import MetricWords, named_together, of_tasks
from transfergrid.reporting.words import (
    count,
    difference,
    known,
    listing,
    plural,
    plurals,
    score_interval,
)

MOST = 20
"""Networks of a table; the others are in external.csv."""
NETWORK = [axis for axis in PLACE if axis != "dataset"]
_NOTES = {
    "shared_films": "Some of its films equal, or nearly equal, films that networks learned from "
    "(leaks.csv).",
    "patients_unknown": "Its patients are not known: each study counts as one.",
    "synthetic": "Its films are drawn and prove nothing of medicine.",
}


@dataclass(frozen=True)
class ElsewhereRow:
    """One network, the mean over its seeds.

    Attributes:
        network: Its architecture, with cut and recipe where these vary.
        pretraining: Its initial weights.
        internal: Its value on its own test films, with the interval.
        external: That on the other films.
        drop: By how much it is worse there.
    """

    network: str
    pretraining: str
    internal: str
    external: str
    drop: str


@dataclass(frozen=True)
class Elsewhere:
    """One data set with the networks that learned from another one.

    Attributes:
        title: From which data set to which.
        metric: What the values are called.
        told: On whom, over how many seeds, and what is to be known of the films.
        rows: The networks, the best at home first.
    """

    title: str
    metric: MetricWords
    told: str
    rows: tuple[ElsewhereRow, ...]


def elsewhere(
    table: pd.DataFrame | None, cells: pd.DataFrame, metrics: Mapping[str, MetricWords]
) -> list[Elsewhere]:
    """Return a table for each pair of data sets; none where nothing was tested elsewhere.

    Args:
        table: Rows of external.csv, or None.
        cells: Rows of cells.csv under the primary selection, single folds left out.
        metrics: What metrics are called, by name.
    """
    if table is None or table.empty:
        return []
    asked = ["cell", "dataset", "selection", "metric"]
    places = cells[[*asked, "seed", *NETWORK]]
    whole = table[~table["task"].map(known)].merge(places, on=asked)
    return [
        _pair(rows, named_together(map(str, rows["metric"]), metrics))
        for _, rows in whole.groupby(["dataset", "tested_on"], sort=False)
    ]


def films_elsewhere(table: pd.DataFrame | None, settings: Mapping[str, Any]) -> list[str]:
    """Describe the data sets that finished cells were tested on and none learned from.

    Args:
        table: Rows of external.csv, or None.
        settings: Per data set name its resolved settings.
    """
    if table is None or table.empty:
        return []
    whole = table[~table["task"].map(known)]
    return [
        f"{name} ({settings.get(str(name), {}).get('kind', 'unknown kind')}), in the same form as "
        f"{listing(list(map(str, rows['dataset'].unique())))}: no network learned from it; "
        f"finished ones were tested on {_part(rows.iloc[0].to_dict())}, "
        f"{plural(rows['n'].max(), 'study', 'studies')} of "
        f"{plural(rows['n_patients'].max(), 'patient')}."
        for name, rows in whole.groupby("tested_on", sort=False)
    ]


def _part(row: Mapping[Any, Any]) -> str:
    return "all of its films" if row["split"] == EVERY else "its test split"


def backwards(table: pd.DataFrame | None, primary: str) -> str:
    """Say where AUROCs on other films surely lie below one half; empty where none does.

    Args:
        table: Rows of external.csv, or None.
        primary: The selection that the page's scores come from.
    """
    if table is None or table.empty:
        return ""
    whole = table[~table["task"].map(known) & (table["fold"] == ALL)]
    rows = whole[(whole["metric"] == "auroc") & (whole["selection"] == primary)]
    told = []
    for name, own in rows.groupby("tested_on", sort=False):
        below = own[own["high"] < 0.5]
        if len(below):
            least = below.sort_values("value", kind="stable").iloc[0]
            value = score_interval(least["value"], least["low"], least["high"])
            told.append(
                f"on {name} {len(below)} of {plural(len(own), 'training')}, down to {value}"
            )
    return listing(told) if told else ""


def _pair(rows: pd.DataFrame, metric: MetricWords) -> Elsewhere:
    means = rows.groupby(NETWORK, sort=False)["internal"].mean()
    order = means.sort_values(ascending=not metric.higher_is_better, kind="stable").index
    networks = dict(list(rows.groupby(NETWORK, sort=False)))
    varied = [axis for axis in ("truncation", "protocol") if _tells(rows, axis)]
    shown = [_row(networks[place], varied) for place in order[:MOST]]
    first = rows.iloc[0]
    return Elsewhere(
        f"{first['dataset']}, tested on {first['tested_on']}",
        of_tasks(metric, _tasks(first.to_dict())),
        " ".join(_told(rows, len(order))),
        tuple(shown),
    )


def _tells(rows: pd.DataFrame, axis: str) -> bool:
    """Tell whether an axis tells networks apart that the others do not."""
    others = [other for other in NETWORK if other != axis]
    return bool((rows.groupby(others)[axis].nunique() > 1).any())


def _row(rows: pd.DataFrame, varied: list[str]) -> ElsewhereRow:
    first = rows.iloc[0]
    return ElsewhereRow(
        network_words(first, varied),
        str(first["pretraining"]),
        score_interval(*_means(rows, "internal", "internal_low", "internal_high")),
        score_interval(*_means(rows, "value", "low", "high")),
        difference(*_means(rows, "drop", "drop_low", "drop_high")),
    )


def _means(rows: pd.DataFrame, *columns: str) -> tuple[float, float, float]:
    # A mean that contains a seed without a value has none, as everywhere.
    value, low, high = (float(rows[column].mean(skipna=False)) for column in columns)
    return value, low, high


def _told(rows: pd.DataFrame, networks: int) -> Iterator[str]:
    first = rows.iloc[0].to_dict()
    seeds = rows.groupby(NETWORK)["seed"].nunique()
    tasks = _tasks(first)
    yield (
        f"{_counted(first, 'internal_', tasks)} at home, {_counted(first, '', tasks)} there "
        f"({_part(first)}); means over {plurals(seeds, 'seed')}."
    )
    if len(tasks) > 1:
        yield f"On both sides a value is the mean over {listing(tasks)}."
    flags = {flag for text in rows["flags"] if known(text) for flag in str(text).split(";")}
    yield from (note for flag, note in _NOTES.items() if flag in flags)
    if networks > MOST:
        yield f"Of {count(networks)} networks, the {MOST} that are best at home are listed."


def _tasks(row: Mapping[Any, Any]) -> list[str]:
    return [task for task in str(row["mean_over"]).split(";") if task]


def _counted(row: Mapping[Any, Any], side: str, tasks: list[str]) -> str:
    positive = f", {count(row[f'{side}n_pos'])} of them positive," if len(tasks) == 1 else ""
    studies = plural(row[f"{side}n"], "study", "studies")
    return f"{studies}{positive} of {plural(row[f'{side}n_patients'], 'patient')}"
