"""Whether one difference is another, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of, is_clear
from transfergrid.reporting.place_labels import arm
from transfergrid.reporting.words import difference, known, level
from transfergrid.statistics.named import CHANGE, FIRST, SECOND

Row = Mapping[Any, Any]


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    axis = question["axis"]
    first, second = (
        " and ".join(arm(axis, value) for value in question[key]) for key in ("of", "against")
    )
    return f"Is the difference between {first} the same as that between {second}"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "A difference of differences is paired like a contrast: the same test patients and seeds "
        "in all four arms, whose influence values add up. It has no p-value, and its interval is "
        "not adjusted for the number of places."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words: a sentence for each place."""
    answers = []
    for subject, own in rows.groupby("subject", sort=False):
        quantities = {str(row["quantity"]): row for row in own.to_dict("records")}
        if known(quantities.get(CHANGE, {}).get("value")):
            answers.append(_answer(str(subject), question, quantities, manner))
    return Told(tuple(answers))


def _answer(
    subject: str, question: Mapping[str, Any], rows: Mapping[str, Row], manner: Manner
) -> Answer:
    row = rows[CHANGE]
    bounds = bounds_of(row["low"], row["value"], row["high"])
    clear = is_clear(bounds)
    lead = (
        "The first difference less the second is"
        if clear
        else "That they differ could not be shown:"
    )
    sides = ((FIRST, question["of"]), (SECOND, question["against"]))
    parts = [f"{' − '.join(map(str, arms))} {_number(rows[name])}" for name, arms in sides]
    metric = manner.metrics[row["metric"]]
    found = f"with {level(manner.confidence)} interval" if bounds else "without an interval"
    support = (f"in {metric.mean}{metric.direction}, {found}", row["note"])
    return Answer(
        subject=subject,
        lead=lead,
        number=_number(row),
        rest=f"; {', '.join(parts)}",
        support=tuple(str(part) for part in support if known(part)),
        bounds=bounds,
        clear=clear,
    )


def _number(row: Row) -> str:
    return difference(row["value"], row["low"], row["high"])
