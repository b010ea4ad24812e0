"""What questions are answered from, and what every answer can say about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from transfergrid.statistics.reader import Reader

Question = Mapping[str, Any]
"""A question as the study's stamp holds it."""


@dataclass(frozen=True)
class Evidence:
    """One number of the study that a claim may be about.

    Attributes:
        keys: What `select` is matched with.
        label: Its question and row, for the reader.
        value: The estimate.
        low: Lower bound.
        high: Upper bound.
        condition: What the interval takes as given, if a reader must know it.
        raw: Value and bounds as they were measured, where `value` is freed of noise.
        networks: Number of networks in a rank correlation; 0 for anything else.
    """

    keys: Mapping[str, Any]
    label: str
    value: float
    low: float
    high: float
    condition: str = ""
    raw: tuple[float, float, float] | None = None
    networks: int = 0

    @property
    def measured(self) -> tuple[float, float, float]:
        """Value and bounds, noise included."""
        return self.raw or (self.value, self.low, self.high)


class Row(Protocol):
    """One answer of a question: a row of a table."""

    def columns(self) -> Mapping[str, Any]:
        """Return the row of its table, by column."""
        ...

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by."""
        ...


@dataclass(frozen=True)
class Answered:
    """The answer to a question.

    Attributes:
        rows: The rows of its kind's table.
        left_out: A sentence for whatever could not be answered.
        beside: Rows of other tables, by table: what the answer was made of.
    """

    rows: Sequence[Row]
    left_out: Sequence[str] = ()
    beside: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Basis:
    """What a question is answered from.

    Attributes:
        study: The study as its stamp holds it.
        cells: Rows of tables/cells.csv.
        reader: Reads the cells' scores.
        alpha: 1 minus the coverage of the intervals.
        answered: For each question answered before, its rows.
        compared: tables/similarity.csv and tables/agreement.csv by name, where the study asks for
            them.
    """

    study: Mapping[str, Any]
    cells: pd.DataFrame
    reader: Reader
    alpha: float
    answered: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    compared: Mapping[str, pd.DataFrame] = field(default_factory=dict)
