"""Whether a study's cells can answer what it asks.

A question that no cell of the grid can answer is a mistake in the study. A question for which a
slice (`only`) has no cells is left out of the slice, with a warning.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from transfergrid.catalog.question_kind import Asked, Question
from transfergrid.catalog.questions import PLUGIN, QUESTION_KINDS, kind_of
from transfergrid.planning.architectures import find_architecture
from transfergrid.planning.claims import chosen_claims
from transfergrid.planning.fingerprint import plugin_fingerprint
from transfergrid.planning.grid import ALL, Point
from transfergrid.planning.metrics import Declaration, check_has, find_metric, primary_metric
from transfergrid.planning.padding import network_of
from transfergrid.planning.study import Study
from transfergrid.planning.wanted import each
from transfergrid.runtime.errors import UserError, listed

WITH_CELLS: Mapping[str, str] = {
    "cams": "activation maps",
    "pictures": "films with outlines",
    "similarity": "similarities",
    "curves": "curves",
    "weights": "measurements of weights",
}
"""Keys of a study that name the cells which they are for, and what they make."""


def check_questions(study: Study, points: Collection[Point]) -> None:
    """Check that the grid has the cells that questions, claims and activation maps refer to.

    Args:
        study: The study.
        points: Its whole grid.

    Raises:
        UserError: A question that no cell can answer, that builds on a missing contrast, or
            whose code or metric is missing.
    """
    questions = study.config["questions"]
    names = [question["name"] for question in questions]
    taken = [kind.unasked for kind in QUESTION_KINDS if kind.unasked]
    twice = {name for name in names if [*names, *taken].count(name) > 1}
    if twice:
        raise UserError(f"{study.source}: two questions are named '{min(twice)}'; rename one.")
    padding = _padding(study.config, points)
    patients = {
        name: recipe.train_patients
        for name, recipe in study.recipes.items()
        if recipe.train_count is None and recipe.train_share == 1
    }
    stamped(questions)  # the code of the user's own kinds is there
    for question in questions:
        start = f"{study.source}: question '{question['name']}'"
        _check_folds(start, question.get("where", {}))
        if "where" in question and not _matching(points, question["where"]):
            raise UserError(
                f"{start} has where {_yaml(question['where'])}, which no cell of the grid matches."
            )
        metrics = _metrics(study.config, question, questions, points, start)
        asked = Asked(
            start=start,
            points=points,
            questions=questions,
            ranges={name: _range(metric) for name, metric in metrics.items()},
            no_skill={
                name: metric["no_skill"]
                for name, metric in metrics.items()
                if metric["no_skill"] is not None
            },
            padding=padding,
            similarity=study.config["similarity"],
            external=study.config["external"],
            patients=patients,
        )
        kind_of(question).check(question, asked)
    claims = chosen_claims(study.config["claims"], str(study.source))
    _check_folds(f"{study.source}: claims", claims["where"])
    _check_folds(f"{study.source}: curves", (study.config["curves"] or {}).get("where", {}))
    wanted = [(key, (study.config[key] or {"where": {}})["where"]) for key in WITH_CELLS]
    for key, pattern in (("claims", claims["where"]), *wanted):
        if not _matching(points, pattern):
            raise UserError(
                f"{study.source}: {key}.where is {_yaml(pattern)}, which no cell of the grid "
                "matches; name axes and values of the grid."
            )


def _yaml(pattern: Mapping[str, Any]) -> str:
    """Write a pattern as it stands in a study."""
    return f"{{ {', '.join(f'{axis}: {value}' for axis, value in pattern.items())} }}"


def _padding(config: Mapping[str, Any], points: Collection[Point]) -> dict[str, tuple[str, str]]:
    found = {}
    for name in dict.fromkeys(point.architecture for point in points):
        architecture = find_architecture(name, config["architectures"])
        if architecture.timm and architecture.padding:
            found[name] = (network_of(architecture.timm), architecture.padding)
    return found


def _check_folds(start: str, pattern: Mapping[str, Any]) -> None:
    folds = each(pattern.get("fold", ALL))
    if folds != [ALL]:
        raise UserError(
            f"{start} has the fold {listed(folds)} in its where, but answers pool all folds of a "
            "data set; leave fold out."
        )


def _range(metric: Declaration) -> tuple[float, float]:
    low, high = metric["range"]
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


def _metrics(
    config: Mapping[str, Any],
    question: Question,
    questions: Sequence[Question],
    points: Collection[Point],
    start: str,
) -> dict[str, Declaration]:
    """Return by data set the metric of a question.

    Raises:
        UserError: There is no such metric, or a data set's kind of task lacks it.
    """
    base = kind_of(question).builds_on(question, questions)
    source = next((other for other in questions if other["name"] == base), question)
    found = _matching(points, question.get("where", {}))
    metrics = {}
    for dataset in dict.fromkeys(point.dataset for point in found):
        if source.get("metric"):
            metric = find_metric(config, source["metric"], start)
            check_has(metric, config, dataset, start)
        else:
            metric = primary_metric(config, dataset, start)
        metrics[dataset] = metric
    return metrics


def stamped(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Return questions as stamps hold them: those of the user's own with their code's fingerprint.

    Raises:
        UserError: The module or the function of one does not exist.
    """
    return [
        {**question, "code": plugin_fingerprint(question["kind"])}
        if kind_of(question) is PLUGIN
        else dict(question)
        for question in questions
    ]


def _matching(points: Collection[Point], pattern: Mapping[str, Any]) -> list[Point]:
    return [point for point in points if point.matches(pattern)]


def fit_to_slice(study: Study, points: Collection[Point]) -> tuple[Study, list[str]]:
    """Leave out what the cells of a slice cannot answer.

    Args:
        study: The study; `check_questions` has found no fault in it.
        points: Cells of the slice, or the whole grid if there is none.

    Returns:
        The study without those questions, and without maps if no cell has any; a sentence for each.
    """
    if not any(study.config["only"].values()):
        return study, []
    questions: Sequence[Question] = study.config["questions"]
    why: dict[str, str] = {}
    for question in questions:
        if lack := _lack(question, points):
            why[question["name"]] = lack
    # What builds on another may stand before it in the list.
    for question in questions:
        base = kind_of(question).builds_on(question, questions)
        if base in why:
            why.setdefault(question["name"], f"no '{base}', which it builds on")
    lost = [
        f"{study.source}: question '{question['name']}' is left out, because the slice has "
        f"{why[question['name']]}."
        for question in questions
        if question["name"] in why
    ]
    changes: dict[str, Any] = {"questions": [q for q in questions if q["name"] not in why]}
    claims = chosen_claims(study.config["claims"], str(study.source))
    if not _matching(points, claims["where"]):
        lost.append(
            f"{study.source}: no claim is tested, because the slice has no cell with claims.where "
            f"{_yaml(claims['where'])}."
        )
    for key, what in WITH_CELLS.items():
        wanted = study.config[key]
        if wanted is not None and not _matching(points, wanted["where"]):
            changes[key] = None
            lost.append(
                f"{study.source}: there are no {what}, because the slice has no cell with "
                f"{key}.where {_yaml(wanted['where'])}."
            )
    return replace(study, config={**study.config, **changes}), lost


def _lack(question: Question, points: Collection[Point]) -> str:
    """Say what a question lacks; empty if the cells can answer it."""
    if "where" not in question:
        return ""
    found = _matching(points, question["where"])
    return kind_of(question).lack(question, found) if found else "no cell of it"
