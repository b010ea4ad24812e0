"""Balanced accuracy at the threshold that is best on validation scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from transfergrid.metrics.intervals import Measured, wilson
from transfergrid.metrics.means import mean_with_contributions


def best_threshold(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return each model's threshold of the largest balanced accuracy, the lowest if several tie.

    It is halfway between neighbouring scores (Youden 1950, Cancer 3:32-35).

    Args:
        scores: (M, N) scores of validation cases, one row per model.
        labels: (N,) values 0, 1 or NaN.

    Returns:
        (M,) thresholds; a score at or above one is called positive. NaN for a single class.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    positive, negative = labels == 1, labels == 0
    if not positive.any() or not negative.any():
        return np.full(len(scores), np.nan)
    found = np.empty(len(scores))
    for m, row in enumerate(scores):
        levels = np.unique(row[positive | negative])
        between = (levels[1:] + levels[:-1]) / 2
        between = np.where(between > levels[:-1], between, levels[1:])
        cuts = np.concatenate([levels[:1], between])
        missed = np.searchsorted(np.sort(row[positive]), cuts) / positive.sum()
        spared = np.searchsorted(np.sort(row[negative]), cuts) / negative.sum()
        found[m] = cuts[np.argmax(np.round(spared - missed, 12))]
    return found


def balanced_accuracy(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of sensitivity and specificity, and each case's contribution.

    Args:
        scores: (M, N) scores, one row per model.
        labels: (N,) values 0, 1 or NaN.
        patient: (N,) int, the number of each case's patient, from 0.
        threshold: The operating point; a score at or above it is called positive.

    Returns:
        (M,) values in [0, 1], NaN for a single class, and (M, N) contributions; see
        `mean_with_contributions`.
    """
    called, labels = np.asarray(scores) >= threshold, np.asarray(labels)
    found, values = mean_with_contributions(called, labels == 1, patient)
    spared, others = mean_with_contributions(~called, labels == 0, patient)
    return (found + spared) / 2, (values + others) / 2


def bounds(found: Measured, alpha: float = 0.05) -> tuple[float, float]:
    """Return bounds from Wilson's for sensitivity and for specificity, patients clustered.

    The arms of the two add as those of independent quantities (Zou and Donner 2008, Statistics in
    Medicine 27:1693-1702), times how much patients with cases of both classes change the variance.

    Args:
        found: A balanced accuracy and what goes with it.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        Lower and upper bound; NaN where a class comes from a single patient.
    """
    if min(found.patients) < 2:
        return float("nan"), float("nan")
    sides = []
    for label, sums, patients in zip((1, 0), found.by_class, found.patients, strict=True):
        right = (found.scores >= found.threshold) == (label == 1)
        share = float(right[found.labels == label].mean())
        t = -float(special.stdtrit(patients - 1, alpha / 2))
        # Contributions are halves: the mean is over two classes.
        low, high = wilson(share, 4 * float((sums**2).sum()), patients, t)
        sides.append((share - low, high - share))
    apart = float((found.by_class**2).sum())
    shared = float(np.sqrt((found.sums**2).sum() / apart)) if apart > 0 else 1.0
    below, above = (float(np.hypot(*arms)) / 2 * shared for arms in zip(*sides, strict=True))
    return max(0.0, found.estimate - below), min(1.0, found.estimate + above)
