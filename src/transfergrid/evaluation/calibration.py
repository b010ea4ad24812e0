"""How well probabilities agree with frequencies: reliability by bins, calibration error, Brier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.clustered import Mean, clustered_share

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Cases with about the same probability.

    Attributes:
        predicted: Their mean probability.
        observed: The share of positives, with an interval by patient.
    """

    predicted: float
    observed: Mean


@dataclass(frozen=True)
class Calibration:
    """How well a set of probabilities agrees with its labels.

    Attributes:
        bins: Bins with about equal counts, from the lowest probability up.
        ece: Expected calibration error: the mean distance between predicted and observed, weighted
            by the bins' counts (Naeini et al. 2015, with bins of equal count); it includes its own
            sampling noise.
        brier: Mean squared distance between probability and label (Brier 1950).
    """

    bins: tuple[Bin, ...]
    ece: float
    brier: float


def calibration(
    probability: ArrayLike,
    label: ArrayLike,
    patient: ArrayLike,
    bins: int = BINS,
    confidence: float = 0.95,
) -> Calibration:
    """Return reliability, calibration error and Brier score of some cases.

    Equal probabilities share a bin, so there may be fewer bins than requested.

    Args:
        probability: (N,) in [0, 1].
        label: (N,) 0 or 1.
        patient: (N,) the patient of each case.
        bins: Number of bins requested.
        confidence: Coverage of the bins' intervals, in (0, 1).
    """
    p = np.asarray(probability, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    who = np.asarray(patient)
    if not len(p):
        return Calibration((), float("nan"), float("nan"))
    which = bin_of(p, bins)
    found = tuple(
        Bin(float(p[rows].mean()), clustered_share(y[rows], who[rows], confidence))
        for rows in (which == number for number in np.unique(which))
    )
    gaps = [abs(b.predicted - b.observed.estimate) * b.observed.n for b in found]
    return Calibration(found, float(sum(gaps) / len(p)), float(np.mean((p - y) ** 2)))


def bin_of(probability: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return each probability's bin: between quantiles, including the lower edge."""
    edges = np.quantile(probability, np.arange(1, bins) / bins, method="higher")
    return np.searchsorted(np.unique(edges), probability, side="right").astype(np.int64)
