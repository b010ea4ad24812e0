"""How much less a network scores on the films of another hospital than on its own test films."""

from __future__ import annotations

import math
from typing import NamedTuple


class Bounded(NamedTuple):
    """A value with its interval; NaN where there is none."""

    estimate: float
    low: float
    high: float


def drop_of(own: Bounded, there: Bounded, sign: float) -> Bounded:
    """Return the drop from a value to that on other patients, with its interval.

    The two sets of patients are independent, so variances add. Bounds of an AUROC near 1 are not
    symmetric, and neither are those of a difference: the distances from estimates to bounds are
    added in squares, each on the side on which it moves the difference (Zou and Donner 2008,
    Statistics in Medicine 27:1693-1702).

    Args:
        own: The value on the cell's own test films.
        there: That on the others.
        sign: 1 where a higher value is better, -1 where a lower one is.

    Returns:
        Above 0 is worse there.
    """
    first, second = (own, there) if sign > 0 else (there, own)
    drop = first.estimate - second.estimate
    below = math.hypot(first.estimate - first.low, second.high - second.estimate)
    above = math.hypot(first.high - first.estimate, second.estimate - second.low)
    return Bounded(drop, drop - below, drop + above)
