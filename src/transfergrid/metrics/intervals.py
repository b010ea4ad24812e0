"""Confidence intervals for the value of any metric on each task and for their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from transfergrid.metrics.influence import (
    count_distinct,
    degrees_of_freedom,
    rarest_class,
    sum_by_patient,
)

FEW = 30
"""With fewer patients of a class, how wide an interval is rests in good part on a model."""

SCARCE = 5
"""With fewer patients of a class, it rests on the model almost alone."""


@dataclass(frozen=True)
class Interval:
    """A metric's value and how sure it is.

    Attributes:
        estimate: The value; NaN where it is undefined, such as an AUROC of a single class.
        se: Standard error, clustered by patient; 0 where nothing varies, such as an AUROC of
            classes that are separated perfectly, NaN where a class has one patient.
        low: Lower bound, within the metric's range, or NaN.
        high: Upper bound, as `low`.
        n: Cases with a known label (in any of the tasks, for a mean over tasks).
        n_pos: Positive cases (the fewest of the tasks or classes, for all of them together).
        n_neg: Negative cases (the fewest of the tasks or classes, for all of them together).
        n_patients: Patients of the n cases.
        flags: Of "single_class", "no_score", "no_threshold", "undefined", "few_positives",
            "few_negatives", "scarce_positives", "scarce_negatives", "no_variance".
    """

    estimate: float
    se: float
    low: float
    high: float
    n: int
    n_pos: int
    n_neg: int
    n_patients: int
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """One task's value and what an interval is made from.

    Attributes:
        estimate: The value, or NaN.
        scores: (S,) scores; (S, T) for a metric of whole cases.
        labels: Shaped like the scores; a whole case is known or unknown.
        patient: (S,) number of each case's patient, from 0.
        by_class: (2, G) contributions of positive and of negative cases by patient, NaN where they
            are not known; for whole cases all of them, and zeros.
        patients: Patients who have a positive and who have a negative case.
        range: Least and greatest value.
        threshold: The operating point, or (S,) that of each case, as folds differ; NaN for none.
        settings: The metric's settings.
    """

    estimate: float
    scores: NDArray
    labels: NDArray
    patient: NDArray[np.int64]
    by_class: NDArray[np.float64]
    patients: tuple[int, int]
    range: tuple[float, float]
    threshold: ArrayLike = float("nan")
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        estimate: float,
        values: ArrayLike,
        scores: ArrayLike,
        labels: ArrayLike,
        patient: NDArray[np.int64],
        bounds: tuple[float, float],
        threshold: ArrayLike = float("nan"),
        settings: Mapping[str, Any] | None = None,
    ) -> Measured:
        """Sum contributions (S,) of cases by class and patient."""
        values, labels = np.asarray(values), np.asarray(labels)
        groups = int(patient.max(initial=-1)) + 1
        whole = labels.ndim == 2
        units = [~np.isnan(labels).any(axis=1)] if whole else [labels == 1, labels == 0]
        sums = [sum_by_patient(np.where(u, values, 0.0)[None], patient, groups)[0] for u in units]
        if whole:
            sums.append(np.zeros(groups))
        classes = [(labels == label).reshape(len(labels), -1) for label in (1, 0)]
        members = [min(count_distinct(patient[c]) for c in side.T) for side in classes]
        return cls(
            estimate,
            np.asarray(scores),
            labels,
            patient,
            np.stack(sums),
            (members[0], members[1]),
            bounds,
            threshold,
            settings or {},
        )

    @property
    def sums(self) -> NDArray[np.float64]:
        """(G,) contributions by patient."""
        return self.by_class[0] + self.by_class[1]

    @property
    def unscored(self) -> bool:
        """Whether a case whose label is known has no score, as with a training that diverged."""
        unknown = np.isnan(self.labels.reshape(len(self.labels), -1)).any(axis=1)
        return bool(np.isnan(self.scores[~unknown]).any())

    @property
    def known_sums(self) -> NDArray[np.float64]:
        """(G,) contributions by patient, 0 where they are not known."""
        sides = np.nan_to_num(self.by_class)
        total: NDArray[np.float64] = sides[0] + sides[1]
        return total


Bounds = Callable[[Measured, float], tuple[float, float]]
"""From what was measured, and alpha, to a lower and an upper bound."""


def task_interval(found: Measured, alpha: float = 0.05, bounds: Bounds | None = None) -> Interval:
    """Return the interval of one task, or of a metric of whole cases.

    Args:
        found: The value and what goes with it.
        alpha: 1 minus the coverage, in (0, 1).
        bounds: The metric's own bounds; None for `general_bounds`.
    """
    labels = found.labels.reshape(len(found.labels), -1)
    n_pos, n_neg = (int((labels == label).sum(axis=0).min()) for label in (1, 0))
    known = ~np.isnan(labels).any(axis=1)
    counts = (int(known.sum()), n_pos, n_neg, count_distinct(found.patient[known]))
    flags = [
        f"{word}_{side}"
        for side, count in zip(("positives", "negatives"), found.patients, strict=True)
        for word, least in (("few", FEW), ("scarce", SCARCE))
        if count < least
    ]
    if np.isnan(found.estimate):
        nan = float("nan")
        flags = [_why_undefined(found)]
        return Interval(nan, nan, nan, nan, *counts, tuple(flags))
    se = float(np.sqrt((found.sums**2).sum()))
    if se == 0:
        flags.append("no_variance")
    low, high = (bounds or general_bounds)(found, alpha)
    return Interval(found.estimate, se, low, high, *counts, tuple(flags))


def _why_undefined(found: Measured) -> str:
    if 0 in found.patients:
        return "single_class"
    return "no_score" if found.unscored else "no_threshold"


def macro_interval(
    tasks: Sequence[tuple[Measured, Interval]],
    n: int,
    n_patients: int,
    bounds: tuple[float, float],
) -> Interval:
    """Return the interval of the mean over tasks.

    Its arms are made from those of its tasks by the correlations of their patients' contributions
    (Zou and Donner 2008, Statistics in Medicine 27:1693-1702), so they know which tasks share
    patients.

    Args:
        tasks: What was measured for each task, with its interval.
        n: Cases with a known label in any of them.
        n_patients: Patients of those cases.
        bounds: Least and greatest value of the metric.
    """
    parts = [interval for _, interval in tasks]
    least = (min(part.n_pos for part in parts), min(part.n_neg for part in parts))
    counts = (n, *least, n_patients)
    flags = tuple(dict.fromkeys(flag for part in parts for flag in part.flags))
    estimates = np.array([part.estimate for part in parts])
    estimate = float(np.mean(estimates))
    if np.isnan(estimate):
        nan = float("nan")
        return Interval(nan, nan, nan, nan, *counts, flags)
    sums = np.stack([found.known_sums for found, _ in tasks])
    covariance = sums @ sums.T
    spread = np.sqrt(np.diag(covariance))
    scale = np.where(spread > 0, spread, np.inf)
    correlation = covariance / np.outer(scale, scale)
    # Perfectly separated tasks show no noise; what they hide, they may hide together.
    correlation[np.outer(spread == 0, spread == 0)] = 1.0
    np.fill_diagonal(correlation, 1.0)
    below = estimates - [part.low for part in parts]
    above = [part.high for part in parts] - estimates
    arms = [
        # Unlike max(), this keeps the NaN of a task without bounds.
        float(np.sqrt(np.maximum(0.0, arm @ correlation @ arm))) / len(parts)
        for arm in (below, above)
    ]
    silent = any(np.isnan(part.se) for part in parts)
    se = float("nan") if silent else float(np.sqrt(covariance.sum())) / len(parts)
    low = float(np.maximum(bounds[0], estimate - arms[0]))
    high = float(np.minimum(bounds[1], estimate + arms[1]))
    return Interval(estimate, se, low, high, *counts, flags)


def general_bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return bounds for any metric from its range, estimate and contributions.

    A value with two bounds is treated as a share of the way between them: Wilson's interval on the
    effective number of cases, that of independent ones which would have the clustered variance
    (Dean and Pagano 2015, Journal of Survey Statistics and Methodology 3:484-503). A value that is
    bounded on one side gets an interval on the logarithm of its distance from that side, and one
    without bounds a plain one. All use Student's t with Welch's degrees of freedom over the rarer
    class and the others. A class that comes from a single patient tells nothing of its spread: then
    a share counts as many cases as the rarest class has patients.

    Args:
        found: The value and what goes with it.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        Lower and upper bound; NaN where fewer than two patients say nothing of the spread, or
        those of a class do not and the value has no two bounds.
    """
    labels = found.labels.reshape(len(found.labels), -1)
    known = ~np.isnan(labels).any(axis=1)
    sums = found.known_sums
    patients = count_distinct(found.patient[known])
    if patients < 2:
        return float("nan"), float("nan")
    silent = bool(np.isnan(found.by_class).any())
    variance = 0.0 if silent else float((sums**2).sum())
    df = degrees_of_freedom(sums, rarest_class(labels, found.patient, len(sums)))
    t = -float(special.stdtrit(patients - 1 if np.isnan(df) else df, alpha / 2))
    low, high = found.range
    if np.isfinite(low) and np.isfinite(high):
        fewest = min(count for count in (*found.patients, patients) if count)
        share = wilson(
            (found.estimate - low) / (high - low), variance / (high - low) ** 2, fewest, t
        )
        return low + (high - low) * share[0], low + (high - low) * share[1]
    if silent:
        return float("nan"), float("nan")
    arm = t * float(np.sqrt(variance))
    if np.isinf(low) and np.isinf(high):
        return found.estimate - arm, found.estimate + arm
    end, sign = (low, 1.0) if np.isfinite(low) else (high, -1.0)
    distance = sign * (found.estimate - end)
    ratio = float(np.exp(arm / distance)) if distance > 0 else 1.0
    near, far = end + sign * distance / ratio, end + sign * distance * ratio
    return min(near, far), max(near, far)


def share_bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return `general_bounds` for a share of all cases, where no class counts more than another.

    Args:
        found: A share and what goes with it.
        alpha: 1 minus the coverage, in (0, 1).
    """
    labels = found.labels.reshape(len(found.labels), -1)
    patients = count_distinct(found.patient[~np.isnan(labels).any(axis=1)])
    return general_bounds(replace(found, patients=(patients, patients)), alpha)


def wilson(share: float, variance: float, patients: int, t: float) -> tuple[float, float]:
    """Return Wilson's interval of a share whose variance is known from clustered values.

    Args:
        share: In [0, 1].
        variance: Its variance, >= 0.
        patients: What stands for the effective number of values where nothing varies, or where a
            share of 0 or 1 leaves nothing to vary.
        t: Quantile of the distribution of the standardised error.
    """
    # Residuals that cancel leave rounding errors behind, which are no spread.
    model = share * (1 - share)
    effective = model / variance if variance > 1e-24 and model > 0 else float(patients)
    t2 = t**2
    centre = (share + t2 / (2 * effective)) / (1 + t2 / effective)
    arm = float(np.sqrt(t2 * (model / effective + t2 / (4 * effective**2))))
    arm /= 1 + t2 / effective
    # At a share of 0 or 1 the bound is that share, up to the last bit.
    return max(0.0, min(share, centre - arm)), min(1.0, max(share, centre + arm))
