"""The study's questions and what was found, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from transfergrid.catalog.questions import QUESTION_KINDS, kind_of
from transfergrid.planning.wanted import each
from transfergrid.reporting.page.answer import Answer, Manner, Told, bar_of, scale_of
from transfergrid.reporting.page.findings import ShownFinding
from transfergrid.reporting.words import known, listing
from transfergrid.runtime.named import load
from transfergrid.statistics.places import place_words


@dataclass(frozen=True)
class Question:
    """One question with its answers.

    Attributes:
        name: Name in the study.
        text: The question as a sentence.
        answers: Rows, those over the most networks first, and among them the decided ones.
        common: The pieces of support that all rows share.
        findings: Quantities, if it asks for any.
        noted: The remarks that all quantities share.
        left: Names what has too few networks for an answer, or is empty.
    """

    name: str
    text: str
    answers: tuple[Answer, ...]
    common: tuple[str, ...]
    findings: tuple[ShownFinding, ...] = ()
    noted: tuple[str, ...] = ()
    left: str = ""

    @property
    def bars(self) -> bool:
        """Whether any answer has a picture."""
        return any(answer.bar for answer in self.answers)


def questions(
    declared: Sequence[Mapping[str, Any]], tables: Mapping[str, pd.DataFrame], manner: Manner
) -> list[Question]:
    """Return every question of the study in its order, answered or not; then what no question asks.

    Args:
        declared: The study's questions.
        tables: The tables by name.
        manner: How numbers are worded.
    """
    found = []
    unasked = [kind for kind in QUESTION_KINDS if kind.unasked]
    others = [{"name": kind.unasked, "kind": kind.name} for kind in unasked]
    for question in (*declared, *others):
        kind = kind_of(question)
        rows = tables[kind.table]
        rows = rows[rows["question"] == question["name"]]
        if kind.unasked and rows.empty:
            continue
        more = {
            name: tables[name][tables[name]["question"] == question["name"]] for name in kind.shown
        }
        told = load(f"{kind.tell}:told")(question, rows, manner, **more)
        found.append(_question(question["name"], question_text(question, manner), told))
    return found


def _question(name: str, text: str, told: Told) -> Question:
    answers = told.answers
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
    return Question(name, text, rows, common, *_shared_remarks(told.findings), told.left)


def _shared_remarks(
    findings: tuple[ShownFinding, ...],
) -> tuple[tuple[ShownFinding, ...], tuple[str, ...]]:
    """Take the remarks that all quantities have out of them, so that they are told once."""
    if len(findings) < 2:
        return findings, ()
    remarks = [one.note.split("; ") for one in findings]
    shared = tuple(part for part in remarks[0] if part and all(part in own for own in remarks))
    kept = ["; ".join(part for part in own if part not in shared) for own in remarks]
    return tuple(replace(one, note=own) for one, own in zip(findings, kept, strict=True)), shared


def question_text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question of the study into words."""
    text = load(f"{kind_of(question).tell}:text")(question, manner)
    told = [_only(axis, each(wanted)) for axis, wanted in (question.get("where") or {}).items()]
    metric = manner.asked(question) if question.get("metric") else ""
    if metric and metric not in text:
        told.insert(0, metric)
    return f"{text} ({', '.join(told)})?" if told else f"{text}?"


def _only(axis: str, values: list[Any]) -> str:
    if (axis, values) == ("truncation", [0]):
        return "whole networks"
    told = [place_words(axis, value) if known(value) else axis for value in values]
    return f"{listing(told)} only"
