"""The log loss: the mean negative logarithm of the probability that was given to the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.means import mean_with_contributions


def log_loss(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, clip: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log loss of each model and the contribution of each case; lower is better.

    Args:
        scores: (M, N) probabilities, one row per model.
        labels: (N,) values 0, 1 or NaN.
        patient: (N,) int, the number of each case's patient, from 0.
        clip: Probabilities are moved to [clip, 1 - clip], so that no case costs more than
            -log(clip).

    Returns:
        (M,) values >= 0 in natural units, NaN without a known label, and (M, N) contributions; see
        `mean_with_contributions`.
    """
    labels = np.asarray(labels, dtype=np.float64)
    probability = np.clip(np.asarray(scores, dtype=np.float64), clip, 1 - clip)
    losses = -np.log(np.where(labels == 1, probability, 1 - probability))
    return mean_with_contributions(losses, ~np.isnan(labels), patient)
