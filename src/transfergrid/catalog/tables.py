"""The tables of a study, with a word for every column."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: As in the header; ``<task>`` and the like stand for several.
        meaning: What it holds, with its unit.
    """

    name: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table of a study.

    Attributes:
        name: File name without ``.csv``.
        stage: The stage that makes it.
        columns: Its columns in order.
        rows: What one row is, in a sentence.
        caption: What a reader must know, for Snakemake's report.
    """

    name: str
    stage: str
    columns: tuple[Column, ...]
    rows: str
    caption: str
