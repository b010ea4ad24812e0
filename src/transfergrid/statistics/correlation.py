"""Rank correlation over a set of networks, with its uncertainty."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from transfergrid.runtime.errors import UserError
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.power import rho_critical, rho_detectable

_RESAMPLES = 50_000
"""Enough for all orders of 8 points (40,320); above, so many random ones."""
_EPS = 1e-9


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
        p_adjusted: p after Holm's method within the question.
        p_family: p-value when y is permuted within families only: a test of association within
            families; NaN if no family has two points.
        se_patients: Standard error of Fisher's z from the test set's patients, which the bounds
            include; NaN where it was not given.
        margin: Largest |rho| that counts as no relation; NaN if none was stated.
        verdict: "none" (the interval lies within the margin), "positive", "negative" or
            "undecided".
        rho_critical: Smallest |rho| of n points that is significant.
        rho_detectable: True |rho| that n points detect with 80 % power.
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
    p_adjusted: float = math.nan
    p_family: float = math.nan
    se_patients: float = math.nan
    margin: float = math.nan
    verdict: str = "undecided"
    rho_critical: float = math.nan
    rho_detectable: float = math.nan


def spearman(
    x: ArrayLike,
    y: ArrayLike,
    question: str,
    x_name: str,
    y_name: str,
    rng: np.random.Generator,
    alpha: float = 0.05,
    families: Sequence[str] | None = None,
    replicates: ArrayLike | None = None,
    margin: float | None = None,
) -> Correlation:
    """Return Spearman's rho with a Fisher z interval and a permutation p-value.

    The variance of z is 1.06 / (n - 3) for the points as a sample (Fieller, Hartley and Pearson
    1957, Biometrika 44:470-481), plus, where replicates of y are given, the variance of z over
    them. p permutes the pairing: all n! orders up to n = 8, else 50,000 random ones.

    Args:
        x: (n,) values, unrounded; a point with NaN in x or y is dropped.
        y: (n,) values.
        question: Name of the question.
        x_name: Name of x.
        y_name: Name of y.
        rng: Draws the random orders.
        alpha: 1 minus the coverage, in (0, 1).
        families: (n,) the family of each point, for `p_family`.
        replicates: (n, B) of y, such as `patient_replicates` gives them.
        margin: Largest |rho| that counts as no relation, in (0, 1).

    Returns:
        The correlation. rho is NaN with fewer than 2 points or without variation; the interval is
        NaN with fewer than 4 points or at |rho| = 1, where z is infinite; `method` tells why.

    Raises:
        UserError: x and y differ in length.
    """
    known, ranks = _ranked(x, y, x_name, y_name)
    n, nan = int(known.sum()), math.nan
    row = Correlation(question, x_name, y_name, n, nan, nan, nan, nan, "")
    row = replace(row, margin=nan if margin is None else margin)
    if n < 2 or any(np.ptp(r) == 0 for r in ranks):
        reason = "fewer than 2 points" if n < 2 else "no variation in x or y"
        return replace(row, method=f"undefined: {reason}")
    rho, p = _permuted(ranks[0], ranks[1], rng)
    test = "exact permutation" if math.factorial(n) <= _RESAMPLES else "random permutation"
    draws = None if replicates is None else np.asarray(replicates)[known]
    low, high, se_patients, how = _interval(rho, ranks[0], draws, alpha)
    p_family = nan
    if families is not None:
        p_family = permuted_within(ranks[0], ranks[1], np.asarray(families)[known], rng)
    row = replace(row, rho=rho, low=low, high=high, p=p, method=f"{how}; {test}")
    return replace(
        row,
        p_family=p_family,
        se_patients=se_patients,
        rho_critical=rho_critical(n, alpha),
        rho_detectable=rho_detectable(n, alpha),
    )


def _ranked(
    x: ArrayLike, y: ArrayLike, x_name: str, y_name: str
) -> tuple[NDArray[np.bool_], list[NDArray[np.float64]]]:
    """Return which points are known, and the ranks of x and y among these."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise UserError(
            f"A correlation needs pairs, but {x_name} has shape {x.shape} and {y_name} {y.shape}."
        )
    known = ~(np.isnan(x) | np.isnan(y))
    return known, [stats.rankdata(values[known]) for values in (x, y)]


def _interval(
    rho: float, x: NDArray[np.float64], replicates: NDArray[np.float64] | None, alpha: float
) -> tuple[float, float, float, str]:
    """Return the bounds of rho over the ranks x, the patients' error of z, and how they came."""
    se_patients, how = math.nan, "Fisher z, variance 1.06/(n-3)"
    if replicates is not None:
        se_patients = _se_patients(x, replicates)
        how += " + patients"
    extra = 0 if math.isnan(se_patients) else se_patients**2
    low, high = fisher_interval(rho, len(x), alpha, extra)
    if math.isnan(low):
        how = f"no interval: {'fewer than 4 points' if len(x) < 4 else '|rho| = 1'}"
    return low, high, se_patients, how


def decide(rows: Sequence[Correlation], alpha: float = 0.05) -> list[Correlation]:
    """Adjust p-values by Holm's method within each question and give the verdicts.

    "none" needs a stated margin that holds the whole interval. Otherwise "positive" or "negative"
    needs an adjusted p below alpha.
    """
    rows = list(rows)
    for question in {row.question for row in rows}:
        own = [i for i, row in enumerate(rows) if row.question == question]
        for i, p in zip(own, map(float, holm([rows[i].p for i in own])), strict=True):
            row = rows[i]
            verdict = "undecided"
            if p < alpha:  # False for NaN
                verdict = "positive" if row.rho > 0 else "negative"
            if -row.margin < row.low and row.high < row.margin:
                verdict = "none"
            rows[i] = replace(row, p_adjusted=p, verdict=verdict)
    return rows


def fisher_interval(
    rho: float, n: int, alpha: float = 0.05, extra: float = 0.0
) -> tuple[float, float]:
    """Return the interval of a rank correlation by Fisher's z.

    Args:
        rho: The correlation.
        n: Points; fewer than 4 give NaN.
        alpha: 1 minus the coverage, in (0, 1).
        extra: Variance of z beyond that of the points as a sample.

    Returns:
        Lower and upper bound; NaN at |rho| = 1.
    """
    if n < 4 or math.isclose(abs(rho), 1.0):
        return math.nan, math.nan
    arm = float(stats.norm.isf(alpha / 2)) * math.sqrt(1.06 / (n - 3) + extra)
    return math.tanh(math.atanh(rho) - arm), math.tanh(math.atanh(rho) + arm)


def p_of_rho(rho: float, n: int) -> float:
    """Return the two-sided p-value of a rank correlation by its t approximation, n > 2.

    It is what papers print; `spearman` permutes instead.
    """
    t = rho * math.sqrt((n - 2) / (1 - rho * rho))
    return float(2 * stats.t.sf(abs(t), n - 2))


def rank_correlations(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return Spearman's rho of x with each column of y.

    Args:
        x: (n,) or (n, B) values.
        y: (n, B) values.

    Returns:
        (B,) float64, NaN where a column is constant or has a NaN.
    """
    a, b = (stats.rankdata(np.asarray(v), axis=0, nan_policy="propagate") for v in (x, y))
    a = a[:, None] if a.ndim == 1 else a
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


def _se_patients(x: NDArray[np.float64], replicates: NDArray[np.float64]) -> float:
    rho = rank_correlations(x, replicates)
    rho = rho[~np.isnan(rho)]
    if len(x) < 4 or rho.size < 2:
        return math.nan
    # n points cannot have a rho nearer to 1 than this without being perfectly ordered.
    most = 1 - 6 / (len(x) * (len(x) ** 2 - 1))
    return float(np.arctanh(np.clip(rho, -most, most)).std(ddof=1))


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


def permuted_within(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    families: NDArray,
    rng: np.random.Generator,
) -> float:
    """Return the p-value of association within families, y permuted inside each.

    The statistic is the sum of products of ranks centred within families, the only part of rho
    that such a permutation moves. All orders are tried up to 50,000, else so many random ones.

    Args:
        x: (n,) ranks.
        y: (n,) ranks.
        families: (n,) labels.
        rng: Draws the random orders.

    Returns:
        Two-sided p; NaN if x or y does not vary within any family.
    """
    blocks = [np.flatnonzero(families == name) for name in np.unique(families)]
    pairs = [(x[b] - x[b].mean(), y[b] - y[b].mean()) for b in blocks if len(b) > 1]
    if not any(np.ptp(a) > 0 and np.ptp(b) > 0 for a, b in pairs):
        return math.nan
    observed = sum(float((a * b).sum()) for a, b in pairs)
    orders = math.prod(math.factorial(len(a)) for a, _ in pairs)
    if orders <= _RESAMPLES:
        sums = np.zeros(1)
        for a, b in pairs:
            each = np.array([a @ b[list(o)] for o in itertools.permutations(range(len(b)))])
            sums = np.add.outer(sums, each).ravel()
        return float(np.mean(np.abs(sums) >= abs(observed) - _EPS))
    drawn = np.zeros(_RESAMPLES)
    for a, b in pairs:
        drawn += rng.permuted(np.tile(b, (_RESAMPLES, 1)), axis=1) @ a
    return float((1 + np.sum(np.abs(drawn) >= abs(observed) - _EPS)) / (1 + _RESAMPLES))
