"""One answer on the page, and its picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transfergrid.planning.grid import ALL
from transfergrid.reporting.cases import cases, masked_datasets
from transfergrid.reporting.metric_words import MetricWords, metric_words
from transfergrid.reporting.page.findings import ShownFinding
from transfergrid.reporting.words import known, split_of

Bounds = tuple[float, float, float]
"""Low, estimate and high."""


@dataclass(frozen=True)
class Bar:
    """An interval on the axis of its question, in per cent from the left; zero is at 50.

    Attributes:
        low: Left end.
        middle: Estimate.
        high: Right end.
        cut: Whether an end lies beyond the axis.
    """

    low: float
    middle: float
    high: float
    cut: bool


@dataclass(frozen=True)
class Answer:
    """One row of contrasts.csv or correlations.csv in words.

    Attributes:
        subject: Where in the grid it stands, possibly empty.
        lead: The answer as a sentence up to its number.
        number: Estimate with interval.
        rest: What the sentence says after its number.
        support: p-values, n, seeds, method and conditions, in pieces.
        bounds: Low, estimate and high, or None without an interval.
        clear: Whether the interval excludes zero.
        verdict: The table's verdict, or empty.
        bar: The same as a picture, once the question's other rows are known.
    """

    subject: str
    lead: str
    number: str
    rest: str
    support: tuple[str, ...]
    bounds: Bounds | None
    clear: bool
    verdict: str = ""
    bar: Bar | None = None

    @property
    def sentence(self) -> str:
        """The whole answer in plain words."""
        return f"{self.lead} {self.number}{self.rest}"


@dataclass(frozen=True)
class Manner:
    """How the page words numbers.

    Attributes:
        confidence: Coverage of the intervals, in (0, 1).
        metrics: What metrics are called, by name.
        primary: Names of the data sets' own metrics.
        folded: Names of the data sets that are in folds.
        masked: Names of the data sets with masks.
    """

    confidence: float
    metrics: Mapping[str, MetricWords]
    primary: frozenset[str]
    folded: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, study: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Manner:
        """Return how a study's page words numbers.

        Args:
            study: The stamp's content.
            cards: Per data set name its card.json, where known.
        """
        return cls(
            study["evaluation"]["confidence"],
            metric_words(study, cards),
            frozenset(study["primary_metric"].values()),
            frozenset(
                entry["dataset"] for entry in study["cells"] if entry.get("fold", ALL) != ALL
            ),
            masked_datasets(cards or {}),
        )

    def tested_on(self, dataset: str) -> str:
        """Name the images of a data set that answers are about."""
        folded = dataset in self.folded
        return f"{dataset}, tested fold by fold" if folded else split_of(dataset)

    def cases(self, number: float, dataset: str) -> str:
        """Print how many of a data set's cases an answer is about."""
        return cases(number, [dataset], self.masked)

    def asked(self, question: Mapping[str, Any]) -> str:
        """Name the metric of a question within a sentence."""
        named = question.get("metric")
        names = {named} if named else self.primary
        return self.metrics[next(iter(names))].inline if len(names) == 1 else "score"


@dataclass(frozen=True)
class Told:
    """A question's rows in words.

    Attributes:
        answers: Those that are sentences, those over the most networks first.
        findings: Those that are quantities.
        left: Names what has too few networks for an answer, or is empty.
    """

    answers: tuple[Answer, ...] = ()
    findings: tuple[ShownFinding, ...] = ()
    left: str = ""


def bounds_of(low: Any, middle: Any, high: Any) -> Bounds | None:
    """Return an interval with its estimate, or None where one of them is unknown."""
    if not (known(low) and known(middle) and known(high)):
        return None
    return float(low), float(middle), float(high)


def is_clear(bounds: Bounds | None) -> bool:
    """Tell whether an interval excludes zero."""
    return bounds is not None and (bounds[0] > 0 or bounds[2] < 0)


def bar_of(bounds: Bounds, scale: float) -> Bar:
    """Place an interval on an axis from -scale to scale."""
    places = [50 + 50 * value / scale for value in bounds]
    low, middle, high = (min(max(place, 0.0), 100.0) for place in places)
    return Bar(low, middle, high, cut=places[0] < 0 or places[2] > 100)


def scale_of(answers: Sequence[Answer]) -> float:
    """Return the half-width of the common axis of all bars.

    One interval of two wild seeds must not press all others into a dot, so the axis ends at three
    times the median reach; all estimates are on it.
    """
    bounds = [answer.bounds for answer in answers if answer.bounds]
    if not bounds:
        return 1.0
    reach = [max(abs(low), abs(high)) for low, _, high in bounds]
    estimates = max(abs(estimate) for _, estimate, _ in bounds)
    return 1.04 * (max(min(max(reach), 3 * statistics.median(reach)), estimates) or 1.0)
