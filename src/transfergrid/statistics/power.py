"""What a study can find: power, the seeds it would need, and the rho it could detect."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import integrate, stats

from transfergrid.statistics.components import Difference

TARGET = 0.8
"""The power that a study is asked to have."""

_BEYOND = 1e-12
"""What is left out of an average over standard errors, on either side."""

_MOST_SEEDS = 2**16


def difference_power(se: float, df: float, effect: float, alpha: float = 0.05) -> float:
    """Return the power of the two-sided t test when the true difference is `effect`.

    Args:
        se: Standard error of the difference, > 0.
        df: Its degrees of freedom, > 0.
        effect: The true difference.
        alpha: Level of the test.
    """
    critical, shift = float(stats.t.isf(alpha / 2, df)), abs(effect) / se

    def rejects(s: float) -> float:
        return _above(critical * s - shift) + _above(critical * s + shift)

    return _expected(rejects, df)


def equivalence_power(se: float, df: float, margin: float, alpha: float = 0.05) -> float:
    """Return the power of two one-sided t tests when the arms are truly the same.

    Exact: given the error's estimate s, both tests reject with probability
    2 Phi(margin / se - t s / se) - 1; it is averaged over s (Owen 1965, Biometrika 52:437-446).

    Args:
        se: Standard error of the difference, > 0.
        df: Its degrees of freedom, > 0.
        margin: Largest difference that counts as equivalent, > 0.
        alpha: Level of each of the two tests.
    """
    critical, width = float(stats.t.isf(alpha, df)), margin / se

    def rejects(s: float) -> float:
        return 1 - 2 * _above(width - critical * s)

    return _expected(rejects, df, width / critical)


def _above(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2


def _expected(rejects: Callable[[float], float], df: float, end: float = math.inf) -> float:
    """Return the expectation of a function of s, the estimated over the true standard error.

    Args:
        rejects: Function of s with values in [0, 1].
        df: df s^2 is chi-square with this many degrees of freedom.
        end: The function is 0 above it.
    """
    scale = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)

    def weighted(s: float) -> float:
        density = scale + (df - 1) * math.log(s) - df * s * s / 2
        return rejects(s) * math.exp(density)

    low, high = np.sqrt(stats.chi2.ppf([_BEYOND, 1 - _BEYOND], df) / df)
    if end <= low:
        return 0.0
    return float(integrate.quad(weighted, low, min(high, end), epsabs=1e-10, limit=200)[0])


def power_of(found: Difference, effect: float, equivalence: bool, alpha: float = 0.05) -> float:
    """Return the power of a contrast's own test with the variance that was measured.

    Args:
        found: The difference with its variance.
        effect: The margin of equivalence, or the true difference of a test of difference.
        equivalence: Whether the test is one of equivalence.
        alpha: Level of the test, before any adjustment for multiplicity.

    Returns:
        Power in [0, 1]; NaN without a variance.
    """
    if not (found.se > 0 and found.df > 0):
        return math.nan
    test = equivalence_power if equivalence else difference_power
    return test(found.se, found.df, effect, alpha)


def seeds_needed(found: Difference, effect: float, equivalence: bool, alpha: float = 0.05) -> float:
    """Return the seeds of each arm that give 80 % power at the measured variances.

    Args:
        found: The difference with its variance.
        effect: As in `power_of`.
        equivalence: As in `power_of`.
        alpha: As in `power_of`.

    Returns:
        A whole number >= 2; infinity if no number of seeds is enough, because the patients'
        variance alone is too large; NaN with one seed, where seeds' variance is not known.
    """
    if found.seeds < 2 or not found.se > 0:
        return math.nan

    def enough(seeds: float) -> bool:
        trial = found.with_seeds(seeds)
        return not trial.se > 0 or power_of(trial, effect, equivalence, alpha) >= TARGET

    if not enough(math.inf) or not enough(_MOST_SEEDS):
        return math.inf
    high = 2
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)


def trials_needed(gap: float, sd: float, alpha: float = 0.05) -> float:
    """Return the trials of each of two methods that set them apart with 80 % power.

    By the two-sided t test of independent trials of equal variance, not adjusted for other pairs.

    Args:
        gap: True difference of their means.
        sd: Standard deviation between trials of one method, >= 0.
        alpha: Level of the test.

    Returns:
        A whole number >= 2; infinity where the methods do not differ, or it takes more than
        65,536; NaN where either is not known.
    """
    if math.isnan(gap) or math.isnan(sd):
        return math.nan
    if not gap:
        return math.inf
    if not sd:
        return 2.0

    def enough(n: int) -> bool:
        return difference_power(sd * math.sqrt(2 / n), 2 * n - 2, gap, alpha) >= TARGET

    low, high = 1, 2
    while not enough(high):
        if high >= _MOST_SEEDS:
            return math.inf
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)


def rho_critical(n: float, alpha: float = 0.05) -> float:
    """Return the smallest |rho| of n points that the t approximation calls significant.

    Args:
        n: Points; fewer than 3 give NaN.
        alpha: Level of the two-sided test.
    """
    if n < 3:
        return math.nan
    t = float(stats.t.isf(alpha / 2, n - 2))
    return t / math.sqrt(n - 2 + t * t)


def rho_detectable(n: float, alpha: float = 0.05, power: float = TARGET) -> float:
    """Return the true |rho| that n points detect with the given power, by Fisher's z.

    Args:
        n: Points; fewer than 4 give NaN.
        alpha: Level of the two-sided test.
        power: Probability of detection.
    """
    if n < 4:
        return math.nan
    width = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
    return math.tanh(width * math.sqrt(1.06 / (n - 3)))
