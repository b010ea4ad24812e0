"""Tests from printed means and standard deviations, where the single runs were never released."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True)
class Summary:
    """A printed result.

    Attributes:
        mean: Mean over runs.
        sd: Their standard deviation, >= 0.
        ddof: 1 where it is the sample's, 0 where it was divided by n.
    """

    mean: float
    sd: float
    ddof: int = 1


@dataclass(frozen=True)
class Recomputed:
    """p-values of equal means, as far as the summaries allow.

    Attributes:
        two_sided: Of no difference.
        one_sided: Of the direction that the means point to; half of it.
    """

    two_sided: float
    one_sided: float


def recomputed(a: Summary, b: Summary, n: int, pooled: bool = False) -> Recomputed:
    """Compare two means of n runs each by the t test of independent samples.

    Args:
        a: One result.
        b: The other.
        n: Runs behind each, >= 2.
        pooled: Whether the variances are taken to be equal (Student), and not each its own (Welch
            1947); with equal numbers of runs, only the degrees of freedom differ.

    Returns:
        NaN where neither varies.
    """
    parts = [one.sd**2 * (n / (n - 1) if one.ddof == 0 else 1) / n for one in (a, b)]
    if not sum(parts) > 0:
        return Recomputed(math.nan, math.nan)
    df = 2.0 * n - 2
    if not pooled:
        df = sum(parts) ** 2 * (n - 1) / sum(part**2 for part in parts)
    p = 2 * float(special.stdtr(df, -abs(a.mean - b.mean) / math.sqrt(sum(parts))))
    return Recomputed(p, p / 2)
