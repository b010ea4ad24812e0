"""Two arms of a few runs each: Welch's interval, and what a permutation of the runs can show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

RELABELLINGS = 20_000
"""Ways to share runs out between two arms up to which all are tried; of more, so many are drawn."""


@dataclass(frozen=True)
class Welch:
    """A difference of means with its interval; all but `estimate` are NaN where nothing varies.

    Attributes:
        estimate: Mean of the first arm minus that of the second.
        low: Lower bound.
        high: Upper bound.
        df: Degrees of freedom.
        p: Two-sided p-value of no difference.
    """

    estimate: float
    low: float
    high: float
    df: float
    p: float


def welch(
    a: ArrayLike, b: ArrayLike, alpha: float, least: tuple[float, float] = (0.0, 0.0)
) -> Welch:
    """Compare the means of two independent samples whose variances may differ (Welch 1947).

    Args:
        a: (n,) values of the first arm.
        b: (m,) values of the second.
        alpha: 1 minus the coverage of the interval, in (0, 1).
        least: For either arm the variance that a value has for a reason beside the sampling, such
            as rounding: an arm's variance is not taken to be smaller.

    Returns:
        Without an interval where an arm has a single value, or neither varies.
    """
    first, second = (np.asarray(arm, dtype=np.float64) for arm in (a, b))
    estimate = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return Welch(estimate, math.nan, math.nan, math.nan, math.nan)
    parts = np.array(
        [
            max(float(arm.var(ddof=1)), floor) / len(arm)
            for arm, floor in zip((first, second), least, strict=True)
        ]
    )
    error = math.sqrt(parts.sum())
    if error == 0:
        return Welch(estimate, math.nan, math.nan, math.nan, math.nan)
    freedom = np.array([len(first) - 1, len(second) - 1])
    df = float(parts.sum() ** 2 / (parts**2 / freedom).sum())
    arm = -float(special.stdtrit(df, alpha / 2)) * error
    p = 2 * float(special.stdtr(df, -abs(estimate) / error))
    return Welch(estimate, estimate - arm, estimate + arm, df, p)


def mean_interval(values: ArrayLike, alpha: float, least: float = 0.0) -> tuple[float, float]:
    """Return Student's t interval of a mean; NaN of a single value, or where nothing varies.

    Args:
        values: (n,) values.
        alpha: 1 minus the coverage, in (0, 1).
        least: The least variance of a value, as in `welch`.
    """
    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2:
        return math.nan, math.nan
    error = math.sqrt(max(float(found.var(ddof=1)), least) / len(found))
    if error == 0:
        return math.nan, math.nan
    arm = -float(special.stdtrit(len(found) - 1, alpha / 2)) * error
    return float(found.mean()) - arm, float(found.mean()) + arm


def permutation_p(a: ArrayLike, b: ArrayLike, seed: int) -> tuple[float, float]:
    """Return the p-value of a permutation test of equal means, and the smallest it could have had.

    All ways to share the values out between the arms are tried, or `RELABELLINGS` of them drawn.
    p is twice the smaller one-sided share. The smallest is that of the way which sets the arms
    furthest apart: with three values against three, all different, 2 / 20.

    Args:
        a: (n,) values of the first arm.
        b: (m,) values of the second.
        seed: Of the draws.

    Returns:
        Both in (0, 1].
    """
    first, second = (np.asarray(arm, dtype=np.float64) for arm in (a, b))
    n, m = len(first), len(second)
    pool = np.concatenate([first, second])
    drawn = math.comb(n + m, n) > RELABELLINGS
    ways = _drawn_ways(n, m, seed) if drawn else _every_way(n, m)
    apart = (ways @ pool) * (1 / n + 1 / m) - pool.sum() / m
    own = float(first.mean() - second.mean())
    near = 1e-9 * max(float(np.abs(pool).max()), 1e-300)

    def twice(value: float) -> float:
        ends = (apart <= value + near).sum(), (apart >= value - near).sum()
        # The arms as they are count among the ways that were drawn.
        return min(1.0, 2 * float(min(ends) + drawn) / (len(apart) + drawn))

    # Of many ways, the arms as they are may be further apart than any that was drawn.
    ends = min(own, float(apart.min())), max(own, float(apart.max()))
    return twice(own), min(map(twice, ends))


@cache
def _every_way(n: int, m: int) -> NDArray[np.float64]:
    """Return (ways, n + m) 1 for what the first arm gets, of every way to share out."""
    chosen = np.array(list(combinations(range(n + m), n)))
    ways = np.zeros((len(chosen), n + m))
    np.put_along_axis(ways, chosen, 1.0, axis=1)
    return ways


def _drawn_ways(n: int, m: int, seed: int) -> NDArray[np.float64]:
    ways = np.zeros((RELABELLINGS, n + m))
    ways[:, :n] = 1.0
    return np.random.default_rng(seed).permuted(ways, axis=1)
