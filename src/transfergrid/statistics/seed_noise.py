"""How far seeds spread, against networks or against what a contrast finds of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from transfergrid.statistics.anova import one_way
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
from transfergrid.statistics.relations import scores_of, study_family


def seed_noise(question: Question, basis: Basis) -> Answered:
    """Find how far seeds spread against how far networks, or their effects, do.

    Args:
        question: A seed_noise question; with a `contrast`, the values are its differences, one for
            each network and seed, else the score of each cell.
        basis: What it is answered from.
    """
    alpha = basis.alpha
    if question["contrast"] is None:
        parts = [
            (
                place,
                words(place, varying_axes(basis.reader.targets)) or ALL,
                scores_of(group["cell"], basis.reader, question["metric"]).to_numpy(),
                group["architecture"].to_numpy(),
                basis.reader.metric_of(place["dataset"], question["metric"])["name"],
            )
            for place, group in groups_of_networks(basis.cells, basis.study, question["where"])
        ]
    else:
        parts = list(_effects(question, basis))
    found_rows: list[Finding] = []
    way = "one-way variance components over networks, chi-square and F intervals"
    family = partial(study_family, basis.reader)
    for place, subject, values, networks, metric in parts:
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
        found_rows += rows(question, place, subject, found, counts, note, metric)
    return Answered(found_rows)


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
