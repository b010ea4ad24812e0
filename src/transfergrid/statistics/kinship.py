"""Networks of one family are alike: the independent ones that they amount to, and tests to match.

Sixteen networks in six families are not sixteen independent points. Where both properties run in
families, permuting single networks finds a relation far too often (docs/statistics.md).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

RESAMPLES = 50_000
"""Enough for all orders of 8 points (40,320); beyond that, this many random ones."""
LEAST_FAMILIES = 3
"""Fewer families do not tell how far families differ."""
_EPS = 1e-9


def numbered(families: Sequence[str] | NDArray) -> NDArray[np.intp]:
    """Return each network's family as a number from 0."""
    return np.unique(np.asarray(families), return_inverse=True)[1]


def effective_number(x: Numbers, y: Numbers, families: NDArray[np.intp]) -> float:
    """Return how many independent networks would leave rho as uncertain as these do.

    The variance of a correlation of two unrelated properties is
    tr(B Vx B Vy) / (tr(B Vx) tr(B Vy)), with B the centring and V a property's correlations
    between networks (Clifford, Richardson and Hemon 1989, Biometrics 45:123-134; Dutilleul 1993,
    Biometrics 49:305-314). V is 1 on the diagonal and the intraclass correlation within a family.

    Args:
        x: (n,) ranks.
        y: (n,) ranks.
        families: (n,) numbers of the families.

    Returns:
        A number in [0, n]; n where every network has a family of its own.
    """
    n = len(x)
    same = (families[:, None] == families).astype(np.float64)
    centre = np.eye(n) - 1 / n
    a, b = (
        centre @ (np.eye(n) + intraclass(values, families) * (same - np.eye(n)))
        for values in (x, y)
    )
    return float(np.clip(1 + np.trace(a) * np.trace(b) / np.trace(a @ b), 0, n))


def intraclass(values: Numbers, families: NDArray[np.intp]) -> float:
    """Return the share of variance between families in [0, 1], by analysis of variance."""
    sizes = np.bincount(families)
    n, groups = len(values), len(sizes)
    if groups in (1, n):
        return 0.0
    means = np.bincount(families, values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (groups - 1)
    within = float(((values - means[families]) ** 2).sum()) / (n - groups)
    size = (n - float((sizes**2).sum()) / n) / (groups - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 0.0


def jackknife_variance(
    x: Numbers, y: Numbers, families: NDArray[np.intp], ranked: bool = True
) -> float:
    """Return the variance of Fisher's z of a correlation, each family left out in turn.

    It is large where some families show a relation and others do not, which the effective number
    does not see.

    Args:
        x: (n,) values.
        y: (n,) values.
        families: (n,) numbers of the families.
        ranked: Whether the correlation is that of ranks, or of the values themselves.
    """
    n, groups = len(x), int(families.max()) + 1
    z = []
    for family in range(groups):
        kept = families != family
        a, b = ((_ranks if ranked else _centred)(values[kept]) for values in (x, y))
        scale = math.sqrt(float((a @ a) * (b @ b)))
        most = nearest_to_one(n)
        z.append(math.atanh(float(np.clip(a @ b / scale, -most, most))) if scale > 0 else 0.0)
    return float((groups - 1) * np.var(z))


def nearest_to_one(n: int) -> float:
    """Return the largest rho below 1 that n points without ties can have."""
    return 1 - 6 / (n * (n * n - 1))


def permuted_over(
    x: Numbers,
    y: Numbers,
    families: NDArray[np.intp],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> float:
    """Return the p-value of a relation where whole families trade places, and members within them.

    y is split into the mean of each family and how its members differ from it. The means are
    permuted among families and the differences within each; the statistic is the covariance with
    x, so with families of one network this is the plain permutation test. All orders are tried if
    there are at most `resamples`, else that many random ones.

    Args:
        x: (n,) ranks.
        y: (n,) ranks.
        families: (n,) numbers of the families.
        rng: Draws the random orders.
        resamples: The most orders that are tried.

    Returns:
        Two-sided p.
    """
    sizes = np.bincount(families)
    (mean_x, rest_x), (mean_y, rest_y) = (_split(v - v.mean(), families) for v in (x, y))
    weighted = sizes * mean_x
    observed = float(weighted @ mean_y + rest_x @ rest_y)
    blocks = [(weighted, mean_y)]
    blocks += [(rest_x[own], rest_y[own]) for own in _members(families)]
    return _p_of_blocks(blocks, observed, rng, resamples)


def permuted_within(
    x: Numbers, y: Numbers, families: NDArray[np.intp], rng: np.random.Generator
) -> float:
    """Return the p-value of association within families, y permuted inside each.

    The statistic is the sum of products of ranks centred within families, the only part of rho
    that such a permutation moves. All orders are tried if there are at most 50,000, else that many
    random ones.

    Args:
        x: (n,) ranks.
        y: (n,) ranks.
        families: (n,) numbers of the families.
        rng: Draws the random orders.

    Returns:
        Two-sided p; NaN if x or y does not vary within any family.
    """
    blocks = [(x[own] - x[own].mean(), y[own] - y[own].mean()) for own in _members(families)]
    if not any(np.ptp(a) > 0 and np.ptp(b) > 0 for a, b in blocks):
        return math.nan
    return _p_of_blocks(blocks, sum(float(a @ b) for a, b in blocks), rng)


def _p_of_blocks(
    blocks: Sequence[tuple[Numbers, Numbers]],
    observed: float,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> float:
    """Return the share of orders, each block permuted on its own, that reach the observed sum."""
    if orders_of(len(a) for a, _ in blocks) <= resamples:
        sums = np.zeros(1)
        for a, b in blocks:
            orders = np.array(list(itertools.permutations(range(len(b)))))
            sums = np.add.outer(sums, b[orders] @ a).ravel()
        return float(np.mean(np.abs(sums) >= abs(observed) - _EPS))
    drawn = np.zeros(resamples)
    for a, b in blocks:
        drawn += rng.permuted(np.tile(b, (resamples, 1)), axis=1) @ a
    return float((1 + np.sum(np.abs(drawn) >= abs(observed) - _EPS)) / (1 + resamples))


def orders_of(sizes: Iterable[int]) -> int:
    """Return in how many orders blocks of these sizes can be, each permuted on its own."""
    return math.prod(math.factorial(size) for size in sizes)


def _members(families: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the places of each family that has more than one network."""
    places = [np.flatnonzero(families == family) for family in range(int(families.max()) + 1)]
    return [own for own in places if len(own) > 1]


def _split(values: Numbers, families: NDArray[np.intp]) -> tuple[Numbers, Numbers]:
    means = np.bincount(families, values) / np.bincount(families)
    return means, values - means[families]


def _centred(values: Numbers) -> Numbers:
    return np.asarray(values - values.mean())


def _ranks(values: Numbers) -> Numbers:
    """Return centred ranks, ties sharing their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place] - (len(values) + 1) / 2)
