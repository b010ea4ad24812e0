"""A study's published means and standard deviations beside this study's, cell by cell.

Those that were read off a figure ("digitised") are told as such and give way to printed ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfergrid.planning.claims import claimed_metrics, dice_metrics
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.claims import NO_EVIDENCE
from transfergrid.statistics.comparisons import arms_by_place, runs
from transfergrid.statistics.conditions import Arm, conditions
from transfergrid.statistics.correlation import rank_correlations
from transfergrid.statistics.data_curves import Points
from transfergrid.statistics.findings import NAN, Finding
from transfergrid.statistics.named import ONE_SEED
from transfergrid.statistics.places import Place

NETWORK = "resnet50"
"""What all of the numbers are of, by itself or with the tag of its weights."""
LEAST = 3
"""With fewer initialisations a data set has no order to compare."""
PRINTED = "published"
Row = Mapping[str, str]


@dataclass(frozen=True)
class Beside:
    """One initialisation on one data set, theirs and ours.

    Attributes:
        place: Where it stands in the grid.
        metric: Name of the metric.
        ours: Mean over seeds, with an interval over test patients and seeds.
        seeds: How many there are.
        theirs: The published mean, on the scale of ours.
        told: Where theirs is from, with its standard deviation and grade.
        note: What ours takes as given, and where theirs was read.
    """

    place: Place
    metric: str
    ours: Interval
    seeds: int
    theirs: float
    told: str
    note: str


def published_scores(question: Question, basis: Basis) -> Answered:
    """Set a study's table beside the scores of whole networks on data sets of the same names.

    Args:
        question: Stands for one that no study asks.
        basis: What it is answered from; the study's claims say whether, which cells count, and
            what stands for what.
    """
    asked = basis.study["claims"]
    known: dict[tuple[str, str], list[Row]] = {}
    for row in asked.get("scores", []):
        known.setdefault((row["task"].lower(), row["pretraining"]), []).append(row)
    found = list(_cells(known, asked, basis)) if known else []
    groups: dict[tuple[Any, ...], list[Beside]] = {}
    for one in found:
        groups.setdefault(tuple(one.place[axis] for axis in _GROUP), []).append(one)
    told: list[Finding] = []
    for key, group in groups.items():
        told += _of_dataset(question, dict(zip(_GROUP, key, strict=True)), group)
        told += [finding for one in group for finding in _of_cell(question, one)]
    return Answered(told)


_GROUP = ("dataset", "architecture", "truncation", "protocol")


def _cells(
    known: Mapping[tuple[str, str], Sequence[Row]], asked: Mapping[str, Any], basis: Basis
) -> Iterator[Beside]:
    reader = basis.reader
    for place, arms in arms_by_place({"axis": "pretraining", "where": asked["where"]}, reader):
        named = str(place["architecture"]).partition(".")[0] == NETWORK
        if not named or place["truncation"] != 0:
            continue
        metric = reader.metric_of(place["dataset"])
        for arm, own in arms.items():
            stands = asked["stands_for"].get(arm, arm)
            rows = known.get((place["dataset"], stands), ())
            there = {s: r for s, r in runs(own, reader).items() if not math.isnan(r.estimate)}
            if not rows or not there or metric["name"] not in _metrics(rows[0], basis):
                continue
            first = min(rows, key=lambda row: not _printed(row))
            others = [_told(row) for row in rows if _numbers(row) != _numbers(first)]
            yield Beside(
                place={**place, "pretraining": arm},
                metric=metric["name"],
                ours=_mean(there, metric["range"], basis.alpha),
                seeds=len(there),
                theirs=_numbers(first)[0],
                told="; also ".join([_told(first), *others]),
                note=_note(first, arm, stands, own, len(there), basis),
            )


def _metrics(row: Row, basis: Basis) -> list[str]:
    """Return the names of the study's metrics that a row can be compared with."""
    find = dice_metrics if row["metric"] == "Dice" else claimed_metrics
    return find(basis.study["metrics"])


def _printed(row: Row) -> bool:
    return f"mean:{PRINTED}" in row["provenance"]


def _numbers(row: Row) -> tuple[float, float]:
    """Return the mean and the standard deviation, which are printed in points."""
    return round(float(row["mean"]) / 100, 6), round(float(row["sd"]) / 100, 6)


def _told(row: Row) -> str:
    grade = PRINTED if _printed(row) else "digitised, not published as numbers"
    mean, spread = _numbers(row)
    return f"{mean:.4f} ± {spread:.4f} of the {row['figure']} ({grade})"


def _note(row: Row, arm: str, stands: str, own: Arm, seeds: int, basis: Basis) -> str:
    stood = [f"{arm} stands for {stands}"] if arm != stands else []
    one = [ONE_SEED] if seeds == 1 else []
    if basis.reader.card(next(iter(own.values()))["cell"]).get("synthetic"):
        one = [NO_EVIDENCE, *one]
    return "; ".join([*one, *conditions([own], basis.reader), *stood, row["source"]])


def _mean(own: Mapping[int, Any], limits: Sequence[float | None], alpha: float) -> Interval:
    """Return the mean over seeds and its interval, within the metric's range."""
    measured = Points.of([own], sorted(own)).sums(np.eye(1))
    value, arm = float(measured.values[0]), float(measured.reach(alpha)[0])
    low, high = limits
    return (
        value,
        value - arm if low is None else max(value - arm, low),
        value + arm if high is None else min(value + arm, high),
    )


def _of_cell(question: Question, one: Beside) -> Iterator[Finding]:
    ours, low, high = one.ours
    trials = f"mean of {one.seeds} trial{'s' if one.seeds > 1 else ''}"
    how = f"ours {ours:.4f}, {trials}; theirs {one.told}"
    numbers: dict[str, tuple[Interval, str]] = {
        "score": (one.ours, f"{trials}; patient and seed variance, Cochran's t"),
        "published": ((one.theirs, *NAN[1:]), one.told),
        "ours_minus_published": ((ours - one.theirs, low - one.theirs, high - one.theirs), how),
    }
    subject = ", ".join(str(one.place[axis]) for axis in ("pretraining", "dataset", "protocol"))
    for quantity, (interval, method) in numbers.items():
        yield _finding(question, subject, quantity, interval, method, one, one.place)


def _of_dataset(question: Question, place: Place, group: Sequence[Beside]) -> Iterator[Finding]:
    """Yield how alike the order of the initialisations is, and how far ours lie from theirs."""
    if len(group) < LEAST:
        return
    ours, theirs = (np.array([one.ours[0] for one in group]), [one.theirs for one in group])
    rho = float(rank_correlations(theirs, ours[:, None])[0])
    apart = ours - theirs
    many = f"over {len(group)} initialisations"
    told = {
        "rank_correlation": (rho, f"Spearman's, {many}; no test is made"),
        "mean_difference": (
            float(apart.mean()),
            f"ours minus theirs, {many}; SD {float(apart.std(ddof=1)):.4f}",
        ),
    }
    subject = f"{place['dataset']}, {place['protocol']}"
    for quantity, (value, method) in told.items():
        interval = (value, *NAN[1:])
        yield _finding(question, subject, quantity, interval, method, group[0], place)


def _finding(
    question: Question,
    subject: str,
    quantity: str,
    interval: Interval,
    method: str,
    one: Beside,
    place: Place,
) -> Finding:
    return Finding(
        question["name"],
        question["kind"],
        subject,
        quantity,
        *interval,
        n=1,
        method=method,
        note=one.note if "pretraining" in place else "",
        metric=one.metric,
        place=place,
    )
