"""What measures say of two activations that have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.measures import MEASURES, Pair

STRATUM = 5
"""Patients whose numbers of rows differ are exchanged only where fewer than this are alike."""


@dataclass(frozen=True)
class Exchange:
    """Rows of the right side in other orders, which compare each patient with another one.

    Permuting rows one by one would call similar what is not, because rows of a patient are alike
    in any network. So the rows of a patient stay together. Patients with equally many rows are
    exchanged among each other; where fewer than `STRATUM` of them are alike, with those who come
    next in number of rows. The rows that one patient has and the other lacks are then joined with
    what others lack, in order: all rows occur once, as in any permutation.

    How much that breaks up is known. Let X and Y be independent, with covariance C_x of a row and
    c C_x of two rows of a patient, and likewise D_y and d D_y. Then for any order the expected sum
    of squares of X'Y is tr C_x tr D_y (n + c d (m - n)), with m the number of pairs of rows that
    are of one patient on the left and of one on the right; unpermuted it is the sum of squares of
    patients' rows. `together` is m over that sum, which is 1 where numbers of rows are equal.

    Attributes:
        orders: (B, n) int; in draw b row i of the left side meets row `orders[b, i]` of the right.
        together: In (0, 1], the share of pairs of a patient's rows that stay together on average.
            Far below 1, the floor is too low.
        alone: In [0, 1], the share of rows that meet a row of the same patient, which is above 0
            only where one has more rows than those like it; far above 0, the floor is too high.
    """

    orders: NDArray[np.int64]
    together: float
    alone: float

    @classmethod
    def drawn(cls, patients: ArrayLike, draws: int, rng: np.random.Generator) -> Exchange:
        """Draw orders.

        Args:
            patients: (n,) identifiers, one per row.
            draws: Number of orders B.
            rng: Where they come from.

        Raises:
            UserError: There is one patient only, or no draw is asked for.
        """
        _, patient, counts = np.unique(
            np.asarray(patients), return_inverse=True, return_counts=True
        )
        if len(counts) < 2:
            raise UserError(
                "The floor exchanges patients, and these rows are of one patient; take rows of "
                "two or more."
            )
        if draws < 1:
            raise UserError(f"The floor needs at least 1 permutation, not {draws}.")
        rows = np.split(np.argsort(patient, kind="stable"), np.cumsum(counts)[:-1])
        strata = _strata(counts)
        orders = np.stack([_order(rows, strata, rng) for _ in range(draws)])
        shares = [_shares(patient, counts, order) for order in orders]
        together, alone = np.mean(shares, axis=0)
        return cls(orders, float(together), float(alone))


@dataclass(frozen=True)
class Floor:
    """A measure of activations whose patients were exchanged.

    Attributes:
        mean: Mean over draws; NaN where the measure is.
        low: 2.5th percentile.
        high: 97.5th percentile.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Floor:
        """Summarise the values that a measure had in each draw."""
        low, high = np.quantile(values, [0.025, 0.975], method="weibull")
        return cls(float(np.mean(values)), float(low), float(high))


def floor(
    x: Factor, y: Factor, exchange: Exchange, measures: Sequence[str] = MEASURES
) -> dict[str, Floor]:
    """Return what chance alone gives.

    Neither side is taken apart again: another order of rows changes only the product of left
    singular vectors.

    Args:
        x: The left side.
        y: The right side, whose rows are permuted.
        exchange: Orders for the rows of both.
        measures: Of `MEASURES`.

    Returns:
        The floor of each measure. With B draws the percentiles are those of B + 1 equally likely
        places, so that a value of independent data lies between them in 95 % of cases; with fewer
        than 39 draws they are the extremes, which hold fewer.

    Raises:
        UserError: Rows do not match, or a measure has an unknown name.
    """
    if exchange.orders.shape[1] != x.spectrum.rows:
        raise UserError(
            f"An exchange of {exchange.orders.shape[1]} rows does not fit activations of "
            f"{x.spectrum.rows}; draw it from the patients of these rows."
        )
    found = by_chance(x, y, exchange.orders, measures)
    return {name: Floor.of([one[name] for one in found]) for name in measures}


def by_chance(
    x: Factor, y: Factor, orders: NDArray[np.int64], measures: Sequence[str] = MEASURES
) -> list[dict[str, float]]:
    """Return the measures with the rows of the right side in each of the given orders.

    Args:
        x: The left side.
        y: The right side.
        orders: (B, n), as in `Exchange`.
        measures: Of `MEASURES`.

    Raises:
        UserError: A measure has an unknown name, or the two have different numbers of rows.
    """
    pair = Pair.of(x, y)
    # Rows are gathered many times, which is faster where each lies in one piece.
    right = np.ascontiguousarray(y.left)
    return [
        replace(
            pair,
            product=x.left.T @ right[order],
            lengths=float(x.lengths @ y.lengths[order]),
        ).measure(measures)
        for order in orders
    ]


def _strata(counts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Group patients with alike numbers of rows, at least `STRATUM` (if there are) in each."""
    found: list[list[int]] = [[]]
    for count in np.unique(counts)[::-1]:
        if len(found[-1]) >= STRATUM:
            found.append([])
        found[-1].extend(np.flatnonzero(counts == count))
    if len(found) > 1 and len(found[-1]) < STRATUM:
        found[-2:] = [found[-2] + found[-1]]
    return [np.array(stratum) for stratum in found]


def _order(
    rows: Sequence[NDArray[np.int64]], strata: Sequence[NDArray[np.int64]], rng: np.random.Generator
) -> NDArray[np.int64]:
    order = np.empty(sum(map(len, rows)), dtype=np.int64)
    for stratum in strata:
        ring = rng.permutation(stratum)
        spare_left, spare_right = [], []
        # Each meets the next in a ring, so nobody meets himself.
        for here, there in zip(ring, np.roll(ring, -1), strict=True):
            left, right = rows[here], rows[there]
            both = min(len(left), len(right))
            order[left[:both]] = right[:both]
            spare_left.append(left[both:])
            spare_right.append(right[both:])
        order[np.concatenate(spare_left)] = np.concatenate(spare_right)
    return order


def _shares(
    patient: NDArray[np.int64], counts: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[float, float]:
    met = np.unique(patient * len(counts) + patient[order], return_counts=True)[1]
    alone = np.mean(patient == patient[order])
    return float((met**2).sum() / (counts**2).sum()), float(alone)
