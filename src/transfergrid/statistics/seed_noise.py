"""How far seeds spread, against networks or against what a contrast finds of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.statistics.anova import Interval, OneWay, one_way
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.comparisons import Compared, runs
from transfergrid.statistics.findings import ALL, NAN, Finding, rows
from transfergrid.statistics.places import (
    Place,
    groups_of_networks,
    value_words,
    varying_axes,
    words,
)
from transfergrid.statistics.power import trials_needed
from transfergrid.statistics.relations import scores_of, study_family


def seed_noise(question: Question, basis: Basis) -> Answered:
    """Find how far seeds spread against how far networks, or their effects, do.

    Of scores it says as well how many trials would set neighbours in the order apart.

    Args:
        question: A seed_noise question; with a `contrast`, the values are its differences, one for
            each network and seed, else the score of each cell.
        basis: What it is answered from.
    """
    alpha, axis = basis.alpha, question["axis"]
    of_networks = axis == "architecture"
    spread = "network_sd" if of_networks else "method_sd"
    several = "networks" if of_networks else f"values of {axis}"
    if question["contrast"] is None:
        parts = [
            (
                place,
                words(place, varying_axes(basis.reader.targets))
                or (ALL if of_networks else f"all {several}"),
                scores_of(group["cell"], basis.reader, question["metric"]).to_numpy(),
                group[axis].to_numpy(),
                basis.reader.metric_of(place["dataset"], question["metric"])["name"],
            )
            for place, group in groups_of_networks(
                basis.cells, basis.study, question["where"], axis
            )
        ]
    else:
        parts = list(_effects(question, basis))
    found_rows: list[Finding] = []
    way = f"one-way variance components over {several}, chi-square and F intervals"
    family = partial(study_family, basis.reader) if of_networks else None
    for place, subject, values, networks, metric in parts:
        layout = one_way(values, networks, family)
        found = {
            "seed_sd": (layout.sd_within(alpha) if layout else NAN, way),
            spread: (layout.sd_between(alpha) if layout else NAN, way),
            "noise_to_signal": (layout.noise_to_signal(alpha) if layout else NAN, way),
        }
        if question["contrast"] is None:
            found |= neighbours(values, networks, found["seed_sd"][0], alpha)
        samples = "families, networks" if of_networks else several
        note = f"seed SD over the SD between {several}; {samples} and seeds as samples"
        known = ~np.isnan(values)
        there = set(networks[known])
        counts = len(there), len({family(str(name)) for name in there}) if family else 0
        if not layout:
            note = f"needs two {several}, one of them with two seeds"
            if len(there) == 1 and known.sum() > 1:
                alone = {"seed_sd": (_of_one(values[known], alpha), "chi-square interval")}
                told = "of this one alone; seeds as a sample"
                found_rows += rows(question, place, subject, alone, counts, told, metric)
                del found["seed_sd"]
        found_rows += rows(question, place, subject, found, counts, note, metric)
    return Answered(found_rows)


def _of_one(values: NDArray[np.float64], alpha: float) -> Interval:
    """Return the SD between the (S,) seeds of one network, S > 1, which needs no second one."""
    seeds, square = len(values), float(values.var(ddof=1))
    return OneWay(1, seeds, seeds, math.nan, square).sd_within(alpha)


def neighbours(
    values: NDArray[np.float64], methods: NDArray[Any], sd: Interval, alpha: float
) -> dict[str, tuple[Interval, str]]:
    """Return how far neighbours in the order are apart, and the trials that it takes to tell.

    Args:
        values: (N,) scores; NaN is left out.
        methods: (N,) what they are scores of.
        sd: Standard deviation between seeds, with its bounds.
        alpha: Level of the test.
    """
    known = ~np.isnan(values)
    means = [values[known & (methods == name)].mean() for name in set(methods[known])]
    gap = float(np.median(np.diff(np.sort(means)))) if len(means) > 1 else math.nan
    value, low, high = (trials_needed(gap, s, alpha) for s in sd)
    return {
        "neighbour_gap": (
            (gap, math.nan, math.nan),
            "median difference of neighbours in the order of means, which seeds widen",
        ),
        "trials_for_neighbours": (
            (value, low, high),
            "trials of each of two such neighbours for 80 % power, two-sided t, not adjusted; "
            "bounds are those of the seed SD, the difference and these patients as given",
        ),
    }


def _effects(
    question: Question, basis: Basis
) -> Iterator[tuple[Place, str, np.ndarray, np.ndarray, str]]:
    varying = varying_axes(basis.reader.targets)
    groups: dict[tuple[Any, ...], list[Compared]] = {}
    for one in basis.answered[question["contrast"]]:
        if "architecture" in one.place:
            key = (one.value, *(v for k, v in one.place.items() if k != "architecture"))
            groups.setdefault(key, []).append(one)
    for members in groups.values():
        first = members[0]
        place = {k: v for k, v in first.place.items() if k != "architecture"}
        values, networks = [], []
        for one in members:
            arms = one.pairs[0]
            a, b = (runs(arm, basis.reader, metric=one.metric) for arm in arms)
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
            first.metric,
        )
