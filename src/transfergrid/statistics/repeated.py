"""Correlation of points that come in groups: pooled over them, and within them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from transfergrid.runtime.errors import UserError
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.correlation import fisher_bounds
from transfergrid.statistics.kinship import LEAST_FAMILIES
from transfergrid.statistics.named import AGREE, APART, DISAGREE, UNTOLD

NAN = math.nan


@dataclass(frozen=True)
class Grouped:
    """How two quantities go together, pooled over groups and within them.

    Attributes:
        n: Points where both are known.
        n_groups: Their groups.
        pooled: Pearson's r of all points, with bounds that take groups as a sample.
        pooled_rank: The same of Spearman's rho.
        within: The repeated-measures correlation: r of what is left of each value when its group's
            mean is taken off, with bounds.
        naive: Bounds of `pooled` that take the points for independent, which groups deny.
        df: Degrees of freedom of `within`.
        how: How the bounds of `pooled` were made, or why there are none.
        how_within: The same of `within`.
    """

    n: int
    n_groups: int
    pooled: Interval
    pooled_rank: Interval
    within: Interval
    naive: tuple[float, float]
    df: int
    how: str
    how_within: str

    @property
    def verdict(self) -> str:
        """What the pooled value says beside the one within groups.

        `UNTOLD` unless the interval within groups excludes 0: without a sign there, nothing agrees
        with it. `AGREE` where the pooled value has that sign. Where it has the other one,
        `DISAGREE` if its interval excludes 0 too, else `APART`.
        """
        if self.n_groups < 2 or math.isnan(self.pooled[0]) or not _clear(self.within):
            return UNTOLD
        if self.pooled[0] * self.within[0] > 0:
            return AGREE
        return DISAGREE if _clear(self.pooled) else APART


SHARED = "no interval: pairs of seeds share networks, and are not independent"


def grouped(
    x: ArrayLike,
    y: ArrayLike,
    groups: Sequence[str],
    alpha: float = 0.05,
    independent: bool = True,
) -> Grouped:
    """Correlate points in groups, pooled and within groups.

    Pooled, points of a group are not independent, so that the variance of Fisher's z is that of a
    jackknife over groups, if that is larger than 1 / (n - 3), with Student's t for as many groups;
    of fewer than three groups there is no interval. Within groups it is the repeated-measures
    correlation (Bland and Altman 1995, BMJ 310:446; Bakdash and Marusich 2017, Frontiers in
    Psychology 8:456): the sign of the common slope, and of the sum of squares within groups the
    share that it explains; by Fisher's z with n - groups - 1 degrees of freedom.

    Args:
        x: (n,) values; a point with NaN in x or y is dropped.
        y: (n,) values.
        groups: (n,) the group of each point.
        alpha: 1 minus the coverage, in (0, 1).
        independent: Whether points within a group are; otherwise none of the intervals that take
            them for it is made, but for `naive`.

    Raises:
        UserError: They differ in length.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not xs.shape == ys.shape == (len(groups),):
        raise UserError(
            f"A correlation needs pairs, but there are {xs.size} and {ys.size} values in "
            f"{len(groups)} groups."
        )
    known = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[known], ys[known]
    names, group = np.unique(np.asarray(groups, dtype=np.str_)[known], return_inverse=True)
    pooled, how = _pooled(xs, ys, group, alpha)
    ranked, _ = _pooled(xs, ys, group, alpha, ranks=True)
    within, df, how_within = _within(xs, ys, group, alpha)
    if not independent:
        within, how_within = (within[0], NAN, NAN), SHARED
        if len(names) == 1:
            pooled, ranked, how = (pooled[0], NAN, NAN), (ranked[0], NAN, NAN), SHARED
    naive = _bounds(pooled[0], 1 / (len(xs) - 3), alpha) if len(xs) > 3 else (NAN, NAN)
    return Grouped(len(xs), len(names), pooled, ranked, within, naive, df, how, how_within)


def _pooled(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    group: NDArray[np.intp],
    alpha: float,
    ranks: bool = False,
) -> tuple[Interval, str]:
    value, count = _correlation(x, y, ranks), len(set(group.tolist()))
    if math.isnan(value):
        return (NAN, NAN, NAN), "undefined: fewer than 3 points, or no variation"
    # 1.06 is Fieller, Hartley and Pearson's (1957) for ranks.
    least = (1.06 if ranks else 1.0) / (len(x) - 3) if len(x) > 3 else NAN
    if count == 1:
        return (value, *_bounds(value, least, alpha)), "Fisher z, one data set"
    if count < LEAST_FAMILIES:
        return (value, NAN, NAN), "no interval: two data sets do not tell how far they differ"
    left = [_correlation(x[group != one], y[group != one], ranks) for one in range(count)]
    z = np.arctanh(np.clip(left, -1 + 1e-12, 1 - 1e-12))
    variance = (count - 1) / count * float(((z - z.mean()) ** 2).sum())
    bounds = _bounds(value, max(variance, least), alpha, count - 1)
    if math.isnan(bounds[0]):
        return (value, NAN, NAN), "no interval: too few points without one of the data sets"
    return (value, *bounds), "Fisher z, jackknife over data sets, Student's t"


def _within(
    x: NDArray[np.float64], y: NDArray[np.float64], group: NDArray[np.intp], alpha: float
) -> tuple[Interval, int, str]:
    sizes = np.bincount(group)
    repeated = sizes[group] > 1
    df = int(repeated.sum() - (sizes > 1).sum() - 1)
    if df < 1:
        return (NAN, NAN, NAN), df, "undefined: too few points within a data set"
    own_x, own_y = ((v - (np.bincount(group, v) / sizes)[group])[repeated] for v in (x, y))
    value = _correlation(own_x, own_y)
    if math.isnan(value):
        return (NAN, NAN, NAN), df, "undefined: no variation within a data set"
    how = f"repeated-measures correlation, Fisher z, {df} degrees of freedom"
    if df < 2:
        return (value, NAN, NAN), df, f"{how}: too few for an interval"
    return (value, *_bounds(value, 1 / (df - 1), alpha)), df, how


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64], ranks: bool = False) -> float:
    """Return Pearson's r, or Spearman's rho; NaN of fewer than 3 points or without variation."""
    if len(x) < 3 or np.ptp(x) <= 1e-12 or np.ptp(y) <= 1e-12:
        return NAN
    if ranks:
        x, y = stats.rankdata(x), stats.rankdata(y)
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))


def _bounds(value: float, variance: float, alpha: float, df: int = 0) -> tuple[float, float]:
    """Return the bounds of a correlation by Fisher's z; NaN where there is none, or it is 1."""
    if math.isnan(value) or math.isclose(abs(value), 1.0):
        return NAN, NAN
    return fisher_bounds(value, variance, alpha, df)


def _clear(interval: Interval) -> bool:
    return interval[1] > 0 or interval[2] < 0  # False for NaN
