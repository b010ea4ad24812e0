"""Published claims beside what this study measured, as the page's first table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.reporting.measure_words import plain
from transfergrid.reporting.words import count, known, listing, number, plural, range_of
from transfergrid.statistics.named import CANNOT, UNDECIDED

VERDICTS = {
    "reproduced": "good",
    "stronger": "good",
    "not reproduced": "bad",
    UNDECIDED: "open",
    CANNOT: "open",
    "not tested": "none",
}
"""How verdicts begin, in the order of the summary, and the look of each."""
DRAWN = " (drawn data, no evidence)"
"""How a verdict on drawn images ends."""


@dataclass(frozen=True)
class Claim:
    """One row of claims.csv, ready to print.

    Attributes:
        name: The claim's id.
        origin: Its grade and where it was read.
        statement: What it says.
        published: The published value, a dash where there is none.
        measured: This study's value with its interval, a dash where it was not measured.
        rule: The decision rule, fixed in advance.
        verdict: The table's verdict, whole.
        look: Name of the verdict's style; on drawn images that of no verdict.
        evidence: The row that was judged, or why there is none.
        drawn: Whether it was judged on drawn images, so that the verdict is about the machinery.
        detail: What else is known of the published value.
        number: The study's number that it was judged by; claims on one number share it.
    """

    name: str
    origin: str
    statement: str
    published: str
    measured: str
    rule: str
    verdict: str
    look: str
    evidence: str
    drawn: bool
    detail: str
    number: str


def claims(table: pd.DataFrame) -> list[Claim]:
    """Return the rows of claims.csv in the table's order."""
    return [_claim(row) for row in table.to_dict("records")]


def _claim(row: Mapping[Any, Any]) -> Claim:
    verdict = str(row["verdict"]) if known(row["verdict"]) else "not tested"
    value = number(row["measured"])
    ends = range_of(row["low"], row["high"])
    drawn = verdict != "not tested" and "no evidence" in str(row["data"])
    if drawn and not verdict.endswith(DRAWN):
        verdict += DRAWN
    return Claim(
        name=str(row["claim"]),
        origin=_origin(_text(row.get("provenance")), _text(row.get("source"))),
        statement=_text(row["statement"]),
        published=number(row["published"]),
        measured=f"{value} ({ends})" if ends else value,
        rule=_text(row["rule"]),
        verdict=verdict,
        look="none" if drawn else _look(verdict),
        evidence=plain(_text(row.get("evidence"))),
        drawn=drawn,
        detail=_text(row.get("detail")),
        number=f"{row['data']}: {plain(_text(row.get('evidence')))}",
    )


def _origin(grade: str, source: str) -> str:
    """Return ``published: …``, or ``published, as quoted by …`` for what was read elsewhere."""
    if source.startswith("secondary: "):
        return f"published, as quoted by {source.removeprefix('secondary: ')}"
    return f"{grade}: {source}" if grade and source else source


def _look(verdict: str) -> str:
    return next((look for start, look in VERDICTS.items() if verdict.startswith(start)), "open")


def _text(value: Any) -> str:
    return str(value) if known(value) else ""


def tally(found: Sequence[Claim]) -> str:
    """Say which verdicts there are, each number of the study counted once.

    Several claims may rest on one number; three verdicts on it are one result.
    """
    judged = [claim for claim in found if claim.verdict != "not tested"]
    results = dict.fromkeys((claim.verdict, claim.number) for claim in judged)
    counts = Counter(verdict for verdict, _ in results)
    ordered = sorted(counts, key=lambda verdict: (_place(verdict), verdict))
    told = [f"{counts[verdict]} {verdict}" for verdict in ordered]
    if len(judged) < len(found):
        told.append(f"{plural(len(found) - len(judged), 'claim')} not tested")
    numbers = len({claim.number for claim in judged})
    rest = f", {count(len(judged))} of them judged by {plural(numbers, 'number')}" if judged else ""
    return f"{plural(len(found), 'claim')}{rest}: {listing(told)}."


def _place(verdict: str) -> int:
    starts = list(VERDICTS)
    return next((i for i, start in enumerate(starts) if verdict.startswith(start)), len(starts))
