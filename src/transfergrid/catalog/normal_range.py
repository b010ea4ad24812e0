"""How far apart normal values lie, for planning as for statistics, so without scipy."""

from __future__ import annotations

import math
from functools import cache

_STEPS = 800  # Simpson's rule; its error is below 1e-10


@cache
def range_beyond(q: float, k: int) -> float:
    """Return the probability that the range of k independent normal values is above q.

    This is the studentized range with infinitely many degrees of freedom.

    Args:
        q: Range in standard deviations, >= 0.
        k: Number of values, >= 2.
    """
    low, high = -9.0, 9.0 + q
    width = (high - low) / _STEPS
    total = 0.0
    for step in range(_STEPS + 1):
        z = low + step * width
        weight = 1 if step in (0, _STEPS) else 4 if step % 2 else 2
        within = (math.erf(z / math.sqrt(2)) - math.erf((z - q) / math.sqrt(2))) / 2
        total += weight * math.exp(-z * z / 2) * within ** (k - 1)
    return max(0.0, 1 - k * total * width / 3 / math.sqrt(2 * math.pi))


@cache
def range_at(alpha: float, k: int) -> float:
    """Return the range that k independent normal values exceed with probability alpha."""
    low, high = 0.0, 40.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if range_beyond(middle, k) > alpha else (low, middle)
    return high


def critical_difference(n: int, k: int, alpha: float) -> float:
    """Return by how much mean ranks have to differ by Nemenyi's test.

    Nemenyi (1963); Demsar (2006, J. Mach. Learn. Res. 7:1-30), equation 7.

    Args:
        n: Data sets.
        k: Methods.
        alpha: Level of the test for all pairs together, in (0, 1).
    """
    return range_at(alpha, k) * math.sqrt(k * (k + 1) / (12 * n))
