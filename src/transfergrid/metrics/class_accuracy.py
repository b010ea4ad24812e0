"""Accuracy over classes: the share of cases whose most probable class is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.means import mean_with_contributions


def class_accuracy(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of cases whose most probable class is right, and each contribution.

    Args:
        scores: (M, N, T) probabilities, one table per model; of equal ones, the first counts.
        labels: (N, T) one-hot rows; a row with NaN is dropped.
        patient: (N,) int, the number of each case's patient, from 0.

    Returns:
        (M,) shares, NaN without a known row, and (M, N) contributions; see
        `mean_with_contributions`.
    """
    labels = np.asarray(labels)
    known = ~np.isnan(labels).any(axis=1)
    truth = np.where(known[:, None], labels, 0).argmax(axis=1)
    right = np.asarray(scores).argmax(axis=2) == truth
    return mean_with_contributions(right, known, patient)
