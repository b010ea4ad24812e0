"""Methods on several data sets by their ranks: Friedman, Iman and Davenport, Nemenyi, Conover.

A block is a data set. Folds and seeds of one data set are no blocks: they share its patients, and
would make differences look surer than they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from transfergrid.catalog.normal_range import critical_difference, range_beyond


@dataclass(frozen=True)
class Ranked:
    """What ranks of k methods on n data sets show.

    Attributes:
        ranks: (n, k) rank of each method on each data set, 1 the best, ties averaged.
        means: (k,) their means.
        chi2: Friedman's statistic, corrected for ties; NaN where all is tied.
        p_chi2: Its p-value by chi-square with k - 1 degrees of freedom.
        f: Iman and Davenport's statistic (1980, Commun. Stat. A9:571-595); infinite where all
            data sets order the methods alike.
        df: Its degrees of freedom.
        p_f: Its p-value; where f is infinite that of such an order by chance, (1 / k!)^(n - 1).
        critical: Nemenyi's critical difference of mean ranks.
        p_nemenyi: (k, k) p-values of Nemenyi's test, which holds for all pairs together.
        p_conover: (k, k) p-values of Conover's test (1999), before any adjustment.
    """

    ranks: NDArray[np.float64]
    means: NDArray[np.float64]
    chi2: float
    p_chi2: float
    f: float
    df: tuple[int, int]
    p_f: float
    critical: float
    p_nemenyi: NDArray[np.float64]
    p_conover: NDArray[np.float64]


def rank_methods(scores: ArrayLike, alpha: float) -> Ranked:
    """Rank methods within each data set and test whether their mean ranks differ.

    Args:
        scores: (n, k) a row per data set, a column per method, higher better; no NaN. n, k >= 2.
            Scores that agree to 12 decimals are tied.
        alpha: Level of the critical difference, in (0, 1).
    """
    scores = np.asarray(scores, dtype=np.float64)
    n, k = scores.shape
    # Means of the same seeds' scores are a tie, whatever order they were added up in.
    ranks = np.asarray(stats.rankdata(-np.round(scores, 12), axis=1), dtype=np.float64)
    means = ranks.mean(axis=0)
    squares = float((ranks**2).sum())
    even = n * k * (k + 1) ** 2 / 4
    between = n * float((means**2).sum()) * n  # the sum of squared rank sums
    chi2 = (k - 1) * (between - n * even) / (squares - even) if squares > even else math.nan
    df = k - 1, (k - 1) * (n - 1)
    f, p_f = _iman_davenport(chi2, n, k, df)
    error = math.sqrt(k * (k + 1) / (12 * n))
    apart = np.abs(means[:, None] - means)
    nemenyi = np.array([[range_beyond(round(d / error, 12), k) for d in row] for row in apart])
    np.fill_diagonal(nemenyi, 1.0)
    return Ranked(
        ranks,
        means,
        chi2,
        float(stats.chi2.sf(chi2, k - 1)),
        f,
        df,
        p_f,
        critical_difference(n, k, alpha),
        nemenyi,
        _conover(n * apart, n * squares - between, df[1]),
    )


def _iman_davenport(chi2: float, n: int, k: int, df: tuple[int, int]) -> tuple[float, float]:
    left = n * (k - 1) - chi2
    if left <= 1e-9 * n * k:
        return math.inf, math.factorial(k) ** (1.0 - n)
    f = (n - 1) * chi2 / left
    return f, float(stats.f.sf(f, *df))


def _conover(apart: NDArray[np.float64], left: float, df: int) -> NDArray[np.float64]:
    """Return p-values of differences of rank sums.

    Args:
        apart: (k, k) differences of rank sums.
        left: n times the sum of squared ranks, less that of squared rank sums.
        df: (n - 1) (k - 1).
    """
    error = math.sqrt(max(2 * left / df, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(apart > 0, apart / error if error > 1e-9 else np.inf, 0.0)
    return np.asarray(2 * special.stdtr(df, -t))
