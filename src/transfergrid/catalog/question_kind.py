"""The record that a kind of question is declared with, and what its checks are given."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Question = Mapping[str, Any]
"""A question of a study, defaults filled in."""


class Point(Protocol):
    """A point of the grid; its axes are its attributes."""

    def matches(self, pattern: Mapping[str, Any]) -> bool:
        """Tell whether the point agrees with every axis that a pattern names."""
        ...

    @property
    def pretraining(self) -> str:
        """The weights that its cell starts from."""
        ...


class Planned(Protocol):
    """A cell of the grid as planning knows it."""

    @property
    def point(self) -> Any:
        """Its point of the grid."""
        ...

    @property
    def imagenet_top1(self) -> float | None:
        """Published accuracy of its network on ImageNet, per cent; None where unknown."""
        ...


@dataclass(frozen=True)
class Asked:
    """What a question is checked against.

    Attributes:
        start: How every sentence about it begins: the study's file and the question's name.
        points: The whole grid.
        questions: Every question of the study.
        ranges: By data set, the least and the greatest value of its metric; infinite where it has
            no bound.
        no_skill: By data set the value of its metric for scores that say nothing, where it is
            known without the data.
        similarity: The study's settings of similarity, or None.
        external: The blocks by which cells are tested on other data sets.
        padding: By architecture whose padding is known, the network without regard to padding, and
            how it pads.
        patients: By protocol its number of training patients, None for all of them; protocols that
            take a share or a number of images are left out.
    """

    start: str
    points: Collection[Point]
    questions: Sequence[Question]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    no_skill: Mapping[str, float] = field(default_factory=dict)
    padding: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    similarity: Mapping[str, Any] | None = None
    external: Sequence[Mapping[str, Any]] = ()
    patients: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def width(self) -> float:
        """How far two values of its metric can be apart, on any of its data sets."""
        return max((high - low for low, high in self.ranges.values()), default=math.inf)


@dataclass(frozen=True)
class QuestionKind:
    """A kind of question.

    Attributes:
        name: Value of ``kind`` in a study.
        answer: ``module:function`` from a question and a `statistics.basis.Basis` to its
            `statistics.basis.Answered`.
        tell: Module that puts it into words: ``text`` of a question, ``told`` of its rows, and
            ``method``, how it is answered.
        keys: JSON Schema of its keys, beside name, kind, metric and where.
        required: Those that a study must give.
        scores: Whether it reads scores itself, so that it takes a ``metric``.
        where: Whether it takes a ``where``.
        check: Refuses a question that no cell of the grid can answer.
        lack: Says what the cells of a slice lack for it, if they match its ``where``.
        builds_on: Name of the question that it builds on, or None.
        few: Says what the seeds of its cells cannot show at a level of significance, whatever they
            come to; empty where there is nothing to warn of.
        networks: The most networks that one answer is over, where it takes a number of them to
            show within a ``margin`` that there is no relation; None for other kinds.
        table: The table that its rows go to.
        beside: Other tables that it adds rows to: what its answers were made of.
        shown: Those of them that `told` of `tell` is given as well, each under its name.
        otherwise: ``module:function`` that answers a row in other ways, for sensitivity.csv.
        unasked: Name under which it is answered without being asked; no study's question then.
    """

    name: str
    answer: str
    tell: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    scores: bool = True
    where: bool = True
    check: Callable[[Question, Asked], None] = lambda question, asked: None
    lack: Callable[[Question, Collection[Any]], str] = lambda question, found: ""
    builds_on: Callable[[Question, Sequence[Question]], str | None] = lambda question, others: None
    few: Callable[[Question, Collection[Any], float], str] = lambda question, found, alpha: ""
    networks: Callable[[Question, Collection[Any]], int] | None = None
    table: str = "findings"
    beside: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    otherwise: str = ""
    unasked: str = ""


def schema_of(kind: QuestionKind) -> dict[str, Any]:
    """Return the JSON Schema of a kind's questions, which refers to the study's ``$defs``."""
    keys: dict[str, Any] = {
        "name": {"$ref": "#/$defs/word", "description": "Name of the question."},
        "kind": {"type": "string", "description": kind.name},
        **kind.keys,
    }
    if kind.scores:
        keys["metric"] = {
            "description": "Metric that is compared; null takes each data set's own.",
            "anyOf": [{"$ref": "#/$defs/word"}, {"type": "null"}],
            "default": None,
        }
    if kind.where:
        cells = {"$ref": "#/$defs/where", "description": "Cells that take part."}
        keys["where"] = {**cells, "default": {}}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "kind", *kind.required],
        "properties": keys,
    }
