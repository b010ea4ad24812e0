"""How many networks a rank correlation takes; apart, so that statistics need no planner."""

from __future__ import annotations

import math
from statistics import NormalDist


def networks_needed(margin: float, alpha: float = 0.05) -> int:
    """Return the fewest networks whose rank correlation's interval can lie within a margin.

    The interval is that of rho = 0 over independent networks, by Fisher's z with variance
    1.06 / (n - 3); related networks and noise take more.

    Args:
        margin: Largest |rho| that counts as no relation, in (0, 1).
        alpha: 1 minus the coverage, in (0, 1).
    """
    width = NormalDist().inv_cdf(1 - alpha / 2) / math.atanh(margin)
    return math.floor(3 + 1.06 * width * width) + 1
