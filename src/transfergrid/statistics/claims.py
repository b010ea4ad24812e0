"""Verdicts on published claims, by rules that were fixed before the results.

A rule speaks of one number of the study with its interval. `resources/claims.csv` says which
number (`select`), which rule and which bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from transfergrid.planning.claims import Claim
from transfergrid.runtime.errors import UserError, listed
from transfergrid.statistics.comparisons import Compared
from transfergrid.statistics.contrasts import ONE_SEED
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.relations import Related

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
UNDECIDED, NOT_TESTED = "undecided", "not tested"
PUBLISHED = ("published", "published, secondary source")
"""Grades of provenance whose numbers may be printed as the paper's."""
NO_EVIDENCE = "drawn images, no evidence"


@dataclass(frozen=True)
class Evidence:
    """One number of the study that a claim may be about.

    Attributes:
        keys: What `select` is matched with.
        label: Its question and row, for the reader.
        value: The estimate.
        low: Lower bound.
        high: Upper bound.
        condition: What the interval takes as given, where a reader must know it.
    """

    keys: Mapping[str, Any]
    label: str
    value: float
    low: float
    high: float
    condition: str = ""


@dataclass(frozen=True)
class Judged:
    """One row of tables/claims.csv.

    Attributes:
        claim: Id of the claim.
        study: The published study.
        statement: What it says.
        published: The published value; empty where none was, or where its source is not certain.
        measured: Ours; NaN if not tested.
        low: Lower bound.
        high: Upper bound.
        rule: The decision rule in words.
        verdict: "reproduced", "not reproduced", "undecided" or "not tested".
        data: The data set; drawn images are stamped as no evidence.
        evidence: The row that was judged, or why there is none.
        provenance: How the claim is known.
        source: Where it was read.
    """

    claim: str
    study: str
    statement: str
    published: str
    measured: float
    low: float
    high: float
    rule: str
    verdict: str
    data: str
    evidence: str
    provenance: str
    source: str


CLAIM_COLUMNS = tuple(field.name for field in fields(Judged))


def _above(low: float, high: float, _: float, bound: float) -> str:
    if low > bound:
        return REPRODUCED
    return NOT_REPRODUCED if high < bound else UNDECIDED


def _below(low: float, high: float, _: float, bound: float) -> str:
    return _above(-high, -low, math.nan, -bound)


def _none(low: float, high: float, _: float, margin: float) -> str:
    if -margin < low and high < margin:
        return REPRODUCED
    return NOT_REPRODUCED if low > 0 or high < 0 else UNDECIDED


def _no_loss(low: float, high: float, _: float, margin: float) -> str:
    if low > -margin:
        return REPRODUCED
    return NOT_REPRODUCED if high < 0 else UNDECIDED


def _near(low: float, high: float, published: float, margin: float) -> str:
    if published - margin < low and high < published + margin:
        return REPRODUCED
    away = high < published - margin or low > published + margin
    return NOT_REPRODUCED if away else UNDECIDED


def _agrees(low: float, high: float, published: float, _: float) -> str:
    if not low <= published <= high:
        return NOT_REPRODUCED
    return REPRODUCED if low > 0 or high < 0 else UNDECIDED


RULES: Mapping[str, Callable[[float, float, float, float], str]] = {
    "above": _above,
    "below": _below,
    "none": _none,
    "no_loss": _no_loss,
    "near": _near,
    "agrees": _agrees,
}
"""Each judges (low, high, published, bound).

above, below: the interval lies on that side of the bound; on the other side, not reproduced.
none: it lies within -bound..bound; else, if it excludes 0, not reproduced.
no_loss: it lies above -bound; else, if it lies below 0, not reproduced.
near: it lies within bound of the published value; wholly outside, not reproduced.
agrees: it excludes 0 and holds the published value; without that value, not reproduced.
"""


def verdict(claim: Claim, low: float, high: float) -> str:
    """Return the verdict of a claim's rule on an interval; undecided without one.

    Raises:
        UserError: There is no such rule.
    """
    if claim["rule"] not in RULES:
        raise UserError(
            f"claim {claim['claim']} has the rule '{claim['rule']}'; use one of {listed(RULES)}."
        )
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    published = float(claim["published"]) if _is_number(claim["published"]) else math.nan
    return RULES[claim["rule"]](low, high, published, float(claim["bound"] or "nan"))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def selected(claim: Claim) -> dict[str, str]:
    """Return what the evidence of a claim must be: pairs ``key=value`` of its column `select`."""
    return dict(part.split("=", 1) for part in claim["select"].split())


def judge(asked: Mapping[str, Any], evidence: Sequence[Evidence], reader: Reader) -> list[Judged]:
    """Judge every claim by every number of the study that it is about.

    Args:
        asked: As `planning.claims.chosen_claims` returns it: the rows of resources/claims.csv, the
            values that the evidence's place must have where it has the axis, and the pretrainings
            that stand for one of the claims.
        evidence: The study's numbers.
        reader: Knows which data sets are drawn.

    Returns:
        A row for each claim and number; a claim without a rule or a number is "not tested".
    """
    drawn = _drawn(reader)
    there = [
        one
        for one in evidence
        if all(str(one.keys.get(axis, v)) == str(v) for axis, v in asked["where"].items())
    ]
    there = [_renamed(one, asked["stands_for"]) for one in there]
    rows = []
    for claim in asked["claims"]:
        wanted = selected(claim) if claim["rule"] else {}
        found = [
            one
            for one in there
            if wanted and all(str(one.keys.get(k)) == v for k, v in wanted.items())
        ]
        if not wanted:
            rows.append(_row(claim, None, NOT_TESTED, "", f"context: {claim['kind']}"))
        elif not found:
            rows.append(_row(claim, None, NOT_TESTED, "", "no question of the study gives it"))
        for one in found:
            name = str(one.keys["dataset"])
            data = f"{name}: {NO_EVIDENCE}" if name in drawn else name
            said = "; ".join(filter(None, [one.label, one.condition]))
            rows.append(_row(claim, one, verdict(claim, one.low, one.high), data, said))
    return rows


def _renamed(one: Evidence, stands_for: Mapping[str, str]) -> Evidence:
    """Give a pretraining that stands for another that one's name, and say so."""
    keys = dict(one.keys)
    axes = ["pretraining", *(("a", "b") if keys.get("axis") == "pretraining" else ())]
    stood = {keys[axis]: stands_for[keys[axis]] for axis in axes if keys.get(axis) in stands_for}
    if not stood:
        return one
    keys |= {axis: stands_for.get(keys[axis], keys[axis]) for axis in axes if axis in keys}
    said = [f"{own} stands for {other}" for own, other in stood.items()]
    return replace(one, keys=keys, condition="; ".join(filter(None, [one.condition, *said])))


def _row(claim: Claim, one: Evidence | None, verdict: str, data: str, evidence: str) -> Judged:
    return Judged(
        claim=claim["claim"],
        study=claim["study"],
        statement=claim["statement"],
        published=claim["published"] if claim["provenance"] in PUBLISHED else "",
        measured=one.value if one else math.nan,
        low=one.low if one else math.nan,
        high=one.high if one else math.nan,
        rule=claim["rule_words"],
        verdict=verdict,
        data=data,
        evidence=evidence,
        provenance=claim["provenance"],
        source=claim["source"],
    )


def _drawn(reader: Reader) -> set[str]:
    first = {cell["dataset"]: cell["cell"] for cell in reader.study["cells"]}
    return {name for name, cell in first.items() if reader.card(cell).get("synthetic")}


def gather(
    compared: Sequence[Compared], related: Sequence[Related], findings: Sequence[Finding]
) -> list[Evidence]:
    """Return everything a claim may be judged by, as keys, value and interval."""
    found = []
    for one in compared:
        axis = one.question["axis"]
        keys = {"kind": "contrast", "axis": axis, "a": one.value, "b": one.question["baseline"]}
        keys |= {**one.place, axis: one.value}
        if axis != "architecture":
            keys["networks"] = one.place.get("architecture", "mean")
        row = one.row
        condition = ONE_SEED if row.n_seeds == 1 else ""
        label = f"{row.question}: {row.contrast}"
        found.append(Evidence(keys, label, row.estimate, row.low, row.high, condition))
    for other in related:
        keys = {"kind": "correlation", "x": other.question["x"], "y": other.question["y"]}
        keys |= {**other.question["where"], **other.place}  # a recipe that all share is in where
        line = other.row
        label = f"{line.question}: {line.x} and {line.y}, n = {line.n}"
        found.append(Evidence(keys, label, line.rho, line.low, line.high))
    for finding in findings:
        keys = {"kind": finding.kind, "quantity": finding.quantity, **finding.place}
        label = f"{finding.question}: {finding.quantity}, {finding.subject}"
        found.append(Evidence(keys, label, finding.value, finding.low, finding.high))
    return found
