"""Spearman's rank correlation with the contribution of each unit to its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transfergrid.similarity.agreement import Part

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranks:
    """Scores in ranks.

    Attributes:
        place: (n,) int, the number of each score among the different ones, from 0.
        centred: (n,) float64, the share of scores below each, ties counting one half, less 1/2.
        spread: Mean square of `centred`; 0 where all scores are equal.
        own: (n,) float64, contributions to `spread`.
    """

    place: NDArray[np.int64]
    centred: Floats
    spread: float
    own: Floats

    @classmethod
    def of(cls, scores: Floats) -> Ranks:
        """Rank scores (n,)."""
        _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
        below = np.cumsum(counts) - counts / 2
        centred = (below / max(len(scores), 1) - 0.5)[place]
        spread = float((centred**2).mean()) if len(scores) else 0.0
        own = centred**2 - spread + 2 * _moved(place, centred, centred)
        return cls(place, centred, spread, own)


def _moved(place: NDArray[np.int64], centred: Floats, weights: Floats) -> Floats:
    """Return how each unit moves the weighted mean of all units' ranks, by its own place.

    Args:
        place: (n,) place of each unit among the scores.
        centred: (n,) the units' ranks.
        weights: (n,) what ranks are weighted by.
    """
    if not len(place):
        return weights
    sums = np.bincount(place, weights)
    above = sums.sum() - np.cumsum(sums) + sums / 2
    n = len(place)
    moved: Floats = above[place] / n - ((centred + 0.5) * weights).sum() / n
    return moved


def rank_correlation(left: Sequence[Ranks], right: Sequence[Ranks]) -> Part:
    """Return Spearman's correlation, the mean over columns if there are several.

    Contributions hold what a unit's score does to the ranks of all others (Croux and Dehon 2010,
    Statistical Methods & Applications 19:497-515).

    Args:
        left: One network's ranks, a column each.
        right: The other's.

    Returns:
        Its value is NaN where a column's scores are all equal.
    """
    found = [_correlation(one, other) for one, other in zip(left, right, strict=True)]
    values, contributions = zip(*found, strict=True)
    contributed: Floats = np.mean(contributions, axis=0)
    everyone = np.ones(len(contributed), bool)
    return Part(float(np.mean(values)), contributed, 0.0, 1.0, float("nan"), everyone)


def _correlation(left: Ranks, right: Ranks) -> tuple[float, Floats]:
    n = len(left.centred)
    if not (left.spread > 0 and right.spread > 0):
        return float("nan"), np.full(n, np.nan)
    product = left.centred * right.centred
    both = float(product.mean())
    scale = np.sqrt(left.spread * right.spread)
    moved = (
        product
        - both
        + _moved(left.place, left.centred, right.centred)
        + _moved(right.place, right.centred, left.centred)
    )
    value = both / scale
    spreads = left.own / left.spread + right.own / right.spread
    return float(np.clip(value, -1, 1)), moved / scale - value / 2 * spreads
