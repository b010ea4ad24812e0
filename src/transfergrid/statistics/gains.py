"""Whether similarity of networks goes with what they gain over random weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.findings import ALL, Finding
from transfergrid.statistics.gain_points import GainPoint, points_of
from transfergrid.statistics.named import AGREE, APART, DISAGREE, UNTOLD, compared_by
from transfergrid.statistics.places import Place, varying_axes, words
from transfergrid.statistics.repeated import Grouped, grouped

GAINS = {"": "gain", "relative_": "relative_gain"}
"""How quantities of each gain begin, and the column of gains.csv."""
SEEDS = "seeds"
"""The pair whose points share networks: a seed is in a pair with each of the others."""
STATEMENTS = {
    AGREE: "the pooled value has the sign that was shown within a data set",
    DISAGREE: (
        "pooled and within a data set the signs were shown to be opposite: data sets differ in "
        "something that makes the pooled value, which says nothing of networks on one data set"
    ),
    APART: (
        "the pooled value has the opposite sign of what was shown within a data set, though its "
        "own interval does not exclude 0; it says nothing of networks on one data set"
    ),
    UNTOLD: (
        "within a data set no sign was shown, so that whether the pooled value agrees with it is "
        "not known"
    ),
}
"""What is said of both beside each other, by `Grouped.verdict`."""


def similarity_gain(question: Question, basis: Basis) -> Answered:
    """Correlate similarities with gains: a group for each network, pretraining, recipe and layer.

    Args:
        question: A similarity_gain question.
        basis: What it is answered from, with the table of similarities.
    """
    points, left_out = points_of(question, basis)
    groups: dict[tuple[Any, ...], list[GainPoint]] = {}
    for point in points:
        arms = point.pretraining, point.protocol, point.architecture, point.truncation
        groups.setdefault((point.depth, *arms, point.metric), []).append(point)
    varying = varying_axes(basis.reader.targets)
    found: list[Finding] = []
    for _, members in sorted(groups.items(), key=lambda group: group[0][0]):
        found += _rows(question, members, varying, basis.alpha)
    return Answered(found, left_out, {"gains": [point.columns() for point in points]})


def _rows(
    question: Question, points: Sequence[GainPoint], varying: frozenset[str], alpha: float
) -> Iterator[Finding]:
    first = points[0]
    place: dict[str, Any] = {"architecture": first.architecture, "truncation": first.truncation}
    if len({point.dataset for point in points}) == 1:
        place["dataset"] = first.dataset
    for axis in ("pretraining", "protocol"):
        if value := getattr(first, axis):
            place[axis] = value
    subject = _subject(first, place, varying)
    for start, column in GAINS.items():
        gains = [getattr(point, column) for point in points]
        row = grouped(
            [point.similarity for point in points],
            gains,
            [point.dataset for point in points],
            alpha,
            independent=first.pair != SEEDS,
        )
        for quantity, (interval, method) in _quantities(row).items():
            yield Finding(
                question=question["name"],
                kind=question["kind"],
                subject=subject,
                quantity=f"{start}{quantity}",
                value=interval[0],
                low=interval[1],
                high=interval[2],
                n=1,
                method=method,
                note=_note(row),
                metric=first.metric,
                place=place,
                also={
                    "datasets": tuple(dict.fromkeys(point.dataset for point in points)),
                    "layer": first.layer,
                    "measure": first.measure,
                    "pair": first.pair,
                },
                condition=_note(row),
            )


def _subject(first: GainPoint, place: Place, varying: frozenset[str]) -> str:
    where = words({k: v for k, v in place.items() if v != ""}, varying)
    return f"{where or ALL}; {compared_by(first.measure, first.layer, first.pair)}"


def _note(row: Grouped) -> str:
    if row.n_groups < 2:
        return f"{row.n} points of one data set, so that nothing is pooled"
    return f"{row.n} points of {row.n_groups} data sets; {STATEMENTS[row.verdict]}"


def _quantities(row: Grouped) -> dict[str, tuple[Interval, str]]:
    low, high = row.naive
    naive = f"; points taken for independent it would be {low:.3f} to {high:.3f}"
    pooled = f"Pearson, {row.how}{naive if low == low and row.n_groups > 1 else ''}"
    return {
        "pooled_r": (row.pooled, pooled),
        "pooled_rho": (row.pooled_rank, f"Spearman, {row.how}"),
        "within_r": (row.within, row.how_within),
    }
