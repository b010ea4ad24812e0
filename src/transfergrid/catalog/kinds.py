"""Kinds of data set and of initial weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetKind:
    """A kind of data set.

    Attributes:
        name: Value of ``kind`` in a study.
        reader: ``module:function`` from a declaration and a root to a manifest.
        rooted: Whether it reads from a place that the study names.
        task_kinds: Kinds of task that it may hold.
        cites: Keys of works to cite.
    """

    name: str
    reader: str
    rooted: bool
    task_kinds: tuple[str, ...]
    cites: tuple[str, ...] = ()


@dataclass(frozen=True)
class PretrainingKind:
    """A kind of initial weights.

    Attributes:
        name: Value of ``kind`` in a study.
        prepares: ``module:function`` that makes the seedless weights, or None for weights that a
            training makes by itself.
        cites: Keys of works to cite.
    """

    name: str
    prepares: str | None
    cites: tuple[str, ...] = ()
