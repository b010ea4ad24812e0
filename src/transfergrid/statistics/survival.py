"""Times to an event that some runs never reach: Kaplan and Meier's curve, and its restricted mean.

Kaplan, Meier (1958), Journal of the American Statistical Association 53:457-481; the variance of
the restricted mean is that of R's survival.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NEAR = 1e-12
"""Shares closer than this are equal but for rounding."""


@dataclass(frozen=True)
class KaplanMeier:
    """An estimated survival curve, which falls at the times of events.

    Attributes:
        times: (k,) float64, the times of events, rising.
        survival: (k,) float64 in [0, 1], the share for which the event is still to come just
            after each time.
        at_risk: (k,) int64, for how many it was still to come, and not censored, just before.
        events: (k,) int64, how many had it.
    """

    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]

    @classmethod
    def of(cls, times: ArrayLike, happened: ArrayLike) -> KaplanMeier:
        """Estimate the curve.

        Args:
            times: (n,) when the event happened, or up to when it was known not to have.
            happened: (n,) bool, whether it did. What is censored at the time of an event was still
                at risk.
        """
        when = np.asarray(times, dtype=np.float64)
        known = np.asarray(happened, dtype=bool)
        there = np.unique(when[known])
        at_risk = (when >= there[:, None]).sum(axis=1)
        events = ((when == there[:, None]) & known).sum(axis=1)
        return cls(there, np.cumprod(1 - events / at_risk), at_risk, events)

    @property
    def median(self) -> float:
        """The time by which half have had the event; NaN if so many never did.

        Where the curve lies at one half between two events, it is the middle, as in R's survival:
        of an even number of times the usual median.
        """
        reached = self.times[self.survival <= 0.5 + _NEAR]
        if not len(reached):
            return math.nan
        flat = len(reached) > 1 and bool((abs(self.survival - 0.5) <= _NEAR).any())
        return float(reached[:2].mean() if flat else reached[0])

    def restricted_mean(self, horizon: float) -> tuple[float, float]:
        """Return the mean of min(T, horizon), and its standard error by Greenwood's formula.

        Args:
            horizon: Where time ends; no later than the longest follow-up.
        """
        there = self.times <= horizon
        times, survival = self.times[there], self.survival[there]
        widths = np.diff(np.concatenate(([0.0], times, [horizon])))
        areas = np.concatenate(([1.0], survival)) * widths
        left = areas[::-1].cumsum()[::-1][1:]  # the area beyond each event
        n, d = self.at_risk[there], self.events[there]
        # Where all that are left have the event, nothing of the area is.
        spread = np.divide(d, n * (n - d), out=np.zeros(len(n)), where=n > d)
        return float(areas.sum()), float(np.sqrt((left**2 * spread).sum()))
