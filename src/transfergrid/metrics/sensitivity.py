"""Sensitivity at a specificity that is fixed on validation scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.means import mean_with_contributions


def threshold_at_specificity(
    scores: ArrayLike, labels: ArrayLike, specificity: float
) -> NDArray[np.float64]:
    """Return the lowest threshold of each model under which enough negatives lie.

    It is halfway between the last negative that must lie below and the next higher score.

    Args:
        scores: (M, N) scores of validation cases, one row per model.
        labels: (N,) values 0, 1 or NaN.
        specificity: Share of the negatives that must lie below, in (0, 1).

    Returns:
        (M,) thresholds; a score at or above one is called positive. NaN without a negative.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    negatives = np.sort(scores[:, labels == 0], axis=1)
    count = negatives.shape[1]
    if count == 0:
        return np.full(len(scores), np.nan)
    # A share such as .9 of 10 must not become 10 by a rounding error.
    needed = max(1, math.ceil(specificity * count - 1e-9))
    found = np.empty(len(scores))
    for m, (row, last) in enumerate(zip(scores, negatives[:, needed - 1], strict=True)):
        higher = row[~np.isnan(labels) & (row > last)]
        found[m] = (last + higher.min()) / 2 if len(higher) else np.nextafter(last, np.inf)
        if found[m] <= last:  # the two are neighbours
            found[m] = np.nextafter(last, np.inf)
    return found


def sensitivity(
    scores: ArrayLike,
    labels: ArrayLike,
    patient: ArrayLike,
    specificity: float,
    threshold: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of positives at or above the threshold, and each case's contribution.

    Args:
        scores: (M, N) scores, one row per model.
        labels: (N,) values 0, 1 or NaN.
        patient: (N,) int, the number of each case's patient, from 0.
        specificity: What the threshold was chosen for.
        threshold: The operating point.

    Returns:
        (M,) shares, NaN without a positive, and (M, N) contributions, 0 for negatives; see
        `mean_with_contributions`.
    """
    called = np.asarray(scores) >= threshold
    return mean_with_contributions(called, np.asarray(labels) == 1, patient)
