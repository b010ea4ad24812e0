"""Groups of patients compared by a metric: a group's mean over seeds, and how far two are apart.

The interval of a difference is made from the intervals of both sides by the correlation of their
patients' contributions (Zou and Donner 2008, Statistics in Medicine 27:1693-1702). So it keeps what
a small group's own interval knows: that it is lopsided near the metric's bounds, and wide although
all of few patients were ranked well. Groups that share no patient are uncorrelated; a patient who
is in both, such as one with films of both views, counts jointly. The variance between seeds, net of
what is patients' noise again (`components.difference`), is added to the square of each arm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import special

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.components import Difference, difference
from transfergrid.statistics.paired import check_paired


@dataclass(frozen=True)
class Seeds:
    """What the seeds of a network score on one group of patients.

    Attributes:
        runs: The value of each seed with its patients' contributions, all on the same patients.
        bounds: (S, 2) the lower and upper bound of each, by the sampling of patients.
    """

    runs: tuple[Influence, ...]
    bounds: NDArray[np.float64]

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return float(np.mean([run.estimate for run in self.runs]))

    @property
    def arms(self) -> tuple[float, float]:
        """How far the mean of the seeds' bounds is below and above the mean; NaN without bounds."""
        low, high = self.bounds.mean(axis=0)
        return self.value - float(low), float(high) - self.value


@dataclass(frozen=True)
class Estimate:
    """A value or a difference with its interval.

    Attributes:
        value: The value.
        low: Lower bound, or NaN.
        high: Upper bound, or NaN.
        p: Of a difference, the p-value of none; else NaN.
        shared: Of a difference, patients who are on both sides.
    """

    value: float
    low: float
    high: float
    p: float = math.nan
    shared: int = 0


def mean_over_seeds(group: Seeds, alpha: float, bounds: tuple[float, float]) -> Estimate:
    """Return a group's mean over seeds; of one seed, its own interval.

    Args:
        group: What the seeds score.
        alpha: 1 minus the coverage of the bounds, in (0, 1).
        bounds: Least and greatest value of the metric.
    """
    seeds = _arm_of_seeds([run.estimate for run in group.runs], _values(group.runs), alpha)
    below, above = (math.hypot(arm, seeds) for arm in group.arms)
    return Estimate(group.value, *_within(group.value - below, group.value + above, bounds))


def apart(a: Seeds, b: Seeds, alpha: float, width: float) -> Estimate:
    """Return how far two groups are apart, a minus b, with the same seeds on both.

    The p-value is the level at which the interval would reach 0 if its arm grew as that of a normal
    distribution does.

    Args:
        a: What the seeds score on the first group.
        b: What they score on the second.
        alpha: 1 minus the coverage of the bounds of both, in (0, 1).
        width: How far two values can be apart at most.
    """
    check_paired(a.runs, "A group")
    check_paired(b.runs, "A group")
    patients = np.union1d(a.runs[0].patients, b.runs[0].patients)
    sides = [_joined(group.runs, patients) for group in (a, b)]
    shared = len(np.intersect1d(a.runs[0].patients, b.runs[0].patients))
    value = a.value - b.value
    together = float(np.mean(sides[0], axis=0) @ np.mean(sides[1], axis=0))
    spread = math.prod(float(np.linalg.norm(np.mean(side, axis=0))) for side in sides)
    r = min(1.0, max(-1.0, together / spread)) if spread > 0 else 0.0
    gaps = [one.estimate - other.estimate for one, other in zip(a.runs, b.runs, strict=True)]
    seeds = _arm_of_seeds(gaps, sides[0] - sides[1], alpha)
    below = math.hypot(_combined(a.arms[0], b.arms[1], r), seeds)
    above = math.hypot(_combined(a.arms[1], b.arms[0], r), seeds)
    low, high = _within(value - below, value + above, (-width, width))
    return Estimate(value, low, high, _p_value(value, below, above, alpha), shared)


def _within(low: float, high: float, bounds: tuple[float, float]) -> tuple[float, float]:
    # Unlike max() and min(), these keep the NaN of a side without bounds.
    return float(np.maximum(bounds[0], low)), float(np.minimum(bounds[1], high))


def _combined(one: float, other: float, r: float) -> float:
    return float(np.sqrt(np.maximum(0.0, one**2 + other**2 - 2 * r * one * other)))


def _p_value(value: float, below: float, above: float, alpha: float) -> float:
    toward = below if value > 0 else above
    if math.isnan(toward) or math.isnan(value):
        return math.nan
    if toward == 0:
        return 1.0 if value == 0 else math.nan
    normal = NormalDist()
    z = abs(value) / toward * normal.inv_cdf(1 - alpha / 2)
    return math.erfc(z / math.sqrt(2))


def _arm_of_seeds(estimates: Sequence[float], values: NDArray[np.float64], alpha: float) -> float:
    """Return what the variance between seeds adds to an interval; 0 of one seed."""
    if len(estimates) < 2:
        return 0.0
    none = np.zeros_like(values)
    found: Difference = difference(estimates, np.zeros(len(estimates)), values, none)
    if not found.variance_seed > 0:
        return 0.0
    quantile = -float(special.stdtrit(found.df, alpha / 2))
    return quantile * math.sqrt(found.variance_seed)


def _values(runs: Sequence[Influence]) -> NDArray[np.float64]:
    # Of a class that comes from one patient nothing is known; its interval says so.
    return np.nan_to_num(np.stack([run.values for run in runs]))


def _joined(runs: Sequence[Influence], patients: NDArray) -> NDArray[np.float64]:
    """Return (S, G) contributions of all patients, 0 of those who are not in the group."""
    found = np.zeros((len(runs), len(patients)))
    found[:, np.searchsorted(patients, runs[0].patients)] = _values(runs)
    return found
