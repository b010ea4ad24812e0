"""Answers that are quantities and not comparisons: rows of findings.csv under their question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from transfergrid.reporting.measure_words import plain
from transfergrid.reporting.words import NOTHING, count, known, number, plural, range_of
from transfergrid.statistics.named import ALONE, MEAN


@dataclass(frozen=True)
class ShownFinding:
    """One row of findings.csv, ready to print.

    Attributes:
        subject: What it is about.
        quantity: What was estimated.
        value: The estimate.
        interval: Its bounds, or empty.
        n: Networks that it was estimated from, and their families, or empty.
        note: Method and remarks.
    """

    subject: str
    quantity: str
    value: str
    interval: str
    n: str
    note: str


def findings(table: pd.DataFrame, quantities: Mapping[str, str]) -> tuple[ShownFinding, ...]:
    """Return rows of findings.csv: means over networks first, then what has no value and why.

    Rows that have no value for one reason are one.

    Args:
        table: The rows of one question.
        quantities: What is estimated, in words.
    """
    rows = [(row, _finding(row, quantities)) for row in table.to_dict("records")]
    ordered = sorted(rows, key=lambda pair: _of_one(pair[0]))
    told = [finding for _, finding in ordered if finding.value != NOTHING]
    blanks: dict[str, list[ShownFinding]] = {}
    for _, finding in ordered:
        if finding.value == NOTHING:
            blanks.setdefault(finding.note, []).append(finding)
    return (*told, *map(_together, blanks.values()))


def _together(blanks: Sequence[ShownFinding]) -> ShownFinding:
    """Return one row for several that have no value."""
    first = blanks[0]
    return replace(
        first,
        subject="; ".join(dict.fromkeys(one.subject for one in blanks)),
        quantity="; ".join(dict.fromkeys(one.quantity for one in blanks)),
        n=first.n if len({one.n for one in blanks}) == 1 else "",
    )


def _of_one(row: Mapping[Any, Any]) -> bool:
    """Tell whether a row is about one network of several."""
    return known(row["networks"]) and row["networks"] not in (MEAN, ALONE)


def _finding(row: Mapping[Any, Any], quantities: Mapping[str, str]) -> ShownFinding:
    notes = [str(row[key]) for key in ("method", "note") if known(row.get(key))]
    n = row.get("n")
    families: Any = row.get("n_families")
    kin = f" in {plural(families, 'family', 'families')}" if known(families) and families else ""
    return ShownFinding(
        subject=plain(str(row["subject"])) if known(row["subject"]) else "",
        quantity=quantities.get(row["quantity"], str(row["quantity"]).replace("_", " ")),
        value=number(row["value"]),
        interval=range_of(row.get("low"), row.get("high")),
        n=f"{count(n)}{kin}" if isinstance(n, int | float) and known(n) else "",
        note="; ".join(notes),
    )
