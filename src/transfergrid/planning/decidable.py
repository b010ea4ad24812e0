"""What a study has too few networks or seeds ever to decide, known before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from transfergrid.catalog.axes import AXES
from transfergrid.catalog.question_kind import Question
from transfergrid.catalog.questions import kind_of
from transfergrid.planning.cells import Cell
from transfergrid.planning.claims import chosen_claims, claimed_metrics, selected
from transfergrid.planning.metrics import StudyMetrics
from transfergrid.planning.needed import networks_needed
from transfergrid.planning.study import Study

Count = Callable[[Question, Collection[Any]], int]
"""How many networks the largest answer of a question is over."""


def undecidable(study: Study, targets: Collection[Cell], metrics: StudyMetrics) -> list[str]:
    """Return a sentence for every question and claim that no result of the study can settle.

    Two properties are shown to be unrelated by an interval within a margin, which a few networks
    never reach.

    Args:
        study: The study, fitted to its slice.
        targets: Cells of its grid.
        metrics: The metrics that it names.
    """
    alpha = 1 - study.config["evaluation"]["confidence"]
    found = []
    for question in study.config["questions"]:
        points = [cell.point for cell in targets if cell.point.matches(question.get("where", {}))]
        if few := kind_of(question).few(question, points, alpha):
            found.append(f"{study.source}: question '{question['name']}' {few}")
    asked = [
        (question, count)
        for question in study.config["questions"]
        if (count := kind_of(question).networks)
    ]
    for question, count in asked:
        margin, networks = question["margin"], count(question, targets)
        if margin is not None and networks < networks_needed(margin, alpha):
            found.append(
                f"{study.source}: question '{question['name']}' cannot show with {networks} "
                f"networks that there is no relation within ±{margin:g}; that takes "
                f"{networks_needed(margin, alpha)} at least, and more where networks are of one "
                "family."
            )
    lost: dict[tuple[int, str], list[str]] = {}
    for claim, networks in _judged(study, targets, metrics, asked):
        if networks < networks_needed(float(claim["bound"]), alpha):
            lost.setdefault((networks, claim["bound"]), []).append(claim["claim"])
    for (networks, bound), names in lost.items():
        margin = float(bound)
        found.append(
            f"{study.source}: {', '.join(names)} cannot be decided with {networks} networks: no "
            f"relation within ±{margin:g} takes at least {networks_needed(margin, alpha)}; a "
            "result can only refute it."
        )
    return found


def _judged(
    study: Study,
    targets: Collection[Cell],
    metrics: StudyMetrics,
    asked: Collection[tuple[Question, Count]],
) -> Iterator[tuple[Mapping[str, str], int]]:
    """Yield each claim of no relation that a question answers, with its networks."""
    claims = chosen_claims(study.config["claims"], str(study.source))
    for claim in claims["claims"]:
        wanted = selected(claim) if claim["rule"] == "none" else {}
        place = {axis: value for axis, value in wanted.items() if axis in AXES}
        there = [
            cell
            for cell in targets
            if all(_value(cell, axis, claims["stands_for"]) == v for axis, v in place.items())
            and cell.point.matches(claims["where"])
        ]
        own = {key: value for key, value in wanted.items() if key not in (*AXES, "metric")}
        by = [wanted["metric"]] if "metric" in wanted else claimed_metrics(metrics.declarations)
        counts = [
            count(question, _scored_by(by, question, there, metrics))
            for question, count in asked
            if own and all(question.get(key) == value for key, value in own.items())
        ]
        if any(counts):
            yield claim, max(counts)


def _scored_by(
    by: Collection[str], question: Question, cells: Collection[Cell], metrics: StudyMetrics
) -> list[Cell]:
    """Return the cells that a question compares by one of some metrics."""
    return [
        cell for cell in cells if (question["metric"] or metrics.primary[cell.point.dataset]) in by
    ]


def _value(cell: Cell, axis: str, stands_for: Mapping[str, str]) -> str:
    value = str(getattr(cell.point, axis))
    return stands_for.get(value, value) if axis == "pretraining" else value
