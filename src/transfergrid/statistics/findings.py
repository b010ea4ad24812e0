"""Findings that are neither contrasts nor rank correlations: family, seed noise, efficiency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from transfergrid.statistics.anova import Interval, one_way
from transfergrid.statistics.comparisons import Basis, Compared, runs
from transfergrid.statistics.places import Place, groups_of_networks, words
from transfergrid.statistics.relations import study_family

NAN: Interval = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Finding:
    """One row of tables/findings.csv.

    Attributes:
        question: Name of the question.
        kind: Kind of the question.
        subject: What it is about, such as ``imagenet drop0 films``.
        quantity: What was estimated.
        value: The estimate; NaN where it could not be made.
        low: Lower bound; NaN without an interval.
        high: Upper bound.
        n: Networks behind the value.
        method: How.
        note: What the value takes as given, or why there is none.
        place: What the networks share; not a column.
    """

    question: str
    kind: str
    subject: str
    quantity: str
    value: float
    low: float
    high: float
    n: int
    method: str
    note: str
    place: Place = field(default_factory=dict)

    def row(self) -> dict[str, str | int | float]:
        """Return the columns of tables/findings.csv in order."""
        return {name: getattr(self, name) for name in FINDING_COLUMNS}


FINDING_COLUMNS = (
    "question",
    "kind",
    "subject",
    "quantity",
    "value",
    "low",
    "high",
    "n",
    "method",
    "note",
)


def families(question: Mapping[str, Any], basis: Basis) -> Iterator[Finding]:
    """Yield how much of the spread between networks their family and their size explain.

    Networks are a sample; each is one value, its mean AUROC over seeds. Descriptive: no test.

    Args:
        question: A family question.
        basis: What it is answered from.
    """
    study, alpha = basis.study, basis.alpha
    for place, group in groups_of_networks(basis.cells, study, question["where"]):
        numbers = group[["auroc", "params"]].astype("float64")
        points = numbers.groupby(group["architecture"], sort=False).mean().dropna()
        names = np.array([study_family(study, str(name)) for name in points.index])
        auroc, size = points["auroc"].to_numpy(), np.log10(points["params"].to_numpy())
        layout = one_way(auroc, names)
        found: dict[str, tuple[Interval, str]] = {}
        way = "one-way variance components, F interval"
        found["between_family_sd"] = (layout.sd_between(alpha) if layout else NAN, way)
        found["within_family_sd"] = (layout.sd_within(alpha) if layout else NAN, way)
        found["family_share"] = (layout.share(alpha) if layout else NAN, way)
        fit = "squared correlation with log parameters, Fisher z"
        found["size_share"] = (_explained(auroc, size, 0, alpha), fit)
        centred = (_centred(auroc, names), _centred(size, names))
        lost = len(set(names)) - 1
        found["size_share_within"] = (_explained(*centred, lost, alpha), f"{fit}, within families")
        for a, b in _two(question["groups"]):
            sides = [np.isin(names, question["groups"][name]) for name in (a, b)]
            welch = _welch(auroc[sides[0]], auroc[sides[1]], alpha)
            found[f"{a}_minus_{b}"] = (welch, "difference of means over networks, Welch t")
        note = "descriptive; networks as a sample, these patients and seeds as given"
        if not layout:
            note = "needs two families, one of them with two networks"
        yield from _findings(question, place, words(place), found, len(points), note)


def _two(groups: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not groups:
        return []
    a, b = groups
    return [(a, b)]


def _centred(values: np.ndarray, names: np.ndarray) -> np.ndarray:
    _, place = np.unique(names, return_inverse=True)
    return values - (np.bincount(place, values) / np.bincount(place))[place]


def _explained(y: np.ndarray, x: np.ndarray, lost: int, alpha: float) -> Interval:
    """Return r squared with the interval of r, squared; `lost` more degrees of freedom are gone."""
    free = len(y) - lost - 3
    if free < 1 or np.ptp(x) < 1e-12 or np.ptp(y) < 1e-12:
        return NAN
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1 + 1e-12, 1 - 1e-12))
    arm = float(stats.norm.isf(alpha / 2)) / math.sqrt(free)
    low, high = math.tanh(math.atanh(r) - arm), math.tanh(math.atanh(r) + arm)
    squares = low * low, high * high
    return r * r, 0.0 if low < 0 < high else min(squares), max(squares)


def _welch(a: np.ndarray, b: np.ndarray, alpha: float) -> Interval:
    if min(len(a), len(b)) < 2:
        return NAN
    found = stats.ttest_ind(a, b, equal_var=False)
    interval = found.confidence_interval(1 - alpha)
    return float(a.mean() - b.mean()), float(interval.low), float(interval.high)


def seed_noise(question: Mapping[str, Any], basis: Basis) -> Iterator[Finding]:
    """Yield how far seeds spread against how far networks, or their effects, do.

    Args:
        question: A seed_noise question; with a `contrast`, the values are its differences, one a
            network and seed, else the AUROC of each cell.
        basis: What it is answered from.
    """
    alpha = basis.alpha
    if question["contrast"] is None:
        parts = [
            (place, words(place), group["auroc"].to_numpy(), group["architecture"].to_numpy())
            for place, group in groups_of_networks(basis.cells, basis.study, question["where"])
        ]
    else:
        parts = list(_effects(question, basis))
    way = "one-way variance components over networks, chi-square and F intervals"
    for place, subject, values, networks in parts:
        layout = one_way(values, networks)
        found = {
            "seed_sd": (layout.sd_within(alpha) if layout else NAN, way),
            "network_sd": (layout.sd_between(alpha) if layout else NAN, way),
            "noise_to_signal": (layout.noise_to_signal(alpha) if layout else NAN, way),
        }
        note = "seed SD over the SD between networks; networks and seeds as samples"
        if not layout:
            note = "needs two networks, one of them with two seeds"
        count = len(set(networks[~np.isnan(values)]))
        yield from _findings(question, place, subject, found, count, note)


def _effects(
    question: Mapping[str, Any], basis: Basis
) -> Iterator[tuple[Place, str, np.ndarray, np.ndarray]]:
    groups: dict[tuple[Any, ...], list[Compared]] = {}
    for one in basis.compared:
        if one.question["name"] == question["contrast"] and "architecture" in one.place:
            key = (one.value, *(v for k, v in one.place.items() if k != "architecture"))
            groups.setdefault(key, []).append(one)
    for members in groups.values():
        first = members[0]
        place = {k: v for k, v in first.place.items() if k != "architecture"}
        values, networks = [], []
        for one in members:
            ((a, b),) = [[runs(arm, basis.reader) for arm in pair] for pair in one.pairs]
            values += [a[seed].estimate - b[seed].estimate for seed in one.row.seeds]
            networks += [one.place["architecture"]] * len(one.row.seeds)
        subject = f"{words(place)}: {first.row.a} - {first.row.b}"
        yield (
            {**place, first.question["axis"]: first.value},
            subject,
            np.array(values),
            np.array(networks),
        )


def _findings(
    question: Mapping[str, Any],
    place: Place,
    subject: str,
    found: Mapping[str, tuple[Interval, str]],
    n: int,
    note: str,
) -> Iterator[Finding]:
    for quantity, (interval, method) in found.items():
        yield Finding(
            question["name"], question["kind"], subject, quantity, *interval, n, method, note, place
        )
