"""Variance components of a one-way layout, with intervals for unequal groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from transfergrid.statistics.kinship import effective_number, numbered
from transfergrid.statistics.replicates import percentile_interval

_DRAWS = 20_000
Interval = tuple[float, float, float]
"""Value, lower and upper bound."""


@dataclass(frozen=True)
class OneWay:
    """Groups as a sample, members of a group as a sample of it.

    Group means are not weighted by their sizes, and h is the harmonic mean of the sizes (Thomas
    and Hultquist 1978, Ann. Statist. 6:582-587); with equal sizes everything is exact.

    Attributes:
        groups: Number of groups k.
        members: Number of values N.
        size: h.
        mean_square_between: h x variance of the group means; expectation within + h x between.
        mean_square_within: Pooled variance within groups.
        effective: Number of independent groups that would leave `mean_square_between` just as
            uncertain; None where the groups are independent.
    """

    groups: int
    members: int
    size: float
    mean_square_between: float
    mean_square_within: float
    effective: float | None = None

    @property
    def _df(self) -> tuple[float, int]:
        groups = self.groups if self.effective is None else self.effective
        return max(groups - 1, 1), self.members - self.groups

    def _f(self, alpha: float) -> Interval:
        """Return F and, for bounds, F over its upper and its lower quantile."""
        if self.mean_square_within == 0:
            return math.inf, math.inf, math.inf
        f = self.mean_square_between / self.mean_square_within
        return (
            f,
            f / float(stats.f.isf(alpha / 2, *self._df)),
            f / float(stats.f.ppf(alpha / 2, *self._df)),
        )

    def share(self, alpha: float = 0.05) -> Interval:
        """Return the part of the variance that lies between groups, in [0, 1]."""
        value, low, high = (
            1.0 if math.isinf(f) else max(0.0, (f - 1) / (f - 1 + self.size))
            for f in self._f(alpha)
        )
        return value, low, high

    def share_without(self, noise: float, alpha: float, rng: np.random.Generator) -> Interval:
        """Return the share between groups after subtracting the members' own noise.

        The interval is a generalised pivot's (Weerahandi 1993, J. Am. Stat. Assoc. 88:899-905).

        Args:
            noise: Variance of the noise in a member, which lies within groups.
            alpha: 1 minus the coverage, in (0, 1).
            rng: Draws mean squares from their sampling distribution.
        """

        def part(between: ArrayLike, within: ArrayLike) -> NDArray[np.float64]:
            signal = np.maximum(0.0, np.asarray(between) - within) / self.size
            rest = np.maximum(0.0, np.asarray(within) - noise)
            with np.errstate(invalid="ignore"):
                return np.asarray(signal / (signal + rest))  # NaN where nothing but noise is left

        squares = self.mean_square_between, self.mean_square_within
        drawn = part(
            *(
                square * df / rng.chisquare(df, size=_DRAWS)
                for square, df in zip(squares, self._df, strict=True)
            )
        )
        low, high = percentile_interval(drawn, alpha)
        return float(part(*squares)), low, high

    def noise_to_signal(self, alpha: float = 0.05) -> Interval:
        """Return SD within groups over SD between them; infinite where no signal is left."""
        ratios = [
            math.sqrt(self.size / (f - 1))
            if f > 1 and not math.isinf(f)
            else (0.0 if math.isinf(f) else math.inf)
            for f in self._f(alpha)
        ]
        return ratios[0], ratios[2], ratios[1]

    def sd_within(self, alpha: float = 0.05) -> Interval:
        """Return the SD within groups with its chi-square interval."""
        df, square = self._df[1], self.mean_square_within
        low, high = (df * square / float(stats.chi2.isf(q, df)) for q in (alpha / 2, 1 - alpha / 2))
        return math.sqrt(square), math.sqrt(low), math.sqrt(high)

    def sd_between(self, alpha: float = 0.05) -> Interval:
        """Return the SD between groups with the interval of Williams (1962, Biometrika 49:278)."""
        df = self._df
        excess = max(0.0, self.mean_square_between - self.mean_square_within) / self.size
        bounds = []
        for q in (alpha / 2, 1 - alpha / 2):
            cut = self.mean_square_between - self.mean_square_within * float(stats.f.isf(q, *df))
            bounds.append(max(0.0, df[0] * cut / (self.size * float(stats.chi2.isf(q, df[0])))))
        return math.sqrt(excess), math.sqrt(bounds[0]), math.sqrt(bounds[1])


def one_way(
    values: ArrayLike, groups: ArrayLike, kin: Callable[[str], str] | None = None
) -> OneWay | None:
    """Split the variance of values into that between groups and that within.

    Args:
        values: (N,) numbers; NaN is left out.
        groups: (N,) labels.
        kin: Gives the family of a group, if groups of one family are alike.

    Returns:
        The layout; None with fewer than two groups, or if no group has two values.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(numbers)
    numbers = numbers[known]
    names, place = np.unique(np.asarray(groups)[known], return_inverse=True)
    if len(names) < 2 or len(numbers) == len(names):
        return None
    sizes = np.bincount(place)
    means = np.bincount(place, numbers) / sizes
    within = float(((numbers - means[place]) ** 2).sum()) / (len(numbers) - len(names))
    size = float(len(names) / (1 / sizes).sum())
    effective = None
    if kin is not None:
        effective = effective_number(means, means, numbered([kin(str(name)) for name in names]))
    between = size * float(means.var(ddof=1))
    return OneWay(len(names), len(numbers), size, between, within, effective)
