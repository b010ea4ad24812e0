"""Shares at a fixed threshold: specificity, and predictive values of a call.

Each has the contract of a metric with an operating point, as `sensitivity` has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from transfergrid.metrics.influence import count_distinct
from transfergrid.metrics.intervals import Measured, wilson
from transfergrid.metrics.means import mean_with_contributions
from transfergrid.metrics.sensitivity import sensitivity as share_of_positives

Found = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(M,) shares, and (M, N) contributions: see `mean_with_contributions`."""


def sensitivity(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, threshold: float, **_: Any
) -> Found:
    """Return the share of positives at or above the threshold.

    Args:
        scores: (M, N) scores, one row per model.
        labels: (N,) values 0, 1 or NaN.
        patient: (N,) int, the number of each case's patient, from 0.
        threshold: The operating point, chosen on other cases.

    Returns:
        Shares, NaN without a positive, and contributions.
    """
    return share_of_positives(scores, labels, patient, float("nan"), threshold)


def specificity(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, threshold: float, **_: Any
) -> Found:
    """Return the share of negatives below the threshold; arguments as of `sensitivity`."""
    below = np.asarray(scores) < threshold
    return mean_with_contributions(below, np.asarray(labels) == 0, patient)


def ppv(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, threshold: float, **_: Any
) -> Found:
    """Return the share of positives among cases at or above the threshold; NaN without any.

    It holds at these cases' share of positives; arguments are those of `sensitivity`.
    """
    return _predictive(np.asarray(scores) >= threshold, np.asarray(labels), patient, 1)


def npv(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, threshold: float, **_: Any
) -> Found:
    """Return the share of negatives among cases below the threshold; NaN without any.

    It holds at these cases' share of positives; arguments are those of `sensitivity`.
    """
    return _predictive(np.asarray(scores) < threshold, np.asarray(labels), patient, 0)


def sensitivity_bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return Wilson's bounds: see `_bounds`."""
    return _bounds(found, found.labels == 1, alpha)


def specificity_bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return Wilson's bounds: see `_bounds`."""
    return _bounds(found, found.labels == 0, alpha)


def ppv_bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return Wilson's bounds: see `_bounds`."""
    return _bounds(found, (found.scores >= found.threshold) & ~np.isnan(found.labels), alpha)


def npv_bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return Wilson's bounds: see `_bounds`."""
    return _bounds(found, (found.scores < found.threshold) & ~np.isnan(found.labels), alpha)


def _bounds(found: Measured, counted: NDArray[np.bool_], alpha: float) -> tuple[float, float]:
    """Return Wilson's bounds of a share of the cases that are counted, patients clustered.

    The number of cases is the effective one (Dean and Pagano 2015, Journal of Survey Statistics and
    Methodology 3:484-503), and the quantile Student's t with a patient less than there are: with
    one film a patient that is Wilson's interval of n - 1 cases.
    """
    patients = count_distinct(found.patient[counted])
    if patients < 2:
        return float("nan"), float("nan")
    t = -float(special.stdtrit(patients - 1, alpha / 2))
    return wilson(found.estimate, float((found.known_sums**2).sum()), patients, t)


def _predictive(
    called: NDArray[np.bool_], labels: NDArray, patient: ArrayLike, truth: int
) -> Found:
    """Return the share of cases with a label among those that each (M, N) row calls so."""
    known = ~np.isnan(labels)
    rows = [mean_with_contributions([labels == truth], row & known, patient) for row in called]
    return np.concatenate([mean for mean, _ in rows]), np.concatenate([own for _, own in rows])
