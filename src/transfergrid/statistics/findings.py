"""Findings that are neither contrasts nor rank correlations, and how far seeds spread."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from transfergrid.statistics.anova import Interval, one_way
from transfergrid.statistics.comparisons import Basis, Compared, runs
from transfergrid.statistics.places import (
    Place,
    groups_of_networks,
    value_words,
    varying_axes,
    words,
)
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
        n_families: Families of these networks; 0 where they play no part.
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
    n_families: int = 0
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
    "n_families",
)


ALL = "all networks"
"""The subject where the study has a single place."""


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
            (
                place,
                words(place, varying_axes(basis.reader.targets)) or ALL,
                group["auroc"].to_numpy(),
                group["architecture"].to_numpy(),
            )
            for place, group in groups_of_networks(basis.cells, basis.study, question["where"])
        ]
    else:
        parts = list(_effects(question, basis))
    way = "one-way variance components over networks, chi-square and F intervals"
    family = partial(study_family, basis.reader)
    for place, subject, values, networks in parts:
        layout = one_way(values, networks, family)
        found = {
            "seed_sd": (layout.sd_within(alpha) if layout else NAN, way),
            "network_sd": (layout.sd_between(alpha) if layout else NAN, way),
            "noise_to_signal": (layout.noise_to_signal(alpha) if layout else NAN, way),
        }
        note = "seed SD over the SD between networks; families, networks and seeds as samples"
        if not layout:
            note = "needs two networks, one of them with two seeds"
        there = set(networks[~np.isnan(values)])
        counts = len(there), len({family(str(name)) for name in there})
        yield from rows(question, place, subject, found, counts, note)


def _effects(
    question: Mapping[str, Any], basis: Basis
) -> Iterator[tuple[Place, str, np.ndarray, np.ndarray]]:
    varying = varying_axes(basis.reader.targets)
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
        arms = (first.value, first.question["baseline"])
        difference = " - ".join(value_words(first.question["axis"], arm) for arm in arms)
        subject = ": ".join(filter(None, (words(place, varying), difference)))
        yield (
            {**place, first.question["axis"]: first.value},
            subject,
            np.array(values),
            np.array(networks),
        )


def rows(
    question: Mapping[str, Any],
    place: Place,
    subject: str,
    found: Mapping[str, tuple[Interval, str]],
    counts: tuple[int, int],
    note: str,
) -> Iterator[Finding]:
    """Yield a row for each quantity of a question's answer.

    Args:
        question: The question.
        place: What the networks share.
        subject: The same in words.
        found: By quantity, value and bounds, and how they were made.
        counts: Networks, and their families.
        note: What all of them take as given.
    """
    n, n_families = counts
    for quantity, (interval, method) in found.items():
        yield Finding(
            question["name"],
            question["kind"],
            subject,
            quantity,
            *interval,
            n,
            method,
            note,
            n_families,
            place,
        )
