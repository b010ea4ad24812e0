"""The question how methods rank over several data sets."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.normal_range import range_beyond
from transfergrid.catalog.question_kind import Asked, Question, QuestionKind
from transfergrid.runtime.errors import UserError, listed


def _methods_by_dataset(question: Question, points: Collection[Any]) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = {}
    for point in points:
        found.setdefault(point.dataset, set()).add(getattr(point, question["axis"]))
    return found


def _check_mean_ranks(question: Question, asked: Asked) -> None:
    if question["rope"] >= asked.width:
        raise UserError(
            f"{asked.start} has the rope {question['rope']:g}, and no two values of its metric are "
            f"further apart than {asked.width:g}; write less."
        )
    points = [point for point in asked.points if point.matches(question["where"])]
    if lack := _lack_of_mean_ranks(question, points):
        raise UserError(
            f"{asked.start} ranks methods over data sets, and there is {lack}; add one, or compare "
            "within a data set by contrast or trials."
        )


def _lack_of_mean_ranks(question: Question, found: Collection[Any]) -> str:
    there = _methods_by_dataset(question, found)
    every = set().union(*there.values())
    every_in_order = dict.fromkeys(getattr(point, question["axis"]) for point in found)
    if len(every) < 2:
        return f"only one {question['axis']} among its cells"
    whole = [name for name, own in there.items() if own == every]
    if len(whole) < 2:
        lacking = "; ".join(
            f"{name} lacks {listed(method for method in every_in_order if method not in own)}"
            for name, own in there.items()
            if name not in whole
        )
        told = f" ({lacking})" if lacking else ""
        return f"no second data set that has every {question['axis']} of its cells{told}"
    return ""


def _few_datasets(question: Question, found: Collection[Any], alpha: float) -> str:
    there = _methods_by_dataset(question, found)
    k = len(set().union(*there.values()))
    n = sum(len(own) == k for own in there.values())
    if min(n, k) < 2:
        return ""
    least = range_beyond((k - 1) / math.sqrt(k * (k + 1) / (12 * n)), k)
    if least <= alpha:
        return ""
    return (
        f"cannot set any two of {k} methods apart by Nemenyi's test on {n} data sets: its p-value "
        f"is {least:.2g} at least; seeds and folds do not count as data sets."
    )


MEAN_RANKS = QuestionKind(
    name="mean_ranks",
    answer="transfergrid.statistics.mean_ranks:mean_ranks",
    tell="transfergrid.reporting.page.mean_ranks_answers",
    keys={
        "axis": {
            "description": "Axis whose values are the methods; cells agree in all others.",
            "enum": [axis for axis in PLACE if axis != "dataset"],
            "default": "pretraining",
        },
        "rope": {
            "description": (
                "Difference on the metric up to which two methods count as alike in the Bayesian "
                "signed-rank test."
            ),
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1000,
            "default": 0.01,
        },
    },
    check=_check_mean_ranks,
    lack=_lack_of_mean_ranks,
    few=_few_datasets,
    table="rank_pairs",
    beside=("mean_ranks",),
    shown=("mean_ranks",),
)
