"""How many patients training needs: curves, what an arm adds, and when the baseline catches up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from transfergrid.catalog.axes import PLACE
from transfergrid.planning.sizes import patients_left
from transfergrid.runtime.errors import listed
from transfergrid.statistics.basis import Answered, Basis, Evidence, Question
from transfergrid.statistics.comparisons import arms_by_place, runs
from transfergrid.statistics.conditions import UNKNOWN_PATIENTS, Arm, conditions
from transfergrid.statistics.crossings import crossing, verdict
from transfergrid.statistics.data_curves import Points, Sums, at_once
from transfergrid.statistics.named import BOOST, BOOST_CHANGE, DATA_RATIO, ONE_SEED, SCORE
from transfergrid.statistics.places import varying_axes, words
from transfergrid.statistics.reader import Reader

UNKNOWN_DRAWN = "training patients unknown: every study or image drawn as a patient of its own"
METHODS = {
    SCORE: "mean over seeds; patient and seed variance, Cochran's t",
    BOOST: "difference within a seed; patient and seed variance, Cochran's t",
    BOOST_CHANGE: "difference within a seed, with the fewest patients less with the most; patient "
    "and seed variance, Cochran's t",
    DATA_RATIO: "isotonic regression, straight lines on log patients; every number at which the "
    "difference could be 0, by Cochran's t",
}
Curve = Mapping[int, Arm]
"""An arm: number of training patients -> seed -> cell."""
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Size:
    """One row of tables/small_data.csv.

    Attributes:
        question: Name of the question.
        dataset: Name of the data set.
        metric: Name of the metric.
        axis: The question's axis.
        arm: Its value.
        baseline: The value that it is compared with; empty for a score.
        quantity: `SCORE`, `BOOST`, `BOOST_CHANGE` or `DATA_RATIO`.
        patients: Training patients of the arm; of a change, the fewest.
        value: The estimate. Of a ratio, infinity: the baseline does not get there with the most
            patients; 0: it is there with the fewest.
        low: Lower bound at this size; 0 for a ratio that may lie below the sizes.
        high: Upper bound; infinity for a ratio that may lie beyond them.
        band_low: Lower bound of the band, which holds for all sizes of the curve at once.
        band_high: Its upper bound.
        verdict: What the interval of a ratio shows at this size, one of those in `crossings`; else
            empty.
        band_verdict: What its band shows, for all sizes of the curve at once.
        n_sizes: Sizes of the curve.
        n_seeds: Seeds that all of them share.
        n_patients: Patients tested on.
        se_patient: Standard error from these; NaN for a ratio.
        se_seed: Standard error from seeds, net of that; NaN with one seed, and for a ratio.
        method: How.
        conditional_on: What the interval takes as given.
        place: What the cells share beside the arm; a change is about two recipes and names none.
        cells: The arm at this size, then the baseline's curve; not a column.
        sizes: Their numbers of patients, of a ratio; not a column.
        seeds: The seeds used; not a column.
        sign: 1 if a higher metric is better, else -1; not a column.
    """

    question: str
    dataset: str
    metric: str
    axis: str
    arm: str
    baseline: str
    quantity: str
    patients: int
    value: float
    low: float
    high: float
    band_low: float
    band_high: float
    verdict: str
    band_verdict: str
    n_sizes: int
    n_seeds: int
    n_patients: int
    se_patient: float
    se_seed: float
    method: str
    conditional_on: str
    place: Mapping[str, Any]
    cells: tuple[Arm, ...] = ()
    sizes: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    sign: int = 1

    def columns(self) -> dict[str, Any]:
        """Return the row of small_data.csv."""
        apart = ("place", "cells", "sizes", "seeds", "sign")
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in apart}
        axes = [axis for axis in PLACE if axis != "dataset"]
        return {**own, **{axis: self.place.get(axis, "") for axis in axes}}

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by."""
        keys: dict[str, Any] = {
            "kind": "small_data",
            "axis": self.axis,
            "a": self.arm,
            "b": self.baseline,
        }
        keys |= {"quantity": self.quantity, "patients": self.patients, "metric": self.metric}
        keys |= {**self.place, "dataset": self.dataset, self.axis: self.arm}
        condition = ONE_SEED if self.n_seeds == 1 else ""
        label = f"{self.question}: {self.quantity}, {self.arm}, {self.patients} patients"
        return Evidence(keys, label, self.value, self.low, self.high, condition)


@dataclass
class _Group:
    """The curves of cells that agree in all axes but the arm and the recipe."""

    place: dict[str, Any]
    dataset: str
    told: str
    curves: dict[Any, dict[int, Arm]] = field(default_factory=dict)
    protocols: dict[int, str] = field(default_factory=dict)


def small_data(question: Question, basis: Basis) -> Answered:
    """Measure each arm's curve, what it adds to the baseline, and when the baseline is as good.

    Args:
        question: A small_data question.
        basis: What it is answered from.
    """
    rows: list[Size] = []
    skipped: list[str] = []
    groups, left_out = _groups(question, basis.reader)
    skipped += left_out
    for group in groups:
        start = ": ".join(filter(None, (str(question["name"]), group.told)))
        for value, curve in group.curves.items():
            found, why = _scores(question, group, value, curve, basis)
            rows += found
            skipped += [f"{start}: {value} {reason}" for reason in why]
        base = group.curves.get(question["baseline"])
        for value, curve in group.curves.items():
            if value == question["baseline"]:
                continue
            if base is None:
                skipped.append(f"{start}: there is no baseline {question['baseline']}.")
                continue
            found, why = _compared(question, group, value, curve, base, basis)
            rows += found
            skipped += [f"{start}: {value} {reason}" for reason in why]
    return Answered(rows, skipped)


def patients_of(cell: Mapping[str, Any], reader: Reader) -> int | None:
    """Return how many patients a run is trained on; None if its recipe counts images."""
    recipe = reader.spec(cell["cell"])["recipe"]
    if recipe.get("train_patients") is not None:
        return int(recipe["train_patients"])
    if recipe["train_count"] is not None or recipe["train_share"] < 1:
        return None
    people = int(reader.card(cell["cell"])["splits"]["train"]["patients"])
    return patients_left(people, recipe["holdout"])


def _groups(question: Question, reader: Reader) -> tuple[list[_Group], list[str]]:
    wanted, varying = question["protocols"], varying_axes(reader.targets)
    found: dict[tuple[Any, ...], _Group] = {}
    skipped: dict[str, None] = {}
    for whole, arms in arms_by_place(question, reader):
        protocol, first = whole["protocol"], next(iter(next(iter(arms.values())).values()))
        size = None if wanted and protocol not in wanted else patients_of(first, reader)
        if size is None:
            continue
        place = {axis: value for axis, value in whole.items() if axis != "protocol"}
        group = found.setdefault(
            tuple(place.values()), _Group(place, first["dataset"], words(place, varying))
        )
        if group.protocols.setdefault(size, protocol) != protocol:
            skipped[
                f"{question['name']}: recipes {group.protocols[size]} and {protocol} both train on "
                f"{size} patients of {first['dataset']}; the second is left out."
            ] = None
            continue
        for value, arm in arms.items():
            group.curves.setdefault(value, {})[size] = arm
    for group in found.values():
        for value, curve in group.curves.items():
            group.curves[value] = dict(sorted(curve.items()))
    return list(found.values()), list(skipped)


def _with_results(
    curves: Sequence[Curve], reader: Reader, metric: str | None, compared: bool = False
) -> tuple[list[dict[int, Any]], list[int], list[str]]:
    """Return curves as influence values, the seeds that all points share, and what is left out.

    Args:
        curves: An arm's curve, and its baseline's where both are compared.
        reader: Reads their cells.
        metric: The question's.
        compared: Whether sizes without a result were told of either curve by itself.
    """
    found, lost = [], []
    for curve in curves:
        points = {}
        for size, arm in curve.items():
            there = {s: r for s, r in runs(arm, reader, metric=metric).items() if _known(r)}
            if there:
                points[size] = there
            elif not compared:
                lost.append(f"has no result with {size} patients; that size is left out.")
        found.append(points)
    every = [set(point) for points in found for point in points.values()]
    seeds = sorted(set.intersection(*every)) if every else []
    if every and not seeds:
        told = "shares no seed with its baseline" if compared else "has no seed"
        lost.append(f"{told} that has a result at every size; there is no row.")
    elif every and set.union(*every) != set(seeds):
        more = sorted(set.union(*every) - set(seeds))
        told = "or its baseline lacks" if compared else "lacks"
        lost.append(f"{told} a result of seeds {listed(more)} at some size; they are not used.")
    return found, seeds, lost


def _told(question: Question) -> str:
    return f"Question {question['name']!r}"


def _known(run: Any) -> bool:
    return not math.isnan(run.estimate)


def _row(
    question: Question,
    group: _Group,
    arm: Any,
    size: int,
    points: Points,
    cells: Sequence[Arm],
    reader: Reader,
    **told: Any,
) -> Size:
    first = next(iter(cells[0].values()))["cell"]
    scale = reader.scale(first, question["metric"])
    given = list(conditions(cells, reader))
    if UNKNOWN_PATIENTS in given:
        given.append(UNKNOWN_DRAWN)
    given = [*([ONE_SEED] if points.seeds == 1 else []), *given, *filter(None, [scale.fixed])]
    return Size(
        question=question["name"],
        dataset=group.dataset,
        metric=scale.name,
        axis=question["axis"],
        arm=str(arm),
        patients=size,
        n_seeds=points.seeds,
        n_patients=int(points.counts.sum()),
        conditional_on="; ".join(given),
        place={**group.place, "protocol": group.protocols[size]},
        cells=tuple(cells),
        sign=scale.sign,
        **told,
    )


def _scores(
    question: Question, group: _Group, value: Any, curve: Curve, basis: Basis
) -> tuple[list[Size], list[str]]:
    """Return the rows of one arm's curve."""
    (points,), seeds, lost = _with_results([curve], basis.reader, question["metric"])
    if not seeds:
        return [], lost
    measured = Points.of(list(points.values()), seeds, _told(question))
    found = measured.sums(np.eye(len(points)))
    first = next(iter(next(iter(curve.values())).values()))["cell"]
    low, high = basis.reader.metric(first, question["metric"])["range"]
    limits = (-math.inf if low is None else low, math.inf if high is None else high)
    numbers = _numbers(found, basis.alpha, limits, SCORE)
    return [
        _row(
            question,
            group,
            value,
            size,
            measured,
            [curve[size]],
            basis.reader,
            baseline="",
            **number,
        )
        for size, number in zip(points, numbers, strict=True)
    ], lost


def _compared(
    question: Question, group: _Group, value: Any, curve: Curve, base: Curve, basis: Basis
) -> tuple[list[Size], list[str]]:
    """Return what an arm adds at each size, and when its baseline is as good."""
    reader, alpha, baseline = basis.reader, basis.alpha, str(question["baseline"])
    (own, other), seeds, lost = _with_results(
        [curve, base], reader, question["metric"], compared=True
    )
    if not seeds or not own or not other:
        return [], lost
    measured = Points.of([*own.values(), *other.values()], seeds, _told(question))
    places = {size: len(own) + n for n, size in enumerate(other)}
    shared = [size for size in own if size in other]
    weights = np.zeros((len(shared), len(measured.means)))
    for place, size in enumerate(shared):
        weights[place, [list(own).index(size), places[size]]] = 1, -1
    first = next(iter(next(iter(curve.values())).values()))["cell"]
    scale = reader.scale(first, question["metric"])
    rows = []
    numbers = _numbers(measured.sums(weights), alpha, (-scale.width, scale.width), BOOST)
    for size, number in zip(shared, numbers, strict=True):
        cells = [curve[size], base[size]]
        told = {"baseline": baseline, **number}
        rows.append(_row(question, group, value, size, measured, cells, reader, **told))
    if len(shared) > 1:
        change = measured.sums(weights[:1] - weights[-1:])
        ends = (-2 * scale.width, 2 * scale.width)
        (number,) = _numbers(change, alpha, ends, BOOST_CHANGE)
        cells = [side[size] for size in (shared[0], shared[-1]) for side in (curve, base)]
        told = {"baseline": baseline, **number, "n_sizes": len(shared)}
        row = _row(question, group, value, shared[0], measured, cells, reader, **told)
        rows.append(replace(row, place=group.place))
    if len(other) < 2:
        return rows, [*lost, f"is compared with {baseline} at one size: nothing can cross."]
    for point, size in enumerate(own):
        one, band = (
            crossing(measured, point, list(places.values()), list(other), level, scale.sign)
            for level in (alpha, at_once(alpha, len(own)))
        )
        cells = [curve[size], *(base[each] for each in other)]
        told = {
            "quantity": DATA_RATIO,
            "baseline": baseline,
            "value": one.patients / size,
            "low": one.low / size,
            "high": one.high / size,
            "band_low": band.low / size,
            "band_high": band.high / size,
            "verdict": verdict(one, list(other)),
            "band_verdict": verdict(band, list(other)),
            "n_sizes": len(other),
            "se_patient": math.nan,
            "se_seed": math.nan,
            "method": METHODS[DATA_RATIO],
            "sizes": (size, *other),
            "seeds": tuple(seeds),
        }
        rows.append(_row(question, group, value, size, measured, cells, reader, **told))
    return rows, lost


def _numbers(found: Sums, alpha: float, limits: Bounds, quantity: str) -> Iterator[dict[str, Any]]:
    """Yield the numbers of rows for weighted sums of points."""
    reach, band = found.reach(alpha), found.reach(at_once(alpha, len(found.values)))
    for row, value in enumerate(found.values):
        ends = {
            "low": value - reach[row],
            "high": value + reach[row],
            "band_low": value - band[row],
            "band_high": value + band[row],
        }
        seed = found.variance_seed[row] if found.seeds > 1 else math.nan
        yield {
            "quantity": quantity,
            "value": float(value),
            **{name: float(np.clip(end, *limits)) for name, end in ends.items()},
            "verdict": "",
            "band_verdict": "",
            "n_sizes": len(found.values),
            "se_patient": math.sqrt(found.variance_patient[row]),
            "se_seed": math.sqrt(seed),
            "method": METHODS[quantity],
        }
