"""What measures say of two activations that have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.measures import MEASURES, ROUGH, Pair

STRATUM = 5
"""Patients whose numbers of rows differ are exchanged only where fewer than this are alike."""

WHOLE = 0.95
"""Where an exchange keeps fewer of patients' rows together, the floor need not be true."""


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
    patients' rows. So with c and d of the data at hand, products are made as large as they would
    be with all pairs together (`missing`).

    Attributes:
        orders: (B, n) int; in draw b row i of the left side meets row `orders[b, i]` of the right.
        patient: (n,) int, the patient of each row, from 0.
        met: (B,) how many pairs of rows, m, are of one patient on either side.
        alone: In [0, 1], the share of rows that meet a row of the same patient, which is above 0
            only where one has more rows than those like it; far above 0, the floor is too high.
    """

    orders: NDArray[np.int64]
    patient: NDArray[np.int64]
    met: NDArray[np.int64]
    alone: float

    @property
    def pairs(self) -> int:
        """Pairs of rows that are of one patient, each row with itself included."""
        return int((np.bincount(self.patient) ** 2).sum())

    @property
    def together(self) -> float:
        """Share of them that stay together on average, in (0, 1]; 1 with equal numbers of rows."""
        return float(self.met.mean() / self.pairs)

    def alike(self, rows: NDArray[np.float64]) -> float:
        """Return the share c, from 0 to 1, of the variance of centred rows that patients have.

        Args:
            rows: (n, r).
        """
        n, total = len(rows), float((rows**2).sum())
        if self.pairs == n or not total:
            return 0.0
        order = np.argsort(self.patient, kind="stable")
        starts = np.flatnonzero(np.diff(self.patient[order], prepend=-1))
        sums = float((np.add.reduceat(rows[order], starts) ** 2).sum())
        return min(1.0, max(0.0, (sums - total) * n / (total * (self.pairs - n))))

    def missing(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what products of two sides lack in each draw, as a factor of at least about 1.

        Args:
            left: (n, r) centred rows.
            right: (n, q) centred rows.

        Returns:
            (B,) the root of the ratio of expected sums of squares.
        """
        n, both = len(left), self.alike(left) * self.alike(right)
        there = np.asarray(n + both * (self.met - n), dtype=np.float64)
        found: NDArray[np.float64] = np.sqrt((n + both * (self.pairs - n)) / there)
        return found

    @property
    def flags(self) -> tuple[str, ...]:
        """Of "uneven_patients", where too many could not be exchanged as they are."""
        return () if self.together >= WHOLE and self.alone <= 1 - WHOLE else ("uneven_patients",)

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
        met = [_met(patient, len(counts), order) for order in orders]
        alone = np.mean(patient == patient[orders])
        return cls(orders, patient, np.array(met), float(alone))


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
    found = by_chance(x, y, exchange, measures)
    return {name: Floor.of([one[name] for one in found]) for name in measures}


def by_chance(
    x: Factor, y: Factor, exchange: Exchange, measures: Sequence[str] = MEASURES
) -> list[dict[str, float]]:
    """Return the measures with the rows of the right side in each of an exchange's orders.

    Args:
        x: The left side.
        y: The right side.
        exchange: Orders for the rows of both.
        measures: Of `MEASURES`.

    Raises:
        UserError: A measure has an unknown name.
    """
    ends = x.spectrum, y.spectrum
    # Rows are gathered many times, which is faster where each lies in one piece.
    right = np.ascontiguousarray(y.left)
    whole = exchange.missing(x.left, y.left)
    sizes = exchange.missing(x.left * ends[0].values, y.left * ends[1].values)
    found = []
    for order, one, size in zip(exchange.orders, whole, sizes, strict=True):
        lengths = float(x.lengths @ y.lengths[order])
        product = x.left.T @ right[order]
        chance = Pair.met(*ends, product * size, lengths)
        found.append(replace(chance, product=product * one).measure(measures, ROUGH))
    return found


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


def _met(patient: NDArray[np.int64], patients: int, order: NDArray[np.int64]) -> int:
    met = np.unique(patient * patients + patient[order], return_counts=True)[1]
    return int((met**2).sum())
