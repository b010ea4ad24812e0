"""Whether a study's cells can answer what it asks.

A question that no cell of the grid can answer is a mistake in the study. One that a slice (`only`)
has no cells for is left out of the slice, with a warning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from transfergrid.planning.claims import chosen_claims
from transfergrid.planning.grid import Point
from transfergrid.planning.study import Study
from transfergrid.runtime.errors import UserError, listed, suggest

Question = Mapping[str, Any]


def check_questions(study: Study, points: Collection[Point]) -> None:
    """Check that the grid has the cells that questions, claims and activation maps speak of.

    Args:
        study: The study.
        points: Its whole grid.

    Raises:
        UserError: One that no cell can answer, or that builds on a contrast that is not there.
    """
    questions = study.config["questions"]
    names = [question["name"] for question in questions]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UserError(f"{study.source}: two questions are named '{min(twice)}'; rename one.")
    for question in questions:
        where = f"{study.source}: question '{question['name']}'"
        if "where" in question:
            _check_where(where, question, points)
        if question["kind"] in ("efficiency", "seed_noise") and question["contrast"] is not None:
            _check_contrast(where, question, questions)
        if _needs_boost(question) and _boost(questions) is None:
            raise UserError(
                f"{where} needs the boost, but no question is a contrast along pretraining; add "
                "one."
            )
    claims = chosen_claims(study.config["claims"], str(study.source))
    cams = study.config["cams"] or {"where": {}}
    for key, pattern in (("claims", claims["where"]), ("cams", cams["where"])):
        if not _matching(points, pattern):
            raise UserError(
                f"{study.source}: {key}.where is {pattern}, which no cell of the grid matches; "
                "name axes and values of the grid."
            )


def _matching(points: Collection[Point], pattern: Mapping[str, Any]) -> list[Point]:
    return [point for point in points if point.matches(pattern)]


def _check_where(where: str, question: Question, points: Collection[Point]) -> None:
    found = _matching(points, question["where"])
    if not found:
        raise UserError(
            f"{where} has where {question['where']}, which no cell of the grid matches."
        )
    if question["kind"] == "contrast":
        values = list(dict.fromkeys(getattr(point, question["axis"]) for point in found))
        if question["baseline"] not in values:
            hint = suggest(question["baseline"], values)
            raise UserError(
                f"{where} has the baseline {question['baseline']!r}, which is no "
                f"{question['axis']} of its cells{hint}; they have {listed(values)}."
            )


def _check_contrast(where: str, question: Question, questions: Sequence[Question]) -> None:
    """Check that the contrast a question builds on is there, and along the axis it needs."""
    cuts = question["kind"] == "efficiency"
    fit = [
        other["name"]
        for other in questions
        if other["kind"] == "contrast"
        and (not cuts or (other["axis"], other["baseline"]) == ("truncation", 0))
    ]
    if question["contrast"] not in fit:
        needed = "a contrast along truncation with the baseline 0" if cuts else "a contrast"
        there = f"the study has {listed(fit)}" if fit else "the study has none, so add one"
        raise UserError(
            f"{where} builds on the contrast '{question['contrast']}'"
            f"{suggest(question['contrast'], fit)}; it must name {needed}; {there}."
        )


def _needs_boost(question: Question) -> bool:
    return question["kind"] == "correlation" and bool(question["y"] == "boost")


def _boost(questions: Sequence[Question]) -> str | None:
    """Return the contrast whose differences are the boost, which is the study's first."""
    found = (q for q in questions if q["kind"] == "contrast" and q["axis"] == "pretraining")
    return next((str(question["name"]) for question in found), None)


def fit_to_slice(study: Study, points: Collection[Point]) -> tuple[Study, list[str]]:
    """Leave out what the cells of a slice cannot answer.

    Args:
        study: The study; `check_questions` has found no fault in it.
        points: Cells of the slice, or the whole grid where there is none.

    Returns:
        The study without those questions, and without maps if no cell has any; a sentence each.
    """
    if not any(study.config["only"].values()):
        return study, []
    questions: Sequence[Question] = study.config["questions"]
    why: dict[str, str] = {}
    for question in questions:
        if lack := _lack(question, points):
            why[question["name"]] = lack
    # Contrasts first: others build on them, wherever they stand in the list.
    boost = _boost(questions)
    for question in questions:
        base = boost if _needs_boost(question) else question.get("contrast")
        if base in why:
            why.setdefault(question["name"], f"no '{base}', which it builds on")
    lost = [
        f"{study.source}: question '{question['name']}' is left out, for the slice has "
        f"{why[question['name']]}."
        for question in questions
        if question["name"] in why
    ]
    changes: dict[str, Any] = {"questions": [q for q in questions if q["name"] not in why]}
    claims = chosen_claims(study.config["claims"], str(study.source))
    if not _matching(points, claims["where"]):
        lost.append(
            f"{study.source}: no claim is tested, for the slice has no cell with claims.where "
            f"{claims['where']}."
        )
    cams = study.config["cams"]
    if cams is not None and not _matching(points, cams["where"]):
        changes["cams"] = None
        lost.append(
            f"{study.source}: there are no activation maps, for the slice has no cell with "
            f"cams.where {cams['where']}."
        )
    return replace(study, config={**study.config, **changes}), lost


def _lack(question: Question, points: Collection[Point]) -> str:
    """Say what a question lacks; nothing if the cells can answer it."""
    if "where" not in question:
        return ""
    found = _matching(points, question["where"])
    if not found:
        return "no cell of it"
    if question["kind"] != "contrast":
        return ""
    axis, baseline = question["axis"], question["baseline"]
    values = {getattr(point, axis) for point in found}
    if baseline not in values:
        return f"no cell with its baseline, {axis} {baseline}"
    return "" if len(values) > 1 else f"no {axis} of it but the baseline {baseline}"
