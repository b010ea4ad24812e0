"""Who the networks work for, and what could be said of labels without a film, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.metric_words import MetricWords, of_tasks
from transfergrid.reporting.page.alike import Section, SectionTable
from transfergrid.reporting.words import (
    NOTHING,
    difference,
    known,
    level,
    listing,
    p_value,
    plural,
    score,
    score_interval,
)
from transfergrid.statistics.named import LARGEST, TOGETHER

NAME = "groups"
"""The section's anchor, under which its figure is declared."""
NEAR = 0.5
"""A column comes near a network from which share on of what that one has beyond chance."""
MOST = 8
"""Groups, or data sets with columns, that are named one by one."""


def sections(
    study: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    metrics: Mapping[str, MetricWords],
) -> list[Section]:
    """Return the section of a study that asks for groups; others have none.

    Args:
        study: The study's JSON.
        tables: The study's tables, by name.
        metrics: What metrics are called, by name.
    """
    values, gaps = tables.get("subgroups"), tables.get("subgroup_gaps")
    if values is None or gaps is None or values.empty:
        return []
    alpha = 1 - float(study["evaluation"]["confidence"])
    facts = [
        ("Groups", _groups(values)),
        *_without(values),
        (
            "Intervals",
            f"{level(1 - alpha)}, by patient and seed. A gap is between the largest value and the "
            "smallest, whichever these are; its interval holds for all pairs of groups at once, "
            "and its p-value is also adjusted, by Holm's method, for all comparisons of "
            "subgroup_gaps.csv: an interval may leave out 0 where that finds no gap.",
        ),
        (
            "Not to be concluded",
            "That a gap is the network's fault, or that none is there where none was found. Groups "
            "differ in how ill they are and in how they are photographed and labelled, and a small "
            "group shows only large gaps. A network that is better than a column may have learned "
            "it all the same.",
        ),
    ]
    lead = (
        "Test scores of groups of patients or films, by columns of the data set's own table, and "
        "how well these columns alone predict the labels."
    )
    shown = [_gaps(gaps, metrics, alpha)]
    shortcuts = tables.get("shortcuts")
    if shortcuts is not None and len(shortcuts):
        shown.append(_probed(shortcuts, alpha))
    told = tuple(table for table in shown if table.rows)
    return [Section(NAME, "Who it works for", lead, tuple(facts), told)]


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["task"].map(known)]


def _groups(values: pd.DataFrame) -> str:
    told = []
    for (dataset, column), rows in _whole(values).groupby(["dataset", "column"], sort=False):
        first = rows.drop_duplicates("group")
        words = [
            f"{row['group']} ({plural(row['n_patients'], 'patient')})"
            for row in first.to_dict("records")
        ]
        told.append(f"{column} of {dataset}: {listing(words)}")
    return f"{'; '.join(told)}. Tested patients; one may be in several groups of films."


def _gaps(gaps: pd.DataFrame, metrics: Mapping[str, MetricWords], alpha: float) -> SectionTable:
    """Return for each column and metric how many networks have a gap, and the clearest one."""
    rows = _whole(gaps)
    rows = rows[(rows["comparison"] == LARGEST) & rows["difference"].notna()]
    size, among = f"Gap ({level(1 - alpha)})", "Networks with a gap"
    told = []
    # Metrics of a column stand together, wherever the table has them.
    places = rows.groupby(["dataset", "column"], sort=False).ngroup()
    rows = rows.iloc[places.argsort(kind="stable")]
    for (dataset, column, name), own in rows.groupby(["dataset", "column", "metric"], sort=False):
        clearest = own.sort_values(["p_adjusted", "difference"], ascending=[True, False])
        row = clearest.to_dict("records")[0]
        tasks = gaps.loc[gaps["dataset"] == dataset, "task"]
        metric = metrics.get(str(name), MetricWords(str(name)))
        metric = of_tasks(metric, filter(known, tasks))
        told.append(
            (
                f"{column} of {dataset}",
                f"{metric.score}{metric.direction}",
                f"{int((own['p_adjusted'] < alpha).sum())} of {len(own)}",
                f"{row['a']} against {row['b']}",
                difference(row["difference"], row["low"], row["high"]),
                p_value(row["p_adjusted"]).removeprefix("p = ").removeprefix("p "),
                _network(row),
            )
        )
    heads = ("Groups by", "Metric", among, "The clearest", size, "Adjusted p", "Its network")
    return SectionTable("Gaps", heads, frozenset((among, size, "Adjusted p")), tuple(told))


def _network(row: Mapping[Any, Any]) -> str:
    cut = f" less {row['truncation']} blocks" if row["truncation"] else ""
    return f"{row['architecture']}{cut}, {row['pretraining']}"


def _without(values: pd.DataFrame) -> list[tuple[str, str]]:
    """Name the groups that have no value, and with what tasks."""
    tasks = values[values["task"].map(known) & values["value"].isna() & ~values["cell"].map(known)]
    if tasks.empty:
        return []
    told = []
    for (column, group), rows in tasks.groupby(["column", "group"], sort=False):
        named = list(dict.fromkeys(rows["task"].map(str)))
        words = listing(named) if len(named) <= MOST else plural(len(named), "task")
        told.append(f"{column} {group}: {words}")
    more = f", and {plural(len(told) - MOST, 'further group')}" if len(told) > MOST else ""
    return [
        (
            "Without a value",
            f"{'; '.join(told[:MOST])}{more}. Such a group lacks a class or has no film; it is "
            "in no gap, and its counts are in subgroups.csv.",
        )
    ]


def _probed(shortcuts: pd.DataFrame, alpha: float) -> SectionTable:
    """Return what each column alone predicts, beside the networks."""
    heads = ("Predicted by", f"AUROC without a film ({level(1 - alpha)})", "AUROC of the networks")
    told = []
    rows = _whole(shortcuts)
    for (dataset, column), own in rows.groupby(["dataset", "column"], sort=False):
        first, networks = own.iloc[0], own["network"].dropna()
        reached = score_interval(first["shortcut"], first["shortcut_low"], first["shortcut_high"])
        ends = (
            sorted({score(networks.min()), score(networks.max())}) if len(networks) else [NOTHING]
        )
        told.append((_predictor(str(column), str(dataset)), reached, " to ".join(ends)))
    title = "Labels predicted without a film"
    return SectionTable(title, heads, frozenset(heads[1:]), tuple(told))


def _predictor(column: str, dataset: str) -> str:
    return f"all columns of {dataset}" if column == TOGETHER else f"{column} of {dataset}"


def near(shortcuts: pd.DataFrame | None) -> str:
    """Say which columns come near a network, task by task; empty if none does.

    A column comes near where its prediction is better than chance, and reaches `NEAR` of what the
    network's AUROC has beyond one half, or the network is not shown to be better.

    Args:
        shortcuts: Rows of shortcuts.csv, or None.
    """
    if shortcuts is None or shortcuts.empty:
        return ""
    rows = shortcuts[shortcuts["task"].map(known) & shortcuts["network"].notna()]
    better = rows["shortcut_low"] > 0.5
    reached = rows["shortcut"] - 0.5 >= NEAR * (rows["network"] - 0.5)
    found = rows[better & (reached | (rows["low"] <= 0))]
    told = []
    for (dataset, task), own in found.groupby(["dataset", "task"], sort=False):
        row = own.sort_values("shortcut", ascending=False, kind="stable").to_dict("records")[0]
        networks = own[own["column"] == row["column"]].drop_duplicates(list(PLACE))
        all_of = rows[(rows["dataset"] == dataset) & (rows["task"] == task)]
        count = len(all_of.drop_duplicates(list(PLACE)))
        told.append(
            f"{task} of {dataset}: {_alone(row)} {score(row['shortcut'])}, near "
            f"{len(networks)} of {plural(count, 'network')}, such as {_network(row)} with "
            f"{score(row['network'])}"
        )
    more = f" and {plural(len(told) - MOST, 'further task')}" if len(told) > MOST else ""
    return f"{'; '.join(told[:MOST])}{more}" if told else ""


def _alone(row: Mapping[Any, Any]) -> str:
    together = row["column"] == TOGETHER
    return "all columns together reach" if together else f"{row['column']} alone reaches"
