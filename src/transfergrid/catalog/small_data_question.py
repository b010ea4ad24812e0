"""The question what networks reach with few training patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.question_kind import Asked, Question, QuestionKind
from transfergrid.runtime.errors import UserError, listed, suggest


def _check_small_data(question: Question, asked: Asked) -> None:
    axis, baseline = question["axis"], question["baseline"]
    found: list[Any] = [point for point in asked.points if point.matches(question["where"])]
    there = list(dict.fromkeys(point.protocol for point in found))
    for name in question["protocols"] or ():
        if name not in there:
            raise UserError(
                f"{asked.start} names protocol '{name}'{suggest(name, there)}, which none of its "
                f"cells has; they have {listed(there)}."
            )
        if name not in asked.patients:
            raise UserError(
                f"{asked.start} names protocol '{name}', which trains on a share or a number of "
                "images; give it train_patients, or leave it out."
            )
    wanted = [name for name in question["protocols"] or there if name in asked.patients]
    sizes: dict[int | None, str] = {}
    for name in wanted:
        size = asked.patients[name]
        if size in sizes:
            told = "all training patients" if size is None else f"{size} training patients"
            raise UserError(
                f"{asked.start} has two recipes with {told}, '{sizes[size]}' and '{name}'; name "
                "those of one curve under protocols."
            )
        sizes[size] = name
    if len(sizes) < 2:
        raise UserError(
            f"{asked.start} needs recipes with two numbers of training patients, and its cells "
            f"have {len(sizes)}; write train_patients: [50, 100, 200] in a protocol."
        )
    values = list(dict.fromkeys(getattr(p, axis) for p in found if p.protocol in wanted))
    if baseline not in values:
        raise UserError(
            f"{asked.start} has the baseline {baseline!r}, which is no {axis} of its "
            f"cells{suggest(baseline, values)}; they have {listed(values)}."
        )


def _lack_of_small_data(question: Question, found: Collection[Any]) -> str:
    wanted = question["protocols"]
    sizes = {point.protocol for point in found if not wanted or point.protocol in wanted}
    return "" if len(sizes) > 1 else "fewer than two of its numbers of training patients"


def _few_seeds(question: Question, found: Collection[Any], alpha: float) -> str:
    wanted = question["protocols"]
    curves: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for point in found:
        if not wanted or point.protocol in wanted:
            curve = tuple(getattr(point, axis) for axis in PLACE if axis != "protocol")
            curves[curve].append(point)
    # What is there at one size alone is no curve.
    curved = [own for own in curves.values() if len({point.protocol for point in own}) > 1]
    if all(len({point.seed for point in own}) > 1 for own in curved):
        return ""
    return (
        "has one seed in an arm, so that its interval says nothing of another draw of patients; "
        "use three at least, and five are better."
    )


SMALL_DATA = QuestionKind(
    name="small_data",
    answer="transfergrid.statistics.small_data:small_data",
    tell="transfergrid.reporting.page.small_data_answers",
    keys={
        "axis": {
            "description": "Axis whose values are the arms.",
            "enum": ["pretraining", "architecture", "truncation"],
            "default": "pretraining",
        },
        "baseline": {
            "description": (
                "The arm that others are compared with, and whose curve says how many times the "
                "patients make it as good."
            ),
            "type": ["string", "integer"],
            "default": "random",
        },
        "protocols": {
            "description": (
                "Recipes of one curve, which differ in train_patients; the name of a list of "
                "numbers stands for all of them. null takes every recipe that counts patients or "
                "takes them all."
            ),
            "anyOf": [{"$ref": "#/$defs/names"}, {"type": "null"}],
            "default": None,
        },
    },
    check=_check_small_data,
    lack=_lack_of_small_data,
    few=_few_seeds,
    table="small_data",
    otherwise="transfergrid.statistics.crossings_resampled:small_data_otherwise",
)
