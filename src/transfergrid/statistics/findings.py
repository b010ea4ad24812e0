"""Findings that are neither contrasts nor rank correlations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from transfergrid.catalog.axes import PLACE
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Evidence
from transfergrid.statistics.places import Place

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
        metric: Name of the metric that it rests on.
        n_families: Families of these networks; 0 where they play no part.
        place: What the networks share; its axes are columns.
        networks: What the value is about, where it may be about one network: its name, `MEAN` or
            `ALONE`.
        also: What else a claim may select it by.
        condition: What a claim that it judges has to say of it.
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
    metric: str
    n_families: int = 0
    place: Place = field(default_factory=dict)
    networks: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)
    condition: str = ""

    def columns(self) -> dict[str, Any]:
        """Return the row of findings.csv."""
        row = asdict(self)
        place = row.pop("place")
        del row["also"], row["condition"]
        return {**row, **{axis: place.get(axis, "") for axis in PLACE}}

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by."""
        keys = {"kind": self.kind, "quantity": self.quantity, **self.place, "metric": self.metric}
        keys |= self.also
        if self.networks:
            keys["networks"] = self.networks
        label = f"{self.question}: {self.quantity}, {self.subject}"
        return Evidence(keys, label, self.value, self.low, self.high, self.condition)


ALL = "all networks"
"""The subject where the study has a single place."""


def rows(
    question: Mapping[str, Any],
    place: Place,
    subject: str,
    found: Mapping[str, tuple[Interval, str]],
    counts: tuple[int, int],
    note: str,
    metric: str,
) -> Iterator[Finding]:
    """Yield a row for each quantity of a question's answer.

    Args:
        question: The question.
        place: What the networks share.
        subject: The same in words.
        found: By quantity, value and bounds, and how they were made.
        counts: Networks, and their families.
        note: What all of them take as given.
        metric: Name of the metric that they rest on.
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
            metric,
            n_families,
            place,
        )
