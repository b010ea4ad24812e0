"""How methods rank over data sets, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.page.answer import Answer, Manner, Told
from transfergrid.reporting.page.findings import ShownFinding
from transfergrid.reporting.place_labels import arm, label, opening, varying
from transfergrid.reporting.words import (
    count,
    difference,
    known,
    level,
    number,
    p_value,
    percent,
    plural,
)

Row = Mapping[Any, Any]


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    return f"How does each {question['axis']} rank over the data sets"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Methods are ranked within each data set by their mean over seeds and folds, and data sets "
        "are the only blocks. Whether mean ranks differ at all is told by Friedman's test, "
        "corrected for ties, in Iman and Davenport's form; two methods differ where their mean "
        "ranks are further apart than Nemenyi's critical difference. Beside it stand Conover's "
        "test with Holm's method, the Bayesian signed-rank test, and a mixed model of all seeds "
        "with random data sets, none of which decides a verdict."
    ]


def told(
    question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner, *, mean_ranks: pd.DataFrame
) -> Told:
    """Put its rows of rank_pairs.csv and mean_ranks.csv into words."""
    axes = varying(rows)
    firsts = mean_ranks[~mean_ranks.duplicated(_places(mean_ranks))]
    answers = [_overall(row, label(row, axes)) for row in firsts.to_dict("records")]
    apart = rows[rows["verdict"] == "better"]
    answers += [_pair(row, label(row, axes), manner) for row in apart.to_dict("records")]
    shown = tuple(_mean(row, label(row, axes)) for row in mean_ranks.to_dict("records"))
    return Told(tuple(answers), shown, _undecided(rows))


def _places(rows: pd.DataFrame) -> list[str]:
    return [name for name in ("metric", *PLACE) if name in rows]


def _undecided(rows: pd.DataFrame) -> str:
    open_ones = int((rows["verdict"] != "better").sum())
    if not open_ones:
        return ""
    return (
        f"Of {plural(len(rows), 'pair')}, {count(open_ones)} could not be set apart by their mean "
        "ranks, which does not show that they are alike."
    )


def _overall(row: Row, where: str) -> Answer:
    tested = f"F = {number(row['iman_davenport_f'])}, {p_value(row['p_iman_davenport'])}"
    several = f"{plural(row['n_methods'], 'method')} over {plural(row['n_datasets'], 'data set')}"
    if not known(row["p_iman_davenport"]):
        tested = "all scores are tied"
    parts = (
        f"Iman and Davenport's test on {count(row['df1'])} and {count(row['df2'])} degrees of "
        "freedom",
        f"Friedman's chi-square {number(row['friedman_chi2'])}, {p_value(row['p_friedman'])}"
        if known(row["friedman_chi2"])
        else "",
        f"data sets: {row['datasets']}",
        str(row["note"]) if known(row["note"]) else "",
    )
    return Answer(
        subject=where,
        lead=f"Whether {several} differ in mean rank at all:",
        number=tested,
        rest=f"; two differ where their mean ranks are {number(row['critical_difference'])} apart",
        support=tuple(part for part in parts if part),
        bounds=None,
        clear=False,
    )


def _pair(row: Row, where: str, manner: Manner) -> Answer:
    a, b = (arm(row["axis"], row[name]) for name in ("a", "b"))
    ranks = "rank" if row["axis"] == "pretraining" else "ranks"
    return Answer(
        subject=where,
        lead=f"{opening(a)} {ranks} better than {b}, by",
        number=f"{number(-float(row['rank_difference']))} ranks",
        rest=f" on average over {plural(row['n_datasets'], 'data set')}",
        support=tuple(_support(row, manner)),
        bounds=None,
        clear=True,
        verdict="better",
    )


def _support(row: Row, manner: Manner) -> Iterator[str]:
    yield f"Nemenyi's test: {p_value(row['p_nemenyi'])}"
    yield f"Conover's, adjusted by Holm's method: {p_value(row['p_conover_adjusted'])}"
    chances = [percent(row[f"bayes_{name}"], 0) for name in ("better", "alike", "worse")]
    yield (
        f"Bayesian signed rank: better {chances[0]}, alike within {number(row['rope'])} "
        f"{chances[1]}, worse {chances[2]}"
    )
    if known(row["low"]):
        found = difference(row["difference"], row["low"], row["high"])
        yield (
            f"mixed model: {found}, {level(manner.confidence)} interval, adjusted "
            f"{p_value(row['p_mixed_adjusted'])}"
        )
    elif known(row["note"]):
        yield str(row["note"])


def _mean(row: Row, where: str) -> ShownFinding:
    return ShownFinding(
        subject=", ".join(filter(None, (where, arm(row["axis"], row["method"])))),
        quantity=f"mean rank among {count(row['n_methods'])}, 1 the best",
        value=number(row["mean_rank"]),
        interval="",
        n=plural(row["n_datasets"], "data set"),
        note=f"mean score {number(row['mean_score'])}" if known(row["mean_score"]) else "",
    )
