"""Macro F1: the mean over classes of the harmonic mean of precision and sensitivity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.influence import count_distinct


def macro_f1(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the macro F1 of the most probable class, and each case's contribution.

    Contributions are derivatives by the weight of a case, times sqrt(I / (I - 1)) with I the number
    of patients.

    Args:
        scores: (M, N, T) probabilities, one table per model; of equal ones, the first counts.
        labels: (N, T) one-hot rows; a row with NaN is dropped.
        patient: (N,) int, the number of each case's patient, from 0.

    Returns:
        (M,) values in [0, 1], NaN where a class has no case, because a mean over fewer classes
        would be another quantity; and (M, N) contributions: 0 for an unknown row, NaN for a single
        patient.
    """
    scores, labels, patient = np.asarray(scores), np.asarray(labels), np.asarray(patient)
    known = ~np.isnan(labels).any(axis=1)
    truth = labels[known] == 1
    patients = count_distinct(patient[known])
    factor = np.sqrt(patients / (patients - 1)) if patients > 1 else np.nan
    estimates, values = np.full(len(scores), np.nan), np.zeros(scores.shape[:2])
    if not truth.any(axis=0).all():
        values[:, known] = np.nan
        return estimates, values
    for m, table in enumerate(scores[:, known]):
        answer = np.eye(truth.shape[1], dtype=bool)[table.argmax(axis=1)]
        both = answer.sum(axis=0) + truth.sum(axis=0)
        f1 = 2 * (answer & truth).sum(axis=0) / both
        slopes = (2.0 * (answer & truth) - f1 * (answer.astype(float) + truth)) / both
        estimates[m], values[m, known] = f1.mean(), slopes.mean(axis=1) * factor
    return estimates, values
