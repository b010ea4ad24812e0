"""What repeated trials show of two arms, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of, is_clear
from transfergrid.reporting.place_labels import arm, label, opening, varying
from transfergrid.reporting.words import count, difference, known, level, p_value, score

Row = Mapping[Any, Any]
DECIDED = ("better", "worse")


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    base = arm(question["axis"], question["baseline"])
    return f"Is each {question['axis']} better or worse than {base} over the trials"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Trials differ in their seed and share their test patients. They are compared by Welch's t "
        "test, or by the paired t test of trials that share a seed where the question says so, "
        "with p-values adjusted by Holm's method over all rows of the question. How far other "
        "patients would move the difference stands beside it, with a verdict of its own."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of trials.csv into words, the decided ones first."""
    named = rows.rename(columns={"arm": "a", "baseline": "b"})
    axes = varying(named)
    first = rows.assign(open=~rows["verdict"].isin(DECIDED)).sort_values("open", kind="stable")
    return Told(tuple(_answer(row, label(row, axes), manner) for row in first.to_dict("records")))


def _answer(row: Row, where: str, manner: Manner) -> Answer:
    bounds = bounds_of(row["low"], row["difference"], row["high"])
    lead, rest = _sentence(row, manner)
    return Answer(
        subject=where,
        lead=lead,
        number=difference(row["difference"], row["low"], row["high"]),
        rest=rest,
        support=tuple(_support(row, manner)),
        bounds=bounds,
        clear=is_clear(bounds),
        verdict=str(row["verdict"]),
    )


def _sentence(row: Row, manner: Manner) -> tuple[str, str]:
    a, b = (arm(row["axis"], row[name]) for name in ("arm", "baseline"))
    metric = manner.metrics[row["metric"]]
    on = f" in {metric.mean}{metric.direction}"
    if row["verdict"] in DECIDED:
        start, verb = opening(a), "are" if row["axis"] == "pretraining" else "is"
        more = (
            "and with other patients as well"
            if row["verdict_with_patients"] == row["verdict"]
            else "but other patients might tell otherwise"
        )
        return f"{start} {verb} {row['verdict']} than {b} on these test patients,", f"{on}, {more}"
    if row["verdict"] == "undecided":
        return f"No difference between {a} and {b} could be shown over the trials:", on
    return f"Whether {a} and {b} differ cannot be decided by so few trials:", on


def _support(row: Row, manner: Manner) -> Iterator[str]:
    pair = [
        f"{score(row[f'mean{end}'])} (SD {score(row[f'sd{end}'])})" for end in ("", "_baseline")
    ]
    counts = f"{count(row['n'])} and {count(row['n_baseline'])} trials"
    yield f"{pair[0]} against {pair[1]}, {counts}"
    if known(row["p"]):
        tests = [f"{name} {p_value(row[f'p_{name.lower()}'])}" for name in ("Welch", "paired")]
        yield "; ".join(test for test in tests if not test.endswith(" "))
        yield f"adjusted {p_value(row['p_adjusted'])}"
    if known(row["p_with_patients"]):
        yield (
            f"with {count(row['n_patients'])} patients as a sample "
            f"{p_value(row['p_with_patients'])}, adjusted "
            f"{p_value(row['p_with_patients_adjusted'])}"
        )
    if known(row["se_patient"]):
        yield f"SE {score(row['se_trials'])} from trials, {score(row['se_patient'])} from patients"
    if known(row["low"]):
        test = "Welch's t test" if row["test"] == "welch" else "the paired t test"
        yield f"{level(manner.confidence)} interval over trials by {test}"
    if known(row["conditional_on"]):
        yield f"conditional on {row['conditional_on']}"
