"""Rank correlation over a set of models, with its uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from transfergrid.runtime.errors import UserError

_RESAMPLES = 50_000
"""Enough for all orders of 8 points (40,320); above, so many random ones."""


@dataclass(frozen=True)
class Correlation:
    """One row of tables/correlations.csv.

    Attributes:
        question: Name of the question.
        x: Name of the first quantity.
        y: Name of the second quantity.
        n: Points where both are known.
        rho: Spearman's rank correlation in [-1, 1]; NaN where undefined.
        low: Lower bound in [-1, 1] or NaN.
        high: Upper bound in [-1, 1] or NaN.
        p: Two-sided permutation p-value; NaN where rho is.
        method: How bounds and p were made, or why there are none.
    """

    question: str
    x: str
    y: str
    n: int
    rho: float
    low: float
    high: float
    p: float
    method: str


def spearman(
    x: ArrayLike,
    y: ArrayLike,
    question: str,
    x_name: str,
    y_name: str,
    rng: np.random.Generator,
    alpha: float = 0.05,
) -> Correlation:
    """Return Spearman's rho with a Fisher z interval and a permutation p-value.

    The variance of z is 1.06 / (n - 3) (Fieller, Hartley and Pearson 1957, Biometrika
    44:470-481). p permutes the pairing: all n! orders up to n = 8, else 50,000 random ones. The
    points are taken as a sample; their own sampling errors are not in the interval.

    Args:
        x: (n,) values, unrounded; a point with NaN in x or y is dropped.
        y: (n,) values.
        question: Name of the question.
        x_name: Name of x.
        y_name: Name of y.
        rng: Draws the random orders.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        The correlation. rho is NaN with fewer than 2 points or without variation; the interval is
        NaN with fewer than 4 points or at |rho| = 1, where z is infinite; `method` tells why.

    Raises:
        UserError: x and y differ in length.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise UserError(
            f"A correlation needs pairs, but {x_name} has shape {x.shape} and {y_name} {y.shape}."
        )
    known = ~(np.isnan(x) | np.isnan(y))
    ranks = [stats.rankdata(values[known]) for values in (x, y)]
    n = int(known.sum())
    nan = math.nan
    if n < 2 or any(np.ptp(r) == 0 for r in ranks):
        reason = "fewer than 2 points" if n < 2 else "no variation in x or y"
        return Correlation(question, x_name, y_name, n, nan, nan, nan, nan, f"undefined: {reason}")
    rho, p = _permuted(ranks[0], ranks[1], rng)
    test = "exact permutation" if math.factorial(n) <= _RESAMPLES else "random permutation"
    if n < 4:
        low, high, how = nan, nan, "no interval: fewer than 4 points"
    elif math.isclose(abs(rho), 1.0):
        low, high, how = nan, nan, "no interval: |rho| = 1"
    else:
        arm = float(stats.norm.isf(alpha / 2)) * math.sqrt(1.06 / (n - 3))
        low, high = (math.tanh(math.atanh(rho) + side) for side in (-arm, arm))
        how = "Fisher z, variance 1.06/(n-3)"
    return Correlation(question, x_name, y_name, n, rho, low, high, p, f"{how}; {test}")


def _permuted(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    fixed = y - y.mean()
    scale = math.sqrt(float(((x - x.mean()) ** 2).sum() * (fixed**2).sum()))

    def statistic(permuted: np.ndarray, axis: int = -1) -> np.ndarray:
        return ((permuted - x.mean()) * fixed).sum(axis=axis) / scale

    result = stats.permutation_test(
        (x,),
        statistic,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=5_000,
        rng=rng,
    )
    return float(result.statistic), float(result.pvalue)
