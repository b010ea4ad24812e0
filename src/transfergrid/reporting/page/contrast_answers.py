"""A row of contrasts.csv in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of, is_clear
from transfergrid.reporting.place_labels import arm, label, opening, varying, weights
from transfergrid.reporting.words import (
    difference,
    known,
    level,
    p_value,
    percent,
    plural,
    size,
    taken_as_given,
)
from transfergrid.statistics.places import blocks

P_VALUES = {"p_difference": "test of a difference", "p_equivalence": "test of equivalence"}
"""The tests of contrasts.csv."""
Row = Mapping[Any, Any]


DECIDED = ("better", "worse", "equivalent", "different within margin")
"""Verdicts that settle a contrast."""
TITLES = {
    "pretraining": "What do other initial weights change",
    "truncation": "What does removing blocks change",
    "protocol": "What do other recipes change",
    "architecture": "What do other networks change",
}


EQUIVALENCE = "Equivalence is tested by two one-sided t tests against a margin fixed before."


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    axis = question["axis"]
    return f"{TITLES[axis]}, compared with {arm(axis, question['baseline'])}"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Contrasts are paired: the same test patients and seeds in both arms. Their variance adds "
        "what the choice of patients does, by influence values, and what the seed does beyond "
        "that, by the spread between runs; degrees of freedom are Welch's and Satterthwaite's. "
        "p-values are adjusted by Holm's method within a question; intervals are not adjusted.",
        *([EQUIVALENCE] if "margin" in rows and rows["margin"].notna().any() else []),
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of contrasts.csv into words."""
    # The page folds all but the first rows: what is decided must not be among those.
    undecided = ~rows["verdict"].isin(DECIDED)
    ordered = rows.assign(undecided=undecided).sort_values(
        ["n_cells", "undecided"], ascending=[False, True], kind="stable"
    )
    axes = varying(rows)
    return Told(
        tuple(
            contrast_answer(row, label(row, axes), manner, question["effect"])
            for row in ordered.to_dict("records")
        )
    )


def contrast_answer(row: Row, label: str, manner: Manner, effect: float | None = None) -> Answer:
    """Put a row of contrasts.csv into words.

    Args:
        row: The row.
        label: Where in the grid it stands.
        manner: How numbers are worded.
        effect: The difference that the question wants to find, if there is no margin.
    """
    metric = manner.metrics[row["metric"]]
    lead, number, rest = _sentence(row, metric, effect)
    parts = [
        *_p_values(row),
        _power(row, effect),
        plural(row["n_cells"], "pair of networks", "pairs of networks"),
        plural(row["n_seeds"], "seed"),
        f"{manner.cases(row['n_studies'], row['dataset'])} of "
        f"{plural(row['n_patients'], 'patient')} in {manner.tested_on(row['dataset'])}",
        taken_as_given(row["conditional_on"]),
        f"difference in {metric.mean} with {level(manner.confidence)} interval, not adjusted for "
        "the number of contrasts; p adjusted by Holm's method within the question",
        f"method: {row['method']}" if known(row["method"]) else "",
    ]
    bounds = bounds_of(row["low"], row["estimate"], row["high"])
    return Answer(
        subject=label,
        lead=lead,
        number=number,
        rest=rest,
        support=tuple(part for part in parts if part),
        bounds=bounds,
        clear=is_clear(bounds),
        verdict=str(row["verdict"]) if known(row["verdict"]) else "",
    )


def _sentence(row: Row, metric: MetricWords, effect: float | None) -> tuple[str, str, str]:
    """Return a contrast's sentence: before its number, the number, after it."""
    a, b = (arm(row["axis"], row[name]) for name in ("a", "b"))
    margin = f"±{float(row['margin']):g}" if known(row["margin"]) else ""
    signed = difference(row["estimate"], row["low"], row["high"])
    verdict = str(row["verdict"])
    if verdict in ("better", "worse", "different within margin"):
        up = row["estimate"] > 0
        moved = _moved(row, metric, up)
        against = f"{'over' if up else 'against'} {_baseline(row)}"
        less = f": different, but by less than the margin of {margin}"
        rest = less if verdict == "different within margin" else ""
        return moved, size(row["estimate"], row["low"], row["high"]), f" {against}{rest}"
    if verdict == "equivalent":
        return f"{opening(a)} and {b} are equivalent within {margin}: difference", signed, ""
    neither = f"neither a difference nor equivalence within {margin}" if margin else "no difference"
    told = f"{opening(neither)} between {a} and {b} could be shown:"
    return told, signed, _takes(row, bool(margin), effect)


def _moved(row: Row, metric: MetricWords, up: bool) -> str:
    """Say what moves the metric and which way, such as ``Removing one block lowers AUROC by``."""
    axis, name = row["axis"], arm(row["axis"], row["a"])
    verb, moved = "raise" if up else "lower", f"{metric.inline}{metric.direction} by"
    if axis == "pretraining":
        return f"{opening(name)} {verb} {moved}"
    if axis == "truncation":
        cut = int(row["a"])
        name = f"removing {blocks(cut)}" if cut else "keeping the whole network"
    return f"{opening(name)} {verb}s {moved}"


def _baseline(row: Row) -> str:
    if row["axis"] == "pretraining":
        return f"{weights(row['b'])} ones"
    return arm(row["axis"], row["b"])


def _takes(row: Row, margin: bool, effect: float | None) -> str:
    """Say what it would take to know, where the table knows."""
    seeds: Any = row.get("seeds_needed")
    if not known(row["low"]):
        return "; there is no variance to judge by"
    if not known(seeds):
        return "; it would take more than one seed" if row["n_seeds"] == 1 else ""
    if math.isinf(seeds):
        return "; it would take more patients, whatever the number of seeds"
    aim = "to show equivalence, if there is no difference,"
    if not margin:
        aim = f"to find a difference of {effect:g}" if effect else "to find a difference"
    return f"; {aim} would take {plural(round(seeds), 'seed')}"


def _p_values(row: Row) -> list[str]:
    """Name both p-values, the one that the verdict rests on first."""
    names = sorted(P_VALUES, key=lambda name: name != row["verdict_rests_on"])
    found = []
    for name in names:
        if known(row[name]):
            parts = [p_value(row[name])]
            if known(row[f"{name}_adjusted"]):
                parts.append(f"adjusted {p_value(row[f'{name}_adjusted'])}")
            found.append(f"{P_VALUES[name]}: {', '.join(parts)}")
    return found


def _power(row: Row, effect: float | None) -> str:
    """Say what a contrast's test could find, where the table knows."""
    if not known(row.get("power")):
        return ""
    aim = f" to find a difference of {effect:g}" if effect else ""
    aim = " to show equivalence" if known(row["margin"]) else aim
    return f"power {percent(row['power'], 0)}{aim}"
