"""Confidence intervals for the AUROC of each task and for their mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from transfergrid.metrics.influence import count_distinct, influence_values, sum_by_patient
from transfergrid.runtime.errors import UserError

FEW = 30
"""With fewer patients of a class, how wide an interval is rests in good part on a model."""

SCARCE = 5
"""With fewer patients of a class, it rests on the model almost alone."""

_WEIGHT, _RATIO = 2.0, 1.5
"""The model counts as two misranked patients would, and takes their spread one and a half times as
large as the mean of exponential scores: what holds for skewed scores too, by simulation."""


@dataclass(frozen=True)
class Interval:
    """An AUROC and how sure it is.

    Attributes:
        estimate: AUROC in [0, 1]; NaN where the known labels hold a single class.
        se: DeLong's standard error, clustered by patient; 0 where classes are told apart wholly,
            NaN where a class has one patient.
        low: Lower bound in [0, 1] or NaN.
        high: Upper bound in [0, 1] or NaN.
        n: Studies with a known label (in any of the tasks, for a mean over tasks).
        n_pos: Positive studies (the fewest of the tasks, for a mean over tasks).
        n_neg: Negative studies (the fewest of the tasks, for a mean over tasks).
        n_patients: Patients of the n studies.
        flags: Of "single_class", "no_score", "few_positives", "few_negatives",
            "scarce_positives", "scarce_negatives", "no_variance".
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
class _Task:
    """One task's interval and its contributions by patient (G,), 0 where they are not known."""

    interval: Interval
    sums: NDArray[np.float64]


def delong_interval(estimate: float, se: float, alpha: float = 0.05) -> tuple[float, float]:
    """Return estimate +- z se, cut at 0 and 1, as R's pROC does.

    DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837-845).

    Args:
        estimate: AUROC in [0, 1].
        se: Its standard error, >= 0.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        Lower and upper bound; NaN where one of the numbers is.
    """
    low, high = np.clip(estimate + _normal_quantile(alpha) * se * np.array([-1, 1]), 0, 1)
    return float(low), float(high)


def score_interval(
    estimate: float, variances: Sequence[float], patients: Sequence[int], alpha: float = 0.05
) -> tuple[float, float]:
    """Return the bounds theta that solve (estimate - theta)^2 = z^2 V(theta).

    V(theta) = h(theta) sum over both classes of r / n, for n patients of the class. h is the
    variance of a placement under exponential scores, averaged over the classes, as in method 5 of
    Newcombe (2006, Statistics in Medicine 25:559-573); with r = 1 this is that method up to 1 / n.
    Here r = (q m + 3) / (q + 2), where m is the class's measured variance over that of the model
    at `estimate`, and q = (n - 1) theta (1 - theta) is how much of a spread its patients can show:
    near an AUROC of 1 hardly any is misranked. So few patients are judged by the model, with a
    margin for skewed scores, and many by DeLong's variance.

    Args:
        estimate: AUROC in [0, 1].
        variances: Variance from the patients of each class, positive and negative, >= 0; 0 too
            where a class has one patient.
        patients: Patients of each class, >= 1.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        Lower and upper bound; defined and of some width also at an AUROC of 0 or 1.
    """
    model = _placement_variance(estimate)
    sides = [
        (n, variance * n / model if model > 0 else 0.0)
        for variance, n in zip(variances, patients, strict=True)
    ]
    z2 = _normal_quantile(alpha) ** 2

    def outside(theta: float) -> bool:
        # Plain numbers: arrays of two would take most of the time of a table of cells.
        total = 0.0
        for n, measured in sides:
            weight = (n - 1) * theta * (1 - theta)
            total += (weight * measured + _WEIGHT * _RATIO) / (weight + _WEIGHT) / n
        return (estimate - theta) ** 2 > z2 * _placement_variance(theta) * total

    return _last_inside(outside, 0.0, estimate), _last_inside(outside, 1.0, estimate)


def _placement_variance(theta: float) -> float:
    """Return the variance of a placement under exponential scores, the mean of both classes."""
    return theta * (1 - theta) * ((1 - theta) / (2 - theta) + theta / (1 + theta)) / 2


def _last_inside(outside: Callable[[float], bool], end: float, estimate: float) -> float:
    """Return the bound between an end of the scale and the estimate, by bisection."""
    for _ in range(60):
        middle = (end + estimate) / 2
        end, estimate = (middle, estimate) if outside(middle) else (end, middle)
    return estimate


def intervals(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patient_id: ArrayLike,
    score_tasks: Sequence[int],
    alpha: float = 0.05,
) -> tuple[list[Interval], Interval]:
    """Return the interval of every task and of the macro AUROC.

    A task's interval is `score_interval` with each class's variance clustered by patient. A task
    that lacks a class is all NaN and flagged "single_class". The macro AUROC's arms are made of
    those of its tasks by the correlations of their patients' contributions (Zou and Donner 2008,
    Statistics in Medicine 27:1693-1702), so they know which tasks share patients.

    Args:
        probabilities: (N, T) scores, one row per study.
        labels: (N, T) values 0, 1 or NaN.
        patient_id: (N,) identifiers.
        score_tasks: Columns of the macro AUROC, at least one.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        T intervals in the order of the columns, and that of the macro AUROC.

    Raises:
        UserError: No task is named, shapes differ, or a label is neither 0, 1 nor NaN.
    """
    scores, labels = np.asarray(probabilities), np.asarray(labels)
    if len(score_tasks) == 0:
        raise UserError("The macro AUROC needs at least one task: name one in score_tasks.")
    patient = np.unique(np.asarray(patient_id), return_inverse=True)[1]
    tasks = [_task(scores[:, t], labels[:, t], patient, alpha) for t in range(scores.shape[1])]
    known = ~np.isnan(labels[:, list(score_tasks)]).all(axis=1)
    macro = _macro([tasks[t] for t in score_tasks], known, patient)
    return [task.interval for task in tasks], macro


def _task(scores: NDArray, labels: NDArray, patient: NDArray, alpha: float) -> _Task:
    area, values = influence_values(scores[None], labels, patient)
    estimate, groups = float(area[0]), int(patient.max(initial=-1)) + 1
    units = [labels == 1, labels == 0]
    clusters = [count_distinct(patient[u]) for u in units]
    n_pos, n_neg = (int(np.count_nonzero(u)) for u in units)
    n_patients = count_distinct(patient[units[0] | units[1]])
    counts = (n_pos + n_neg, n_pos, n_neg, n_patients)
    flags = [
        f"{word}_{side}"
        for side, count in zip(("positives", "negatives"), clusters, strict=True)
        for word, least in (("few", FEW), ("scarce", SCARCE))
        if count < least
    ]
    if np.isnan(estimate):
        nan = float("nan")
        flags = ["single_class"] if 0 in clusters else ["no_score"]
        return _Task(Interval(nan, nan, nan, nan, *counts, tuple(flags)), np.zeros(groups))
    by_class = [sum_by_patient(np.where(u, values, 0.0), patient, groups)[0] for u in units]
    sums = by_class[0] + by_class[1]
    se = float(np.sqrt((sums**2).sum()))
    if se == 0:
        flags.append("no_variance")
    by_class = [np.nan_to_num(side) for side in by_class]
    sums = by_class[0] + by_class[1]
    variances = [float((side**2).sum()) for side in by_class]
    # Patients with units of both classes make the whole another than the sum of the parts.
    shared = float((sums**2).sum()) / (sum(variances) or 1.0)
    low, high = score_interval(estimate, [v * shared for v in variances], clusters, alpha)
    return _Task(Interval(estimate, se, low, high, *counts, tuple(flags)), sums)


def _macro(tasks: Sequence[_Task], known: NDArray, patient: NDArray) -> Interval:
    parts = [task.interval for task in tasks]
    counts = (
        int(known.sum()),
        min(part.n_pos for part in parts),
        min(part.n_neg for part in parts),
        count_distinct(patient[known]),
    )
    flags = tuple(dict.fromkeys(flag for part in parts for flag in part.flags))
    estimates = np.array([part.estimate for part in parts])
    estimate = float(np.mean(estimates))
    if np.isnan(estimate):
        nan = float("nan")
        return Interval(nan, nan, nan, nan, *counts, flags)
    sums = np.stack([task.sums for task in tasks])
    covariance = sums @ sums.T
    spread = np.sqrt(np.diag(covariance))
    scale = np.where(spread > 0, spread, np.inf)
    correlation = covariance / np.outer(scale, scale)
    # Tasks that are told apart wholly show no noise; what they may hide they may hide together.
    correlation[np.outer(spread == 0, spread == 0)] = 1.0
    np.fill_diagonal(correlation, 1.0)
    below = estimates - [part.low for part in parts]
    above = [part.high for part in parts] - estimates
    arms = [
        float(np.sqrt(max(0.0, arm @ correlation @ arm))) / len(parts) for arm in (below, above)
    ]
    silent = any(np.isnan(part.se) for part in parts)
    se = float("nan") if silent else float(np.sqrt(covariance.sum())) / len(parts)
    low, high = max(0.0, estimate - arms[0]), min(1.0, estimate + arms[1])
    return Interval(estimate, se, low, high, *counts, flags)


def _normal_quantile(alpha: float) -> float:
    """Return z with alpha / 2 of the normal above it; scipy.stats takes a second to import."""
    return -float(special.ndtri(alpha / 2))
