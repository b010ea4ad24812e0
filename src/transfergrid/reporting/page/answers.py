"""The study's questions and what was found, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from transfergrid.reporting.figures.summaries import FEWEST
from transfergrid.reporting.page.answer import Answer, bar_of, scale_of
from transfergrid.reporting.page.contrast_answers import contrast_answer
from transfergrid.reporting.page.correlation_answers import correlation_answer, quantity
from transfergrid.reporting.page.findings import Finding, findings
from transfergrid.reporting.place_labels import arm, label, varying
from transfergrid.reporting.words import known, listing, plural
from transfergrid.statistics.places import place_words
from transfergrid.statistics.published import NAME as PUBLISHED

FINDINGS = {
    "family": "How much of the spread between networks do their family and their size explain",
    "efficiency": "How far can networks be cut and lose less than the margin",
    "seed_noise": "How far do seeds spread, against networks",
}
"""Kinds of question that findings.csv answers."""
UNASKED = {
    PUBLISHED: "How do the AUROCs of the paper's own figure, read off it, compare with ours?"
}
"""What stands in findings.csv beside the study's own questions."""
TITLES = {
    "pretraining": "What do other initial weights change",
    "truncation": "What does removing blocks change",
    "protocol": "What do other recipes change",
    "architecture": "What do other networks change",
}


@dataclass(frozen=True)
class Question:
    """One question with its answers.

    Attributes:
        name: Name in the study.
        text: The question as a sentence.
        answers: Rows, those over most networks first, and among them the decided ones.
        common: The pieces of support that all rows share.
        findings: Quantities, where it asks for such.
        left: Names what has too few networks for an answer, or is empty.
    """

    name: str
    text: str
    answers: tuple[Answer, ...]
    common: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    left: str = ""

    @property
    def bars(self) -> bool:
        """Whether any answer has a picture."""
        return any(answer.bar for answer in self.answers)


def questions(
    declared: Sequence[Mapping[str, Any]],
    contrasts: pd.DataFrame,
    correlations: pd.DataFrame,
    confidence: float,
    quantities: pd.DataFrame,
) -> list[Question]:
    """Return every question of the study in its order, answered or not.

    Args:
        declared: The study's questions.
        contrasts: contrasts.csv.
        correlations: correlations.csv.
        confidence: Coverage of the intervals, in (0, 1).
        quantities: findings.csv.
    """
    texts = {str(entry["name"]): question_text(entry) for entry in declared}
    effects = {str(entry["name"]): entry.get("effect") for entry in declared}
    found: dict[str, list[Answer]] = {name: [] for name in texts}
    left: dict[str, str] = {}
    # The page folds all but the first rows: what is decided must not be among those.
    undecided = ~contrasts["verdict"].isin(DECIDED)
    ordered = contrasts.assign(undecided=undecided).sort_values(
        ["n_cells", "undecided"], ascending=[False, True], kind="stable"
    )
    for name, part in ordered.groupby("question", sort=False):
        axes = varying(part)
        found.setdefault(str(name), []).extend(
            contrast_answer(row, label(row, axes), confidence, effects.get(str(name)))
            for row in part.to_dict("records")
        )
    for name, part in correlations.groupby("question", sort=False):
        axes = varying(part)
        few = (part["n"] < FEWEST) | part["rho"].isna()
        found.setdefault(str(name), []).extend(
            correlation_answer(row, label(row, axes), confidence)
            for row in part[~few].to_dict("records")
        )
        left[str(name)] = _left(part[few], axes)
    told = findings(quantities)
    for name in told:
        found.setdefault(name, [])
    return [
        _question(
            name,
            texts.get(name, UNASKED.get(name, name)),
            answers,
            tuple(told.get(name, ())),
            left.get(name, ""),
        )
        for name, answers in found.items()
    ]


DECIDED = ("higher", "lower", "equivalent", "different within margin")


def _left(rows: pd.DataFrame, axes: list[str]) -> str:
    """Say which networks are too few, or too equal, for a rank correlation."""
    if rows.empty:
        return ""
    told = [
        f"{label(row, axes) or 'all'} ({plural(row['n'], 'network')})"
        for row in rows.to_dict("records")
    ]
    return f"No rank correlation of fewer than {FEWEST} different networks: {listing(told)}."


def _question(
    name: str, text: str, answers: list[Answer], told: tuple[Finding, ...], left: str
) -> Question:
    first = answers[0].support if len(answers) > 1 else ()
    common = tuple(part for part in first if all(part in answer.support for answer in answers))
    scale = scale_of(answers)
    rows = tuple(
        replace(
            answer,
            support=tuple(part for part in answer.support if part not in common),
            bar=bar_of(answer.bounds, scale) if answer.bounds else None,
        )
        for answer in answers
    )
    return Question(name, text, rows, common, told, left)


def question_text(entry: Mapping[str, Any]) -> str:
    """Put a question of the study into words."""
    if entry.get("text"):
        return str(entry["text"])
    where = ", ".join(_only(axis, value) for axis, value in (entry.get("where") or {}).items())
    tail = f" ({where})?" if where else "?"
    if entry["kind"] in FINDINGS:
        return f"{FINDINGS[entry['kind']]}{tail}"
    if entry["kind"] == "contrast":
        axis = entry["axis"]
        start = TITLES.get(axis, f"What does {axis} change")
        return f"{start}, compared with {arm(axis, entry['baseline'])}{tail}"
    return f"Does the {quantity(entry['x'])} go with the {quantity(entry['y'])}{tail}"


def _only(axis: str, value: Any) -> str:
    if (axis, value) == ("truncation", 0):
        return "whole networks"
    return f"{place_words(axis, value) if known(value) else axis} only"
