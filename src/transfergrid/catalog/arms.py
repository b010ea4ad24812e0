"""What kinds of question that compare arms with a baseline have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.question_kind import Asked, Question
from transfergrid.runtime.errors import UserError, listed, suggest


def arms_keys(text: str) -> dict[str, Any]:
    """Return the keys of a question that compares arms; `text` says what its axis is."""
    return {
        "axis": {
            "description": text,
            "enum": [axis for axis in PLACE if axis != "dataset"],
            "default": "pretraining",
        },
        "baseline": {
            "description": "The value that every other value of the axis is compared with.",
            "type": ["string", "integer"],
            "default": "random",
        },
    }


def check_baseline(question: Question, asked: Asked) -> list[Any]:
    """Refuse a baseline that no cell has; return the values of the question's axis."""
    axis, baseline = question["axis"], question["baseline"]
    found = [point for point in asked.points if point.matches(question["where"])]
    values = list(dict.fromkeys(getattr(point, axis) for point in found))
    if baseline not in values:
        raise UserError(
            f"{asked.start} has the baseline {baseline!r}, which is no {axis} of its "
            f"cells{suggest(baseline, values)}; they have {listed(values)}."
        )
    return values


def lack_of_arms(question: Question, found: Collection[Any]) -> str:
    """Say what the cells of a slice lack for a comparison; empty if nothing."""
    axis, baseline = question["axis"], question["baseline"]
    values = {getattr(point, axis) for point in found}
    if baseline not in values:
        return f"no cell with its baseline, {axis} {baseline}"
    return "" if len(values) > 1 else f"no {axis} of it but the baseline {baseline}"
