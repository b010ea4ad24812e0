"""The question whether one difference between two arms is another."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.question_kind import Asked, Question, QuestionKind
from transfergrid.runtime.errors import UserError, listed, suggest


def _check_interaction(question: Question, asked: Asked) -> None:
    axis, first, second = question["axis"], question["of"], question["against"]
    values = list(
        dict.fromkeys(getattr(p, axis) for p in asked.points if p.matches(question["where"]))
    )
    for value in (*first, *second):
        if value not in values:
            raise UserError(
                f"{asked.start} names {value!r}, which is no {axis} of its "
                f"cells{suggest(value, values)}; they have {listed(values)}."
            )
    if first[0] == first[1] or second[0] == second[1] or first == second:
        raise UserError(
            f"{asked.start} compares {listed(first)} against {listed(second)}, so that there is no "
            "difference, or the same one twice; name two differences of two values each."
        )


def _lack_of_interaction(question: Question, found: Collection[Any]) -> str:
    axis = question["axis"]
    values = {getattr(point, axis) for point in found}
    lacking = [v for v in dict.fromkeys((*question["of"], *question["against"])) if v not in values]
    return f"no cell with {axis} {listed(lacking)}" if lacking else ""


def _two(text: str) -> dict[str, Any]:
    values = {"type": ["string", "integer"], "minimum": 0, "maximum": 1000}
    return {"description": text, "type": "array", "items": values, "minItems": 2, "maxItems": 2}


INTERACTION = QuestionKind(
    name="interaction",
    answer="transfergrid.statistics.interaction:interaction",
    tell="transfergrid.reporting.page.interaction_answers",
    keys={
        "axis": {
            "description": "Axis on which the four arms differ; they agree in all others.",
            "enum": [axis for axis in PLACE if axis != "dataset"],
            "default": "pretraining",
        },
        "of": _two("Two values; the first minus the second is the first difference."),
        "against": _two("Two values; the second difference, which is subtracted from the first."),
    },
    required=("of", "against"),
    check=_check_interaction,
    lack=_lack_of_interaction,
)
