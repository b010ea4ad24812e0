"""What a network's family and its size explain; families and their networks are samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from transfergrid.runtime.hashing import seeded
from transfergrid.statistics import kinship
from transfergrid.statistics.anova import Interval, OneWay, one_way
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.findings import ALL, NAN, Finding, rows
from transfergrid.statistics.noise import noise_of
from transfergrid.statistics.places import groups_of_networks, key, varying_axes, words
from transfergrid.statistics.relations import Point, score_point, study_family

_LEAST_SIDE = 2
"""Families that a side of a comparison must have for an interval."""


def families(question: Question, basis: Basis) -> Answered:
    """Find how much of the spread between networks their family and their size explain.

    Each network is one value, its mean score over seeds. Descriptive: no verdict.

    Args:
        question: A family question.
        basis: What it is answered from.
    """
    varying = varying_axes(basis.reader.targets)
    told: list[Finding] = []
    for place, group in groups_of_networks(basis.cells, basis.study, question["where"]):
        points = []
        for architecture, own in group.groupby("architecture", sort=False):
            family = study_family(basis.reader, str(architecture))
            size = math.log10(float(own["params"].astype("float64").mean()))
            point = score_point(size, family, own, basis.reader, question["metric"])
            if point is not None:
                points.append(point)
        found, names = _shares(question, key(place), points, basis.alpha)
        scores = np.array([point.y for point in points])
        for a, b in _two(question["groups"]):
            sides = [question["groups"][name] for name in (a, b)]
            found[f"{a}_minus_{b}"] = family_difference(scores, names, sides, basis.alpha)
        note = (
            "descriptive; networks and their families as samples, these patients and seeds as given"
        )
        if len(set(names)) in (0, 1, len(names)):
            note = "needs two families, one of them with two networks"
        counts = len(points), len(set(names))
        metric = basis.reader.metric_of(place["dataset"], question["metric"])["name"]
        told += rows(question, place, words(place, varying) or ALL, found, counts, note, metric)
    return Answered(told)


def _shares(
    question: Mapping[str, Any], place: str, points: Sequence[Point], alpha: float
) -> tuple[dict[str, tuple[Interval, str]], list[str]]:
    """Return spreads and shares by quantity, and the points' families."""
    names = [point.family for point in points]
    scores, size = (np.array([getattr(point, axis) for point in points]) for axis in ("y", "x"))
    layout = one_way(scores, names) if points else None
    way = "one-way variance components, F interval"
    found: dict[str, tuple[Interval, str]] = {
        "between_family_sd": (layout.sd_between(alpha) if layout else NAN, way),
        "within_family_sd": (layout.sd_within(alpha) if layout else NAN, way),
        "family_share": (layout.share(alpha) if layout else NAN, way),
        "family_share_disattenuated": (
            _share_without_noise(question, place, points, layout, alpha),
            "the same without the noise of patients and seeds, generalised pivot",
        ),
    }
    fit = "squared correlation with log parameters, Fisher z"
    numbers = kinship.numbered(names)
    found["size_share"] = (
        _explained(scores, size, numbers, alpha),
        f"{fit}, networks in their families",
    )
    found["size_share_within"] = (
        _explained(
            _centred(scores, numbers), _centred(size, numbers), None, alpha, len(set(names))
        ),
        f"{fit}, within families",
    )
    return found, names


def _share_without_noise(
    question: Mapping[str, Any],
    place: str,
    points: Sequence[Point],
    layout: OneWay | None,
    alpha: float,
) -> Interval:
    if layout is None:
        return NAN
    noise = noise_of([point.draws for point in points], [point.spreads for point in points])
    total = noise.patients + (0.0 if math.isnan(noise.seeds) else noise.seeds)
    rng = np.random.default_rng(seeded("family share", question["name"], place))
    return layout.share_without(total, alpha, rng)


def _two(groups: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not groups:
        return []
    a, b = groups
    return [(a, b)]


def family_difference(
    scores: NDArray[np.float64],
    names: Sequence[str],
    sides: Sequence[Sequence[str]],
    alpha: float,
) -> tuple[Interval, str]:
    """Return the difference of two groups of families, by Welch's t over the families' means.

    Args:
        scores: (n,) of the networks.
        names: (n,) their families.
        sides: Families of either group.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        The difference with its interval, which takes two families on either side; and how it was
        made, with the p-value of all ways to deal the families to the two sides.
    """
    means = {name: float(scores[np.array(names) == name].mean()) for name in dict.fromkeys(names)}
    a, b = (np.array([means[name] for name in side if name in means]) for side in sides)
    counts = f"{len(a)} families against {len(b)}"
    if not len(a) or not len(b):
        return NAN, f"{counts}: nothing to compare"
    value = float(a.mean() - b.mean())
    dealt = _dealt(np.concatenate([a, b]), len(a))
    if min(len(a), len(b)) < _LEAST_SIDE:
        return (value, math.nan, math.nan), f"{counts}, too few for an interval; {dealt}"
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(1 - alpha)
    how = f"difference of means over families, {counts}, Welch t; {dealt}"
    return (value, float(interval.low), float(interval.high)), how


def _dealt(means: NDArray[np.float64], count: int) -> str:
    """Say what share of all ways to deal families to two sides sets them as far apart."""
    number = math.comb(len(means), count)
    if number > kinship.RESAMPLES:
        return f"{number} ways to deal the families, too many to try"
    total = means.sum()

    def apart(chosen: tuple[int, ...]) -> float:
        own = means[list(chosen)].sum()
        return float(abs(own / count - (total - own) / (len(means) - count)))

    ways = [apart(chosen) for chosen in itertools.combinations(range(len(means)), count)]
    p = float(np.mean(np.array(ways) >= apart(tuple(range(count))) - 1e-12))
    least = (2 if 2 * count == len(means) else 1) / number
    return f"all ways to deal the families: p = {p:.2g}, which could not be below {least:.2g}"


def _centred(values: NDArray[np.float64], families: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.asarray(values - (np.bincount(families, values) / np.bincount(families))[families])


def _explained(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    families: NDArray[np.intp] | None,
    alpha: float,
    centres: int = 1,
) -> Interval:
    """Return r squared with the interval of r, squared.

    Args:
        y: (n,) values.
        x: (n,) values.
        families: (n,) numbers of the families, whose networks are alike; None where the families'
            means were subtracted.
        alpha: 1 minus the coverage, in (0, 1).
        centres: Means that were subtracted.
    """
    free = len(y) - centres - 2
    if free < 1 or np.ptp(x) < 1e-12 or np.ptp(y) < 1e-12:
        return NAN
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1 + 1e-12, 1 - 1e-12))
    variance = 1 / free
    if families is not None and 1 < len(set(families.tolist())) < len(y):
        if len(set(families.tolist())) < kinship.LEAST_FAMILIES:
            return r * r, math.nan, math.nan
        alike = 1 / max(kinship.effective_number(x, y, families) - 3, 0.5)
        variance = max(alike, kinship.jackknife_variance(x, y, families, ranked=False))
    arm = float(stats.norm.isf(alpha / 2)) * math.sqrt(variance)
    low, high = math.tanh(math.atanh(r) - arm), math.tanh(math.atanh(r) + arm)
    squares = low * low, high * high
    return r * r, 0.0 if low < 0 < high else min(squares), max(squares)
