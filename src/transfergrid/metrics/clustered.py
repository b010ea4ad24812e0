"""Means of values that come several to a patient, with intervals that count patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


@dataclass(frozen=True)
class Mean:
    """A mean and its interval.

    Attributes:
        estimate: The mean over values; NaN where there are none.
        low: Lower bound; NaN where fewer than two patients say nothing of the spread.
        high: Upper bound, as `low`.
        n: Number of values.
        n_patients: Number of patients that they come from.
    """

    estimate: float
    low: float
    high: float
    n: int
    n_patients: int


def clustered_mean(values: ArrayLike, patient: ArrayLike, confidence: float = 0.95) -> Mean:
    """Return the mean of values in [0, 1] with Student's t interval, clipped to [0, 1].

    The variance is that of the patients' sums of residuals, times G / (G - 1) for G patients; df is
    G - 1.

    Args:
        values: (N,) real.
        patient: (N,) the patient of each value.
        confidence: Coverage, in (0, 1).
    """
    data, variance, groups = _spread(values, patient)
    if groups < 2:
        return _without_interval(data, groups)
    mean = float(data.mean())
    arm = float(_t_quantile(confidence, groups) * np.sqrt(variance))
    return Mean(mean, max(0.0, mean - arm), min(1.0, mean + arm), len(data), groups)


def clustered_share(values: ArrayLike, patient: ArrayLike, confidence: float = 0.95) -> Mean:
    """Return the share of ones with Wilson's interval on the effective number of values.

    The effective number is that of independent values which would have the clustered variance
    (Dean and Pagano 2015, Journal of Survey Statistics and Methodology 3:484-503), with t in the
    place of z; where all values are equal it is the number of patients.

    Args:
        values: (N,) zeros and ones.
        patient: (N,) the patient of each value.
        confidence: Coverage, in (0, 1).
    """
    data, variance, groups = _spread(values, patient)
    if groups < 2:
        return _without_interval(data, groups)
    share = float(data.mean())
    effective = share * (1 - share) / variance if variance > 0 else float(groups)
    t2 = _t_quantile(confidence, groups) ** 2
    centre = (share + t2 / (2 * effective)) / (1 + t2 / effective)
    arm = np.sqrt(t2 * (share * (1 - share) / effective + t2 / (4 * effective**2)))
    arm = float(arm / (1 + t2 / effective))
    # At a share of 0 or 1 the bound is that share, up to the last bit.
    low, high = max(0.0, min(share, centre - arm)), min(1.0, max(share, centre + arm))
    return Mean(share, low, high, len(data), groups)


def _t_quantile(confidence: float, groups: int) -> float:
    """Return Student's t of a two-sided interval; scipy.stats takes half a second to import."""
    return -float(special.stdtrit(groups - 1, (1 - confidence) / 2))


def _spread(values: ArrayLike, patient: ArrayLike) -> tuple[NDArray[np.float64], float, int]:
    """Return the values, the clustered variance of their mean, and the number of patients."""
    data = np.asarray(values, dtype=np.float64)
    _, index = np.unique(np.asarray(patient), return_inverse=True)
    if not len(data):
        return data, 0.0, 0
    sums = np.bincount(index, data - data.mean())
    groups = len(sums)
    factor = groups / (groups - 1) if groups > 1 else 1.0
    variance = float(factor * (sums**2).sum() / len(data) ** 2)
    # Residuals that cancel leave rounding errors behind, which are no spread.
    return data, variance if variance > 1e-24 else 0.0, groups


def _without_interval(data: NDArray[np.float64], groups: int) -> Mean:
    nan = float("nan")
    return Mean(float(data.mean()) if len(data) else nan, nan, nan, len(data), groups)
