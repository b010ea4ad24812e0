"""Answers that are quantities and not comparisons: rows of findings.csv under their question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.reporting.words import count, known, number, range_of


@dataclass(frozen=True)
class Finding:
    """One row of findings.csv, ready to print.

    Attributes:
        quantity: What was estimated.
        value: The estimate.
        interval: Its bounds, or empty.
        n: What it was estimated from, or empty.
        note: Method and remarks.
    """

    quantity: str
    value: str
    interval: str
    n: str
    note: str


def findings(table: pd.DataFrame | None) -> dict[str, list[Finding]]:
    """Return the findings of each question, in the table's order.

    Args:
        table: findings.csv, or None where no question asks for such.
    """
    found: dict[str, list[Finding]] = {}
    for row in [] if table is None else table.to_dict("records"):
        found.setdefault(str(row["question"]), []).append(_finding(row))
    return found


def _finding(row: Mapping[Any, Any]) -> Finding:
    notes = [str(row[key]) for key in ("method", "note") if known(row.get(key))]
    n = row.get("n")
    return Finding(
        quantity=str(row["quantity"]),
        value=number(row["value"]),
        interval=range_of(row.get("low"), row.get("high")),
        n=count(n) if isinstance(n, int | float) and known(n) else "",
        note="; ".join(notes),
    )
