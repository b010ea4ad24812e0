"""Sensitivity and specificity at thresholds chosen on validation scores, as rows of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.figures.summaries import MOST_CURVES as MOST
from transfergrid.reporting.words import percent, plurals, score_interval

YOUDEN = "youden"
SHARES = ("sensitivity", "specificity")
_NUMBERS = [f"{share}{end}" for share in SHARES for end in ("", "_low", "_high")]


@dataclass(frozen=True)
class OperatingRow:
    """One network on one task, the mean over its seeds.

    Attributes:
        task: The task, with its data set where there are several.
        counted: How many of the test studies are positive.
        pretraining: Its initial weights.
        values: By rule the sensitivity and the specificity, each with its interval.
    """

    task: str
    counted: str
    pretraining: str
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class OperatingPoints:
    """What the page shows of operating points.

    Attributes:
        rules: What chose the thresholds, in words.
        rows: A row per task and arm whose curves are drawn.
        lead: What they are, in sentences.
    """

    rules: tuple[str, ...]
    rows: tuple[OperatingRow, ...]
    lead: str


def operating_points(
    tables: Mapping[str, pd.DataFrame], cells: pd.DataFrame
) -> OperatingPoints | None:
    """Return the operating points of the arms whose curves are drawn; None where there are none.

    Args:
        tables: The study's tables, by name.
        cells: Rows of cells.csv under the primary selection, single folds left out.
    """
    points, curves = tables.get("operating_points"), tables.get("curves")
    if points is None or curves is None:
        return None
    drawn = curves.loc[curves["y"].notna(), [*PLACE, "task"]].drop_duplicates()
    own = cells[["cell", "seed", *PLACE]].merge(points, on="cell")
    seeds = drawn.merge(_shared(own, drawn), on=[*PLACE, "task"])
    if seeds.empty:
        return None
    tasks = seeds[["dataset", "task"]].drop_duplicates()
    shown = seeds.merge(tasks[:MOST], on=["dataset", "task"])
    several = shown["dataset"].nunique() > 1
    rules = list(dict.fromkeys(shown["rule"].map(str)))
    rows = [
        _row(rows, rules, several)
        for _, own in shown.groupby(["dataset", "task"], sort=False)
        for _, rows in own.groupby(list(PLACE), sort=False)
    ]
    return OperatingPoints(tuple(map(_named, rules)), tuple(rows), _lead(shown, rules, len(tasks)))


def _shared(points: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the seeds that all arms of a data set have, as their curves are over."""
    kept = []
    arms = points.merge(drawn[[*PLACE]].drop_duplicates(), on=list(PLACE))
    for _, rows in arms.groupby("dataset", sort=False):
        having = [set(own["seed"]) for _, own in rows.groupby(list(PLACE))]
        shared = set.intersection(*having) or set.union(*having)
        kept.append(rows[rows["seed"].isin(shared)])
    return pd.concat(kept) if kept else arms


def _row(rows: pd.DataFrame, rules: list[str], several: bool) -> OperatingRow:
    first = rows.iloc[0]
    task = str(first["task"]).replace("_", " ")
    values = []
    for rule in rules:
        # A mean that contains a seed without a value has none, as everywhere.
        mean = rows.loc[rows["rule"] == rule, _NUMBERS].mean(skipna=False)
        ends = [[mean[f"{share}{end}"] for end in ("", "_low", "_high")] for share in SHARES]
        values.append(tuple(score_interval(*three) for three in ends))
    return OperatingRow(
        f"{first['dataset']}: {task}" if several else task,
        f"{first['n_pos']} of {first['n']} positive",
        str(first["pretraining"]),
        tuple(values),
    )


def _named(rule: str) -> str:
    return "Youden's threshold" if rule == YOUDEN else f"{_demanded(rule)} validation specificity"


def _demanded(rule: str) -> str:
    return percent(float(rule.split()[-1]), 0)


def _lead(rows: pd.DataFrame, rules: list[str], tasks: int) -> str:
    demanded = next(_demanded(rule) for rule in rules if rule != YOUDEN)
    seeds = rows.groupby(list(PLACE))["seed"].nunique()
    folds = rows["n_folds"].dropna()
    over = plurals(seeds, "seed") + (f" and {plurals(folds, 'fold')}" if len(folds) else "")
    each = ", each with thresholds of its own" if seeds.max() > 1 or len(folds) else ""
    return (
        "What the networks of the curves find and miss on the test split, at two thresholds that "
        f"validation scores chose: the lowest below which {demanded} of the validation negatives "
        "lie, and Youden's, where sensitivity and specificity add up to the most. Values and "
        f"intervals are means over {over}{each}; intervals are by patient and take trainings and "
        "thresholds as given. Single cells, and predictive values, which hold at this share of "
        "positives alone, are in operating_points.csv."
        + (f" Of {tasks} tasks the first {MOST} are shown." if tasks > MOST else "")
    )
