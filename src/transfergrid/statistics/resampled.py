"""The corrected resampled t test of Nadeau and Bengio, for folds that share training data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from transfergrid.statistics.comparisons import Compared
from transfergrid.statistics.reader import Reader


@dataclass(frozen=True)
class Resampled:
    """A mean difference over folds.

    Attributes:
        estimate: The mean.
        se: Its corrected standard error, >= 0; NaN from fewer than two folds.
        df: Folds minus one.
        low: Lower bound; NaN without a standard error.
        high: Upper bound, as `low`.
        p: Two-sided p-value of no difference; NaN without a spread.
    """

    estimate: float
    se: float
    df: int
    low: float
    high: float
    p: float


def corrected_resampled_t(differences: ArrayLike, ratio: float, alpha: float = 0.05) -> Resampled:
    """Return the mean difference over folds with its corrected t interval.

    Folds train on mostly the same patients, so their differences go together, and the variance of
    the mean is taken as (1/J + test/train) s^2 instead of s^2/J; Nadeau and Bengio (2003, Machine
    Learning 52:239-281). The correlation test/(test + train) that this rests on is a guess that
    tends to be cautious.

    Args:
        differences: (J,) a difference of a metric from each fold.
        ratio: Units tested over units trained on, in one fold, > 0.
        alpha: 1 minus the coverage, in (0, 1).
    """
    values = np.asarray(differences, dtype=np.float64)
    count, estimate = len(values), float(values.mean()) if len(values) else math.nan
    if count < 2:
        return Resampled(estimate, math.nan, max(count - 1, 0), math.nan, math.nan, math.nan)
    se = math.sqrt((1 / count + ratio) * float(values.var(ddof=1)))
    arm = float(stats.t.isf(alpha / 2, count - 1)) * se
    spread = se > 1e-12  # below that it is rounding of equal numbers
    p = float(2 * stats.t.sf(abs(estimate) / se, count - 1)) if spread else math.nan
    return Resampled(estimate, se, count - 1, estimate - arm, estimate + arm, p)


def differences_by_fold(one: Compared, reader: Reader) -> NDArray[np.float64]:
    """Return a contrast's difference in each fold, averaged over networks, seeds and tasks.

    Args:
        one: A contrast of runs that have folds.
        reader: Reads them.

    Returns:
        (J,) differences; a task in which a fold has no value is no part of that fold's, and a fold
        without any task is left out.
    """
    signed = []
    for pair in one.pairs:
        for sign, arm in zip((1.0, -1.0), pair, strict=True):
            runs = [reader.pooled(arm[seed]["cell"], metric=one.metric) for seed in one.row.seeds]
            signed.append(sign * np.mean([run.by_fold for run in runs], axis=0))
    used = reader.pooled(one.pairs[0][0][one.row.seeds[0]]["cell"], metric=one.metric).used
    apart = np.sum(signed, axis=0) / len(one.pairs)
    folds = used.any(axis=1)
    return np.array(
        [float(np.mean(row[own])) for row, own in zip(apart[folds], used[folds], strict=True)]
    )
