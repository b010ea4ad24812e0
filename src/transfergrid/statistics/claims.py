"""Verdicts on published claims, by rules that were fixed before the results.

A rule is about one number of the study with its interval. `resources/claims.csv` says which
number (`select`), which rule and which bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from transfergrid.planning.claims import Claim, counts, metrics_of, selected
from transfergrid.planning.needed import networks_needed
from transfergrid.runtime.errors import UserError, listed
from transfergrid.statistics.basis import Evidence
from transfergrid.statistics.correlation import fisher_interval
from transfergrid.statistics.named import CANNOT, UNDECIDED
from transfergrid.statistics.reader import Reader

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
STRONGER, NOT_TESTED = "stronger", "not tested"
PUBLISHED = ("published", "published, secondary source")
"""Grades of provenance whose numbers may be printed as the paper's."""
NO_EVIDENCE = "drawn images, no evidence"
_EITHER_WAY = "mean_ranks"
"""Evidence of this kind has the better method first, and claims may say the reverse."""
DRAWN = " (drawn data, no evidence)"
"""What ends every verdict on drawn images, so that none can be printed without it."""


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
        verdict: "reproduced", "stronger", "not reproduced", "undecided", "cannot be decided with
            n networks (m needed)" or "not tested"; on drawn images with `DRAWN` at its end.
        data: The data set; drawn images are stamped as no evidence.
        evidence: The row that was judged, or why there is none.
        provenance: How the claim is known.
        source: Where it was read.
        detail: What else its source says, such as where sources disagree.
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
    detail: str


CLAIM_COLUMNS = tuple(field.name for field in fields(Judged))


def _above(low: float, high: float, _: float, bound: float) -> str:
    if low > bound:
        return REPRODUCED
    return NOT_REPRODUCED if high <= bound else UNDECIDED


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


RULES: Mapping[str, Callable[[float, float, float, float], str]] = {
    "above": _above,
    "below": _below,
    "none": _none,
    "no_loss": _no_loss,
    "near": _near,
}
"""Each judges (low, high, published, bound).

above, below: the interval lies on that side of the bound; on the other side, not reproduced.
none: it lies within -bound..bound; else, if it excludes 0, not reproduced.
no_loss: it lies above -bound; else, if it lies below 0, not reproduced.
near: it lies within bound of the published value; wholly outside, not reproduced.

One more, agrees, sets two estimates side by side (`_agrees`).
"""
RULE_NAMES = (*RULES, "agrees")


def verdict(claim: Claim, one: Evidence, alpha: float = 0.05) -> str:
    """Return the verdict of a claim's rule on a number; undecided without an interval.

    Args:
        claim: With its rule.
        one: The number.
        alpha: 1 minus the coverage of its interval, in (0, 1).

    Raises:
        UserError: There is no such rule.
    """
    rule = claim["rule"]
    if rule not in RULE_NAMES:
        raise UserError(
            f"claim {claim['claim']} has the rule '{rule}'; use one of {listed(RULE_NAMES)}."
        )
    if rule == "agrees":
        return _agrees(claim, one)
    bound, found = float(claim["bound"] or "nan"), UNDECIDED
    if not (math.isnan(one.low) or math.isnan(one.high)):
        found = RULES[rule](one.low, one.high, _number(claim["published"]), bound)
    if found == UNDECIDED and rule == "none" and one.networks:
        needed = networks_needed(bound, alpha)
        if one.networks < needed:
            return f"{CANNOT} with {one.networks} networks ({needed} needed)"
    return found


def _agrees(claim: Claim, one: Evidence) -> str:
    """Judge an estimate by a published one, each with its own error.

    Reproduced: ours excludes 0 and its prediction interval holds the published value. Stronger: it
    excludes 0 and lies beyond, on the same side of 0. Both are as measured, noise included.
    """
    value, low, high = one.measured
    published = _number(claim["published"])
    if any(map(math.isnan, (low, high, published))):
        return UNDECIDED
    ends = prediction_interval(claim, one)
    clear = low > 0 or high < 0
    if ends[0] <= published <= ends[1]:
        return REPRODUCED if clear else UNDECIDED
    same = clear and value * published > 0
    return STRONGER if same and abs(value) > abs(published) else NOT_REPRODUCED


def prediction_interval(claim: Claim, one: Evidence) -> tuple[float, float]:
    """Return the range in which the paper's number may lie if its study repeats ours exactly.

    Its error is that of the published interval where there is one; for a rank correlation of a
    known number of networks that of Fisher's z, but no less than ours; else it is ours again.
    Errors of correlations are added on the scale of z.

    Args:
        claim: With `published` a number.
        one: Our number, with an interval.
    """
    correlated = one.networks > 0
    to, back = (math.atanh, math.tanh) if correlated else (float, float)
    value, low, high = map(to, one.measured)
    ours = value - low, high - value
    theirs = ours[1], ours[0]
    if claim["published_low"]:
        published = to(float(claim["published"]))
        ends = to(float(claim["published_low"])), to(float(claim["published_high"]))
        theirs = published - ends[0], ends[1] - published
    elif claim["published_n"] and correlated:
        ends = fisher_interval(0.0, int(claim["published_n"]))
        theirs = max(ours[1], to(ends[1])), max(ours[0], to(ends[1]))
    # A published value below ours lies within our lower arm and its own upper one.
    return (
        back(value - math.hypot(ours[0], theirs[1])),
        back(value + math.hypot(ours[1], theirs[0])),
    )


def _number(text: str) -> float:
    return float(text) if _is_number(text) else math.nan


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def judge(
    asked: Mapping[str, Any], evidence: Sequence[Evidence], reader: Reader, alpha: float = 0.05
) -> list[Judged]:
    """Judge every claim by every number of the study that it is about.

    Args:
        asked: As `planning.claims.chosen_claims` returns it: the rows of resources/claims.csv, the
            values that the evidence's place must have where it has the axis, and the pretrainings
            that stand for one of the claims.
        evidence: The study's numbers.
        reader: Knows which data sets are drawn, and the metrics.
        alpha: 1 minus the coverage of the intervals, in (0, 1).

    Returns:
        A row for each claim and number, which is an AUROC unless the claim's `select` names
        other metrics; a claim without a rule or a number is "not tested".
    """
    drawn = _drawn(reader)
    there = [
        _renamed(one, asked["stands_for"]) for one in evidence if counts(one.keys, asked["where"])
    ]
    there += [_turned(one) for one in there if one.keys.get("kind") == _EITHER_WAY]
    rows = []
    for claim in asked["claims"]:
        found = _about(claim, there, reader) if claim["rule"] else []
        if not claim["rule"]:
            rows.append(_row(claim, None, NOT_TESTED, "", f"context: {claim['kind']}"))
        elif not found:
            rows.append(_row(claim, None, NOT_TESTED, "", "no question of the study gives it"))
        for one in found:
            names = one.keys.get("datasets") or (str(one.keys["dataset"]),)
            name, made_up = ", ".join(names), bool(drawn.intersection(names))
            data = f"{name}: {NO_EVIDENCE}" if made_up else name
            said = "; ".join(filter(None, [one.label, one.condition]))
            found_so = verdict(claim, one, alpha) + (DRAWN if made_up else "")
            rows.append(_row(claim, one, found_so, data, said))
    return rows


def _about(claim: Claim, evidence: Sequence[Evidence], reader: Reader) -> list[Evidence]:
    """Return the numbers that a claim is about."""
    wanted = selected(claim)
    metrics = metrics_of(claim, reader.study["metrics"])
    rest = {key: value for key, value in wanted.items() if key != "metric"}
    return [
        one
        for one in evidence
        if one.keys.get("metric") in metrics
        and all(str(one.keys.get(key)) == value for key, value in rest.items())
    ]


def _turned(one: Evidence) -> Evidence:
    """Return a difference of two methods the other way round."""
    keys = {**one.keys, "a": one.keys["b"], "b": one.keys["a"]}
    return replace(one, keys=keys, value=-one.value, low=-one.high, high=-one.low)


def _renamed(one: Evidence, stands_for: Mapping[str, str]) -> Evidence:
    """Give a pretraining that stands for another the other's name, and say so."""
    keys = dict(one.keys)
    axes = ["pretraining", *(("a", "b") if keys.get("axis") == "pretraining" else ())]
    stood = {keys[axis]: stands_for[keys[axis]] for axis in axes if keys.get(axis) in stands_for}
    two = keys.get("sources", ())
    stood |= {name: stands_for[name] for name in two if name in stands_for}
    if two:
        keys["sources"] = joined(stands_for.get(name, name) for name in two)
    keys |= {axis: stands_for.get(keys[axis], keys[axis]) for axis in axes if axis in keys}
    said = [f"{own} stands for {other}" for own, other in stood.items()]
    return replace(one, keys=keys, condition="; ".join(filter(None, [one.condition, *said])))


def joined(names: Iterable[str]) -> str:
    """Return two pretrainings as a claim selects them: in order, joined by a plus."""
    return "+".join(sorted(names))


def _row(claim: Claim, one: Evidence | None, verdict: str, data: str, evidence: str) -> Judged:
    value, low, high = math.nan, math.nan, math.nan
    if one:
        as_measured = claim["rule"] == "agrees"
        value, low, high = one.measured if as_measured else (one.value, one.low, one.high)
    return Judged(
        claim=claim["claim"],
        study=claim["study"],
        statement=claim["statement"],
        published=claim["published"] if claim["provenance"] in PUBLISHED else "",
        measured=value,
        low=low,
        high=high,
        rule=claim["rule_words"],
        verdict=verdict,
        data=data,
        evidence=evidence,
        provenance=claim["provenance"],
        source=claim["source"],
        detail=claim["detail"],
    )


def _drawn(reader: Reader) -> set[str]:
    first = {entry["dataset"]: name for name, entry in reader.entries.items()}
    return {name for name, cell in first.items() if reader.card(cell).get("synthetic")}
