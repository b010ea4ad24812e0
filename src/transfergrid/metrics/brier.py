"""The Brier score: the mean squared distance of probability and label (Brier 1950)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.means import mean_with_contributions


def brier_score(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Brier score of each model and the contribution of each case; lower is better.

    Args:
        scores: (M, N) probabilities, one row per model.
        labels: (N,) values 0, 1 or NaN.
        patient: (N,) int, the number of each case's patient, from 0.

    Returns:
        (M,) values in [0, 1], NaN without a known label, and (M, N) contributions; see
        `mean_with_contributions`.
    """
    labels = np.asarray(labels, dtype=np.float64)
    return mean_with_contributions((np.asarray(scores) - labels) ** 2, ~np.isnan(labels), patient)
