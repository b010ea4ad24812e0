"""Means over cases with the contribution of each: what losses and shares have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.influence import count_distinct


def mean_with_contributions(
    values: ArrayLike, counted: NDArray[np.bool_], patient: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of each model's values over some cases, and each case's contribution.

    Contributions are residuals over the number of cases, times sqrt(I / (I - 1)) with I the number
    of patients: summed by patient and squared they give the clustered variance of the mean.

    Args:
        values: (M, N) real, one row per model; what is not counted may be anything.
        counted: (N,) the cases that the mean is over.
        patient: (N,) int, the number of each case's patient, from 0.

    Returns:
        (M,) means, NaN over no case, and (M, N) contributions: 0 for a case that is not counted,
        NaN where all cases are of one patient.
    """
    values, patient = np.asarray(values, dtype=np.float64), np.asarray(patient)
    contributions = np.zeros(values.shape)
    if not counted.any():
        return np.full(len(values), np.nan), contributions
    # Summed in one order, whatever rows stand beside it.
    means = np.ascontiguousarray(values[:, counted]).mean(axis=1)
    patients = count_distinct(patient[counted])
    factor = np.sqrt(patients / (patients - 1)) if patients > 1 else np.nan
    contributions[:, counted] = (values[:, counted] - means[:, None]) * factor / counted.sum()
    return means, contributions
