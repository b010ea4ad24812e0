"""The kinds of question that a study may ask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QuestionKind:
    """A kind of question.

    Attributes:
        name: Value of ``kind`` in a study.
        schema: Name of its part of the study's schema.
        check: ``module:function`` that refuses one that the grid cannot answer (plain Python).
        lack: ``module:function`` that says what a slice lacks for it (plain Python).
        answer: ``module:function`` from the question to its rows (statistics).
        tell: ``module:function`` that puts it and its rows into words (reporting).
        table: The table that its rows go to.
    """

    name: str
    schema: str
    check: str
    lack: str
    answer: str
    tell: str
    table: str
