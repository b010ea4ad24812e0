"""Published claims beside what this study measured, as the page's first table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.reporting.words import known, listing, number, plural, range_of

VERDICTS = {
    "reproduced": "good",
    "not reproduced": "bad",
    "undecided": "open",
    "not tested": "none",
}
"""Verdicts in the order of the summary, and the look of each."""


@dataclass(frozen=True)
class Claim:
    """One row of claims.csv, ready to print.

    Attributes:
        name: The claim's id.
        source: Where it was read.
        statement: What it says.
        published: The published value, a dash where there is none.
        measured: This study's value with its interval, a dash where it was not measured.
        rule: The decision rule, fixed in advance.
        verdict: reproduced, not reproduced, undecided or not tested.
        look: Name of the verdict's style.
        evidence: The row that was judged, or why there is none.
        stamp: "no evidence" where the images are drawn, so that the verdict is about the machinery.
    """

    name: str
    source: str
    statement: str
    published: str
    measured: str
    rule: str
    verdict: str
    look: str
    evidence: str
    stamp: str


def claims(table: pd.DataFrame) -> list[Claim]:
    """Return the rows of claims.csv in the table's order."""
    return [_claim(row) for row in table.to_dict("records")]


def _claim(row: Mapping[Any, Any]) -> Claim:
    verdict = str(row["verdict"]) if known(row["verdict"]) else "not tested"
    value = number(row["measured"])
    ends = range_of(row["low"], row["high"])
    drawn = verdict != "not tested" and "no evidence" in str(row["data"])
    return Claim(
        name=str(row["claim"]),
        source=_text(row.get("source")),
        statement=_text(row["statement"]),
        published=number(row["published"]),
        measured=f"{value} ({ends})" if ends else value,
        rule=_text(row["rule"]),
        verdict=verdict,
        look=VERDICTS.get(verdict, "open"),
        evidence=_text(row.get("evidence")),
        stamp="no evidence" if drawn else "",
    )


def _text(value: Any) -> str:
    return str(value) if known(value) else ""


def tally(found: Sequence[Claim]) -> str:
    """Say how many claims got which verdict."""
    counts = Counter(claim.verdict for claim in found)
    ordered = [name for name in VERDICTS if counts[name]]
    ordered += [name for name in counts if name not in VERDICTS]
    told = listing([f"{counts[name]} {name}" for name in ordered])
    return f"{plural(len(found), 'claim')}: {told}."
