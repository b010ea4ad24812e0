"""Average precision, exact under ties, with the contribution of each case by linearisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.influence import count_distinct


def average_precision(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the average precision of each model and the contribution of each case.

    It is the mean over positives of the precision at their score: a sum of steps, nothing
    interpolated; cases of equal scores pass the threshold together.

    Contributions are the derivatives by the weight of a case, which Davison and Hinkley (1997,
    Bootstrap Methods and their Application, section 2.7) call empirical influence values, times
    sqrt(I / (I - 1)) with I the number of patients who have a case of that class.

    Args:
        scores: (M, N) scores, one row per model.
        labels: (N,) values 0, 1 or NaN.
        patient: (N,) int, the number of each case's patient, from 0.

    Returns:
        (M,) values in [0, 1], NaN for a single class, and (M, N) contributions: 0 for a case with
        unknown label, NaN for those of a class that comes from a single patient.
    """
    scores, labels, patient = np.asarray(scores), np.asarray(labels), np.asarray(patient)
    known = ~np.isnan(labels)
    positive = labels[known] == 1
    estimates = np.full(len(scores), np.nan)
    values = np.zeros(scores.shape)
    if positive.all() or not positive.any():
        values[:, known] = np.nan
        return estimates, values
    patients = [count_distinct(patient[labels == label]) for label in (0, 1)]
    factors = [np.sqrt(n / (n - 1)) if n > 1 else np.nan for n in patients]
    scale = np.where(positive, factors[1], factors[0])
    for m, row in enumerate(scores[:, known]):
        estimates[m], derivatives = _linearised(row, positive)
        values[m, known] = derivatives * scale
    return estimates, values


def _linearised(scores: NDArray, positive: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Return the average precision and its derivative by the weight of each case."""
    # Levels of equal scores, from the highest down.
    _, level = np.unique(-scores, return_inverse=True)
    hits = np.bincount(level, positive)
    above = np.cumsum(np.bincount(level))
    true = np.cumsum(hits)
    precision = true / above
    total = true[-1]
    value = float((hits * precision).sum() / total)

    def at_or_below(terms: NDArray[np.float64]) -> NDArray[np.float64]:
        # A case counts among those above every positive at its level or below.
        summed: NDArray[np.float64] = np.cumsum(terms[::-1])[::-1][level]
        return summed

    own = precision[level] - value + at_or_below(hits / above)
    derivatives = np.where(positive, own, 0.0) - at_or_below(hits * precision / above)
    return value, derivatives / total
