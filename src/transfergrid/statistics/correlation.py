"""Rank correlation over a set of networks, with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from transfergrid.planning.needed import networks_needed
from transfergrid.runtime.errors import UserError
from transfergrid.statistics import kinship
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.named import UNDECIDED
from transfergrid.statistics.noise import Noise, disattenuate
from transfergrid.statistics.power import rho_critical, rho_detectable


@dataclass(frozen=True)
class Correlation:
    """One row of tables/correlations.csv.

    Attributes:
        question: Name of the question.
        x: Name of the first quantity.
        y: Name of the second quantity.
        n: Networks where both are known.
        rho: Spearman's rank correlation in [-1, 1]; NaN where undefined.
        low: Lower bound in [-1, 1] or NaN.
        high: Upper bound in [-1, 1] or NaN.
        p: Two-sided permutation p-value, families permuted as wholes and members within them; NaN
            where rho is.
        method: How bounds and p were made, or why there are none.
        p_adjusted: p after Holm's method within the question.
        p_family: p-value when y is permuted within families only: a test of association within
            families; NaN if no family has two points.
        se_patients: Standard error of Fisher's z from the test set's patients, which the bounds
            include; NaN where it was not given.
        margin: Largest |rho| that counts as no relation; NaN if none was stated.
        verdict: "none" (the interval of `rho_disattenuated`, or where there is none that of `rho`,
            lies within the margin), "positive", "negative" or "undecided".
        rho_critical: Smallest |rho| that is significant with this many independent networks.
        rho_detectable: True |rho| that they detect with 80 % power.
        n_families: Families of the n networks; n where none were given.
        n_effective: Number of independent networks that would leave rho just as uncertain.
        rho_disattenuated: rho freed of the noise in y; NaN where that is not known, or as large as
            the spread between networks.
        disattenuated_low: Lower bound.
        disattenuated_high: Upper bound.
        reliability: Share of the spread of y between networks that is not noise, in [0, 1].
        n_needed: Fewest networks whose interval can lie within the margin; NaN without one.
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
    verdict: str = UNDECIDED
    rho_critical: float = math.nan
    rho_detectable: float = math.nan
    n_families: int = 0
    n_effective: float = math.nan
    rho_disattenuated: float = math.nan
    disattenuated_low: float = math.nan
    disattenuated_high: float = math.nan
    reliability: float = math.nan
    n_needed: float = math.nan

    @property
    def judged(self) -> tuple[float, float, float]:
        """What verdicts rest on: rho with its bounds, freed of noise if possible."""
        if math.isnan(self.disattenuated_low):
            return self.rho, self.low, self.high
        return self.rho_disattenuated, self.disattenuated_low, self.disattenuated_high


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
    noise: Noise | None = None,
) -> Correlation:
    """Return Spearman's rho over networks with its interval, p-value, and rho freed of noise.

    The interval is Fisher's z with `z_variance` for the networks as a sample of families, plus,
    where replicates of y are given, the variance of z over them. p permutes families as wholes and
    members within them.

    Args:
        x: (n,) values, unrounded; a point with NaN in x or y is dropped.
        y: (n,) values.
        question: Name of the question.
        x_name: Name of x.
        y_name: Name of y.
        rng: Draws the random orders.
        alpha: 1 minus the coverage, in (0, 1).
        families: (n,) the family of each point; without them each is a family of its own.
        replicates: (n, B) of y, such as `patient_replicates` gives them.
        margin: Largest |rho| that counts as no relation, in (0, 1).
        noise: Noise in y, as `noise_of` returns it.

    Returns:
        The correlation. rho is NaN with fewer than 2 points or without variation; the interval is
        NaN with fewer than 4 points, with two families, or at |rho| = 1, where z is infinite;
        `method` tells why.

    Raises:
        UserError: x and y differ in length.
    """
    known, ranks, values = _ranked(x, y, x_name, y_name)
    n, nan = int(known.sum()), math.nan
    groups = np.arange(n) if families is None else kinship.numbered(np.asarray(families)[known])
    row = Correlation(question, x_name, y_name, n, nan, nan, nan, nan, "")
    row = replace(row, n_families=len(set(groups.tolist())))
    if margin is not None:
        row = replace(row, margin=margin, n_needed=float(networks_needed(margin, alpha)))
    if n < 2 or any(np.ptp(r) == 0 for r in ranks):
        reason = "fewer than 2 points" if n < 2 else "no variation in x or y"
        return replace(row, method=f"undefined: {reason}")
    rho = float(np.clip(rank_correlations(ranks[0], ranks[1][:, None])[0], -1, 1))
    p = kinship.permuted_over(*ranks, groups, rng)
    draws = None if replicates is None else np.asarray(replicates)[known]
    variance, se_patients, how = z_variance(rho, ranks, groups, draws)
    low, high = fisher_bounds(rho, variance, alpha)
    row = replace(row, rho=rho, low=low, high=high, p=p, se_patients=se_patients)
    if families is not None:
        row = replace(row, p_family=kinship.permuted_within(*ranks, groups, rng))
    if noise is not None:
        freed = disattenuate(rho, variance, values, noise, alpha, rng)
        row = replace(
            row,
            rho_disattenuated=freed.rho,
            disattenuated_low=freed.low,
            disattenuated_high=freed.high,
            reliability=freed.reliability,
        )
        if math.isnan(noise.seeds):
            how += "; one seed, whose noise is not known"
    effective = kinship.effective_number(*ranks, groups)
    return replace(
        row,
        method=f"{how}; {_test(groups)}",
        n_effective=effective,
        rho_critical=rho_critical(effective, alpha),
        rho_detectable=rho_detectable(effective, alpha),
    )


def _ranked(
    x: ArrayLike, y: ArrayLike, x_name: str, y_name: str
) -> tuple[NDArray[np.bool_], tuple[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]:
    """Return which points are known, the ranks of x and y among these, and y."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise UserError(
            f"A correlation needs pairs, but {x_name} has shape {x.shape} and {y_name} {y.shape}."
        )
    known = ~(np.isnan(x) | np.isnan(y))
    return known, (stats.rankdata(x[known]), stats.rankdata(y[known])), y[known]


def _test(families: NDArray[np.intp]) -> str:
    """Say what was permuted, and whether in all orders."""
    sizes = np.bincount(families)
    orders = kinship.orders_of([len(sizes), *sizes.tolist()])
    test = "exact permutation" if orders <= kinship.RESAMPLES else "random permutation"
    if len(sizes) in (1, len(families)):
        return test
    return f"{test} of {len(sizes)} families and within them"


def z_variance(
    rho: float,
    ranks: tuple[NDArray[np.float64], NDArray[np.float64]],
    families: NDArray[np.intp],
    replicates: NDArray[np.float64] | None = None,
) -> tuple[float, float, str]:
    """Return the variance of Fisher's z of a rank correlation of networks in families.

    It is 1.06 / (m - 3) for m independent points (Fieller, Hartley and Pearson 1957, Biometrika
    44:470-481), where m is the effective number of the networks; or that of a jackknife over
    families, if larger; plus the variance of z over the patients' replicates.

    Args:
        rho: The correlation.
        ranks: (n,) of x and of y.
        families: (n,) numbers of the families.
        replicates: (n, B) of y.

    Returns:
        The variance, NaN where there is no interval; the patients' standard error of z, NaN
        without replicates; and how the interval was made.
    """
    n, groups = len(families), len(set(families.tolist()))
    se_patients = math.nan if replicates is None else _se_patients(ranks[0], replicates)
    extra = 0.0 if math.isnan(se_patients) else se_patients**2
    patients = "" if replicates is None else " + patients"
    lack = ""
    if n < 4:
        lack = "fewer than 4 points"
    elif math.isclose(abs(rho), 1.0):
        lack = "|rho| = 1"
    elif 1 < groups < kinship.LEAST_FAMILIES:
        lack = f"{groups} families do not tell how far families differ"
    if lack:
        return math.nan, se_patients, f"no interval: {lack}"
    if groups in (1, n):
        within = " within one family" if groups == 1 else ""
        how = f"Fisher z, variance 1.06/(n-3){patients}{within}"
        return 1.06 / (n - 3) + extra, se_patients, how
    effective = kinship.effective_number(*ranks, families)
    variance = max(1.06 / max(effective - 3, 0.5), kinship.jackknife_variance(*ranks, families))
    how = f"Fisher z, variance for n_effective networks or by jackknife over families{patients}"
    return variance + extra, se_patients, how


def fisher_bounds(rho: float, variance: float, alpha: float, df: int = 0) -> tuple[float, float]:
    """Return the bounds of a correlation by Fisher's z.

    Args:
        rho: The correlation, between -1 and 1.
        variance: Of its z; NaN gives NaN.
        alpha: 1 minus the coverage, in (0, 1).
        df: Degrees of freedom of Student's t; 0 takes the normal distribution.
    """
    if math.isnan(variance):
        return math.nan, math.nan
    quantile = stats.t.isf(alpha / 2, df) if df else stats.norm.isf(alpha / 2)
    arm = float(quantile) * math.sqrt(variance)
    return math.tanh(math.atanh(rho) - arm), math.tanh(math.atanh(rho) + arm)


def decide(rows: Sequence[Correlation], alpha: float = 0.05) -> list[Correlation]:
    """Adjust p-values by Holm's method within each question and give the verdicts.

    "none" needs a stated margin that holds the whole interval of rho, freed of noise where that
    could be done. Otherwise "positive" or "negative" needs an adjusted p below alpha.
    """
    rows = list(rows)
    for question in {row.question for row in rows}:
        own = [i for i, row in enumerate(rows) if row.question == question]
        for i, p in zip(own, map(float, holm([rows[i].p for i in own])), strict=True):
            row = rows[i]
            verdict = UNDECIDED
            if p < alpha:  # False for NaN
                verdict = "positive" if row.rho > 0 else "negative"
            _, low, high = row.judged
            if -row.margin < low and high < row.margin:
                verdict = "none"
            rows[i] = replace(row, p_adjusted=p, verdict=verdict)
    return rows


def fisher_interval(rho: float, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the interval of a rank correlation of independent points by Fisher's z.

    Args:
        rho: The correlation.
        n: Points; fewer than 4 give NaN.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        Lower and upper bound; NaN at |rho| = 1.
    """
    if n < 4 or math.isclose(abs(rho), 1.0):
        return math.nan, math.nan
    return fisher_bounds(rho, 1.06 / (n - 3), alpha)


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


def weighted_rank_correlations(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: ArrayLike
) -> NDArray[np.float64]:
    """Return Spearman's rho of points that are drawn several times, for each draw.

    Args:
        x: (n,) values.
        y: (n, B) values.
        weights: (n, B) how often each point was drawn.

    Returns:
        (B,) float64, NaN where a draw has no variation.
    """
    w = np.asarray(weights, dtype=np.float64)
    over_x = (x[:, None] > x) + 0.5 * (x[:, None] == x)
    a = over_x @ w
    b = np.stack([(w * ((y[i] > y) + 0.5 * (y[i] == y))).sum(axis=0) for i in range(len(y))])
    total = w.sum(axis=0)
    a, b = (v - (w * v).sum(axis=0) / total for v in (a, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((w * a * b).sum(0) / np.sqrt((w * a**2).sum(0) * (w * b**2).sum(0)))


def _se_patients(x: NDArray[np.float64], replicates: NDArray[np.float64]) -> float:
    rho = rank_correlations(x, replicates)
    rho = rho[~np.isnan(rho)]
    if len(x) < 4 or rho.size < 2:
        return math.nan
    most = kinship.nearest_to_one(len(x))
    return float(np.arctanh(np.clip(rho, -most, most)).std(ddof=1))
