"""Confidence intervals for the AUROC of each task and for their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from transfergrid.evaluation.influence import count_distinct, influence_values, sum_by_patient
from transfergrid.runtime.errors import UserError

FEW = 30
"""Below so many patients with positives, or with negatives, Student's t replaces the normal."""


@dataclass(frozen=True)
class Interval:
    """An AUROC and how sure it is.

    Attributes:
        estimate: AUROC in [0, 1]; NaN where the known labels hold a single class.
        se: Standard error clustered by patient; for a score interval its longer arm over z.
        low: Lower bound in [0, 1] or NaN.
        high: Upper bound in [0, 1] or NaN.
        method: How the bounds were made.
        n: Studies with a known label (in any of the tasks, for a mean over tasks).
        n_pos: Positive studies (the fewest of the tasks, for a mean over tasks).
        n_neg: Negative studies (the fewest of the tasks, for a mean over tasks).
        n_patients: Patients of the n studies.
        flags: Of "single_class", "few_positives", "few_negatives", "no_variance".
    """

    estimate: float
    se: float
    low: float
    high: float
    method: str
    n: int
    n_pos: int
    n_neg: int
    n_patients: int
    flags: tuple[str, ...]


@dataclass(frozen=True)
class _Task:
    """One task: its interval, its contributions by unit (N,), and the df of its variance."""

    interval: Interval
    values: NDArray[np.float64]
    df: float


def logit_interval(estimate: float, se: float, critical: float) -> tuple[float, float]:
    """Return estimate +- critical * se on the logit scale, which stays inside (0, 1).

    Pepe (2003), The Statistical Evaluation of Medical Tests, section 5.2.

    Args:
        estimate: In (0, 1).
        se: Standard error on the scale of the estimate, >= 0.
        critical: Quantile of the normal or of Student's t.

    Returns:
        Lower and upper bound.
    """
    centre = np.log(estimate) - np.log1p(-estimate)
    arm = critical * se / (estimate * (1 - estimate))
    low, high = 1 / (1 + np.exp(-(centre + np.array([-arm, arm]))))
    return float(low), float(high)


def score_interval(
    estimate: float, n_pos: int, n_neg: int, alpha: float = 0.05
) -> tuple[float, float]:
    """Return the score interval of Newcombe, defined also at an AUROC of 0 or 1.

    Solves (estimate - theta)^2 = z^2 V(theta) with the variance of Hanley and McNeil under
    exponential scores and balanced counts: method 5 of Newcombe (2006, Statistics in Medicine
    25:559-573).

    Args:
        estimate: AUROC in [0, 1].
        n_pos: Number of independent positives, >= 1.
        n_neg: Number of independent negatives, >= 1.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        Lower and upper bound; the upper is 1 at an estimate of 1, the lower 0 at 0.
    """
    from scipy import optimize  # rarely needed, and slow to import for the workers that make tables

    z = _normal_quantile(alpha)
    balanced = (n_pos + n_neg) / 2 - 1

    def lower(observed: float) -> float:
        def distance(theta: float) -> float:
            spread = 1 + balanced * ((1 - theta) / (2 - theta) + theta / (1 + theta))
            variance = theta * (1 - theta) * spread / (n_pos * n_neg)
            return (observed - theta) ** 2 - z**2 * variance

        # The equation also holds at theta = observed = 1, which is not the bound.
        end = min(observed, 1 - 1e-12)
        return float(optimize.brentq(distance, 0.0, end)) if observed > 0 else 0.0

    return lower(estimate), 1 - lower(1 - estimate)


def intervals(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patient_id: ArrayLike,
    score_tasks: Sequence[int],
    alpha: float = 0.05,
) -> tuple[list[Interval], Interval]:
    """Return the interval of every task and of the macro AUROC.

    A task's interval is DeLong's, estimate +- z se, with the variance clustered by patient; where
    it would leave [0, 1] it is taken on the logit scale. With fewer than `FEW` patients of either
    class it is on the logit scale with Student's t, df by Welch and Satterthwaite from the two
    classes' variances. Where that variance is zero (perfect separation, all tied) or undefined
    (all positives or all negatives from one patient), it is `score_interval` on the numbers of
    patients. A task that lacks a class is all NaN and flagged "single_class".

    The macro AUROC's variance comes from the patients' contributions to the mean, so it covers
    the dependence between tasks; its df, where a task has few patients of a class, is the
    smallest of the tasks'. A task without variance adds the square of its score interval's
    standard error instead. If all tasks are without variance, the bounds are the means of the
    tasks' bounds.

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
    macro = _macro([tasks[t] for t in score_tasks], known, patient, alpha)
    return [task.interval for task in tasks], macro


def _task(scores: NDArray, labels: NDArray, patient: NDArray, alpha: float) -> _Task:
    area, values = influence_values(scores[None], labels, patient)
    estimate, values = float(area[0]), values[0]
    units = [labels == 1, labels == 0]
    n_pos, n_neg = (int(np.count_nonzero(u)) for u in units)
    clusters = [count_distinct(patient[u]) for u in units]
    n = n_pos + n_neg
    n_patients = count_distinct(patient[units[0] | units[1]])
    flags = [
        flag
        for flag, count in zip(("few_positives", "few_negatives"), clusters, strict=True)
        if count < FEW
    ]
    counts = (n, n_pos, n_neg, n_patients)
    if np.isnan(estimate):
        nan = float("nan")
        flags = ["single_class"] if 0 in clusters else ["no_score"]
        interval = Interval(nan, nan, nan, nan, "undefined", *counts, tuple(flags))
        return _Task(interval, values, nan)
    variance = float((_patient_sums(values, patient) ** 2).sum())
    if not variance > 0:
        low, high = score_interval(estimate, clusters[0], clusters[1], alpha)
        se = max(estimate - low, high - estimate) / _normal_quantile(alpha)
        flags.append("no_variance")
        method = "score interval (Newcombe 5)"
        return _Task(
            Interval(estimate, se, low, high, method, *counts, tuple(flags)),
            np.zeros_like(values),
            np.inf,
        )
    df = np.inf
    if flags:
        by_class = [float((_patient_sums(values * u, patient) ** 2).sum()) for u in units]
        df = sum(by_class) ** 2 / sum(
            v**2 / (count - 1) for v, count in zip(by_class, clusters, strict=True)
        )
    se = float(np.sqrt(variance))
    low, high, method = _bounds(estimate, se, df, alpha)
    interval = Interval(estimate, se, low, high, method, *counts, tuple(flags))
    return _Task(interval, values, df)


def _macro(tasks: Sequence[_Task], known: NDArray, patient: NDArray, alpha: float) -> Interval:
    parts = [task.interval for task in tasks]
    counts = (
        int(known.sum()),
        min(part.n_pos for part in parts),
        min(part.n_neg for part in parts),
        count_distinct(patient[known]),
    )
    flags = tuple(dict.fromkeys(flag for part in parts for flag in part.flags))
    estimate = float(np.mean([part.estimate for part in parts]))
    if np.isnan(estimate):
        nan = float("nan")
        return Interval(nan, nan, nan, nan, "undefined", *counts, flags)
    values = np.mean([task.values for task in tasks], axis=0)
    variance = float((_patient_sums(values, patient) ** 2).sum())
    if not variance > 0:
        low, high = (float(np.mean([getattr(p, side) for p in parts])) for side in ("low", "high"))
        se = float(np.mean([part.se for part in parts]))
        method = "mean of score intervals (Newcombe 5)"
        return Interval(estimate, se, low, high, method, *counts, flags)
    silent = sum(part.se**2 for part in parts if "no_variance" in part.flags)
    se = float(np.sqrt(variance + silent / len(parts) ** 2))
    low, high, method = _bounds(estimate, se, min(task.df for task in tasks), alpha)
    return Interval(estimate, se, low, high, method, *counts, flags)


def _patient_sums(values: NDArray, patient: NDArray) -> NDArray[np.float64]:
    return sum_by_patient(values[None], patient, int(patient.max(initial=-1)) + 1)[0]


def _bounds(estimate: float, se: float, df: float, alpha: float) -> tuple[float, float, str]:
    if not np.isinf(df):
        low, high = logit_interval(estimate, se, -float(special.stdtrit(df, alpha / 2)))
        return low, high, "DeLong clustered by patient, t on the logit"
    critical = _normal_quantile(alpha)
    arm = critical * se
    if estimate - arm >= 0 and estimate + arm <= 1:
        return estimate - arm, estimate + arm, "DeLong clustered by patient"
    low, high = logit_interval(estimate, se, critical)
    return low, high, "DeLong clustered by patient, on the logit"


def _normal_quantile(alpha: float) -> float:
    """Return z with alpha / 2 of the normal above it; scipy.stats takes a second to import."""
    return -float(special.ndtri(alpha / 2))
