"""Confidence intervals for the AUROC of a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from transfergrid.metrics.intervals import Measured

_WEIGHT, _RATIO = 2.0, 1.5
"""The model counts as two misranked patients would, and takes their spread one and a half times as
large as the mean of exponential scores: which holds for skewed scores too, by simulation."""


def bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return `score_interval` with each class's variance clustered by patient.

    Args:
        found: An AUROC and what goes with it.
        alpha: 1 minus the coverage, in (0, 1).
    """
    variances = [float((side**2).sum()) for side in np.nan_to_num(found.by_class)]
    # Patients with units of both classes make the whole differ from the sum of its parts.
    shared = float((found.known_sums**2).sum()) / (sum(variances) or 1.0)
    return score_interval(found.estimate, [v * shared for v in variances], found.patients, alpha)


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


def _normal_quantile(alpha: float) -> float:
    """Return z with alpha / 2 of the normal above it; scipy.stats takes a second to import."""
    return -float(special.ndtri(alpha / 2))
