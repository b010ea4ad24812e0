"""Where a curve reaches a value: how many patients one arm needs to be as good as another.

The number is read off the baseline's curve after isotonic regression of its means, by straight
lines on the logarithm of the number of patients. Its interval holds every number at which the arm
and the baseline's curve could be equal, by the test of their difference (Fieller 1954, J. R. Stat.
Soc. B 16:175-185). The curve is not extended beyond the sizes that were trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from transfergrid.statistics.data_curves import Points
from transfergrid.statistics.named import ALREADY, CROSSES, NEVER, UNDECIDED

STEPS = 48
"""Places between two sizes at which the difference is judged; between these it is interpolated."""


@dataclass(frozen=True)
class Crossing:
    """Where the baseline's curve reaches the value of an arm.

    Attributes:
        patients: Number of patients; infinity where it is beyond the largest size, 0 where it is
            below the smallest.
        low: Lower bound; 0 where it lies below the smallest size; NaN without an interval.
        high: Upper bound; infinity where it lies beyond the largest.
    """

    patients: float
    low: float
    high: float


def reached(sizes: ArrayLike, values: ArrayLike, wanted: float) -> float:
    """Return where a curve, made monotone, first reaches a value.

    Args:
        sizes: (J,) numbers of patients, rising.
        values: (J,) the curve's means, higher being better.
        wanted: The value.

    Returns:
        A number of patients; infinity where the curve never reaches it, 0 where its smallest size
        is above it already.
    """
    fitted = np.asarray(isotonic_regression(np.asarray(values, dtype=np.float64)).x)
    places = np.log(np.asarray(sizes, dtype=np.float64))
    if wanted < fitted[0]:
        return 0.0
    if wanted > fitted[-1]:
        return math.inf
    end = int(np.argmax(fitted >= wanted))
    if end == 0 or fitted[end] == wanted:
        return float(np.exp(places[end]))
    start = end - 1
    share = (wanted - fitted[start]) / (fitted[end] - fitted[start])
    return float(np.exp(places[start] + share * (places[end] - places[start])))


def crossing(
    points: Points,
    arm: int,
    baseline: Sequence[int],
    sizes: Sequence[float],
    alpha: float,
    sign: int = 1,
) -> Crossing:
    """Return where the baseline's curve reaches the value of one point of another arm.

    Args:
        points: What was measured.
        arm: The point whose value is to be reached.
        baseline: The points of the baseline's curve.
        sizes: Their numbers of patients, rising, at least two.
        alpha: 1 minus the coverage, in (0, 1).
        sign: 1 where higher is better, -1 where lower is.
    """
    found = reached(sizes, sign * points.means[list(baseline)], sign * float(points.means[arm]))
    places = np.log(np.asarray(sizes, dtype=np.float64))
    at, apart, reach = _differences(points, arm, baseline, places, alpha, sign)
    if np.isnan(reach).any():
        return Crossing(found, math.nan, math.nan)
    low, high = _hull(at, apart, reach, (float(sizes[0]), float(sizes[-1])))
    return Crossing(found, min(low, found), max(high, found))


def verdict(found: Crossing, sizes: Sequence[float]) -> str:
    """Say what a crossing's interval shows: one of the four words above."""
    if math.isnan(found.low):
        return UNDECIDED
    if found.low >= sizes[-1]:
        return NEVER
    if found.high <= sizes[0]:
        return ALREADY
    return CROSSES if found.low > 0 and math.isfinite(found.high) else UNDECIDED


def _differences(
    points: Points,
    arm: int,
    baseline: Sequence[int],
    places: NDArray[np.float64],
    alpha: float,
    sign: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (P,) log patients, the arm less the baseline there, and its interval's reach."""
    along = np.arange(STEPS * (len(places) - 1) + 1) / STEPS
    start = np.minimum(along.astype(np.int64), len(places) - 2)
    share = along - start
    weights = np.zeros((len(along), len(points.means)))
    rows, curve = np.arange(len(along)), np.asarray(baseline)
    weights[:, arm] = 1.0
    weights[rows, curve[start]] -= 1 - share
    weights[rows, curve[start + 1]] -= share
    found = points.sums(weights)
    at = places[start] + share * (places[start + 1] - places[start])
    return at, sign * found.values, found.reach(alpha)


def _hull(
    at: NDArray[np.float64],
    apart: NDArray[np.float64],
    reach: NDArray[np.float64],
    ends: tuple[float, float],
) -> tuple[float, float]:
    """Return the ends of where the interval of the difference holds 0; open ends as 0 and inf."""
    above, below = apart - reach > 0, apart + reach < 0
    inside = np.flatnonzero(~(above | below))
    if not inside.size:
        # The difference has one sign everywhere, or jumps across 0 between two places.
        if above.all():
            return ends[1], math.inf
        if below.all():
            return 0.0, ends[0]
        turn = int(np.flatnonzero(above[:-1] != above[1:])[0])
        return float(np.exp(at[turn])), float(np.exp(at[turn + 1]))
    first, last = int(inside[0]), int(inside[-1])
    low = 0.0 if first == 0 or not above[0] else _between(at, apart - reach, first - 1)
    high = math.inf if last == len(at) - 1 or not below[-1] else _between(at, apart + reach, last)
    return low, high


def _between(at: NDArray[np.float64], edge: NDArray[np.float64], start: int) -> float:
    """Return where an edge of the band passes 0 between two places."""
    share = edge[start] / (edge[start] - edge[start + 1])
    return float(np.exp(at[start] + share * (at[start + 1] - at[start])))
