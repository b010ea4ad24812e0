"""Cohen's kappa with quadratic weights, for classes in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.influence import count_distinct


def quadratic_kappa(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weighted kappa of the most probable class, and each case's contribution.

    1 minus the mean squared distance of the classes over that which chance would give (Cohen
    1968, Psychological Bulletin 70:213-220). Contributions are its derivatives by the weight of a
    case (Fleiss, Cohen and Everitt 1969, Psychological Bulletin 72:323-327), times
    sqrt(I / (I - 1)) with I the number of patients.

    Args:
        scores: (M, N, T) probabilities, one table per model; of equal ones, the first counts.
        labels: (N, T) one-hot rows, classes in their order; a row with NaN is dropped.
        patient: (N,) int, the number of each case's patient, from 0.

    Returns:
        (M,) values in [-1, 1], NaN where truth and answers are all one class, and (M, N)
        contributions: 0 for an unknown row, NaN for a single patient.
    """
    scores, labels, patient = np.asarray(scores), np.asarray(labels), np.asarray(patient)
    known = ~np.isnan(labels).any(axis=1)
    truth = labels[known].argmax(axis=1)
    count, classes = len(truth), labels.shape[1]
    patients = count_distinct(patient[known])
    factor = np.sqrt(patients / (patients - 1)) if patients > 1 else np.nan
    weights = np.square(np.subtract.outer(np.arange(classes), np.arange(classes)), dtype=float)
    estimates, values = np.full(len(scores), np.nan), np.zeros(scores.shape[:2])
    for m, table in enumerate(scores[:, known]):
        answer = table.argmax(axis=1)
        rows = np.bincount(truth, minlength=classes)
        columns = np.bincount(answer, minlength=classes)
        pairs = float(rows @ weights @ columns)
        if pairs == 0:
            values[m, known] = np.nan
            continue
        distance = weights[truth, answer]
        # In whole numbers, so that one answer for all cases is worth 0 to the last bit.
        estimates[m] = 1 - float(distance.sum()) * count / pairs
        seen, by_chance = float(distance.mean()), pairs / count**2
        expected = ((weights @ columns)[truth] + (rows @ weights)[answer]) / count
        slope = -(distance - seen) / by_chance + seen * (expected - 2 * by_chance) / by_chance**2
        values[m, known] = slope * factor / count
    return estimates, values
