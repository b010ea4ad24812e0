"""How alike the orders of arms are on two sets of patients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.correlation import rank_correlations
from transfergrid.statistics.elsewhere import Both
from transfergrid.statistics.replicates import patient_replicates, percentile_interval

Interval = tuple[float, float, float]
NOTHING: Interval = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Order:
    """Two orders of the same arms.

    Attributes:
        ranks: By arm its rank at home and elsewhere, 1 the best, ties averaged.
        tau: Kendall's tau-b and its bounds; NaN for a single arm, or where all are tied. Two arms,
            which either swap or do not, have no bounds: their pair's test says how sure that is.
        rho: Spearman's rho, as `tau`.
    """

    ranks: Mapping[Any, tuple[float, float]]
    tau: Interval
    rho: Interval


def order_kept(
    arms: Mapping[Any, Mapping[int, Both]], sign: int, replicates: int, seed: int, alpha: float
) -> Order:
    """Rank arms at home and elsewhere, and correlate the ranks.

    The intervals are percentiles under draws with replacement of the patients of each set, the same
    for all arms, and of each arm's seeds, the same for both sets, because they are one network's.
    Drawn orders differ more than the true ones do, so the intervals lean to less agreement.

    Args:
        arms: By arm and seed its values on both sets.
        sign: 1 where a higher value is better, -1 where a lower one is.
        replicates: Number of draws B.
        seed: Of the draws.
        alpha: 1 minus the coverage, in (0, 1).
    """
    values = np.array(
        [
            [
                np.mean([getattr(one, side).estimate for one in found.values()])
                for found in arms.values()
            ]
            for side in ("own", "there")
        ]
    )
    ranks = [stats.rankdata(-sign * side) for side in values]
    named = {arm: (float(a), float(b)) for arm, a, b in zip(arms, *ranks, strict=True)}
    if len(arms) < 2 or any(len(set(side)) < 2 for side in ranks):
        return Order(named, NOTHING, NOTHING)
    columns = [rank[:, None] for rank in ranks]
    if len(arms) == 2:
        swap = (math.nan, math.nan)
        return Order(
            named, *((float(one(*columns)[0]), *swap) for one in (kendall, rank_correlations))
        )
    drawn = _drawn(arms, replicates, seed)
    tau, rho = (
        (float(measure(*columns)[0]), *percentile_interval(measure(*drawn), alpha))
        for measure in (kendall, rank_correlations)
    )
    return Order(named, tau, rho)


def _drawn(
    arms: Mapping[Any, Mapping[int, Both]], replicates: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (arms, B) replicates of the arms' means at home, and elsewhere."""
    rng = np.random.default_rng(seeded("seeds", seed))
    # One draw of seeds for both sides; patients of the two sets are drawn apart.
    counts = [
        rng.multinomial(len(f), np.full(len(f), 1 / len(f)), replicates) for f in arms.values()
    ]
    sides = []
    for side in ("own", "there"):
        runs = [getattr(one, side) for found in arms.values() for one in found.values()]
        every = patient_replicates(runs, replicates, seeded(side, seed))
        ends = np.cumsum([len(found) for found in arms.values()])[:-1]
        parts = np.split(every, ends)
        means = [(n.T * p).sum(axis=0) / len(p) for n, p in zip(counts, parts, strict=True)]
        sides.append(np.stack(means))
    return sides[0], sides[1]


def kendall(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (B,) Kendall's tau-b between two (arms, B) arrays, column by column."""
    first, second = np.triu_indices(len(a), 1)
    one, two = np.sign(a[first] - a[second]), np.sign(b[first] - b[second])
    untied = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one * two).sum(axis=0) / untied)
