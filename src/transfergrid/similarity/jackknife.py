"""How sure a similarity of activations is: leave out groups of patients, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, special

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.factor import NEGLIGIBLE, Factor, Spectrum
from transfergrid.similarity.measures import MEASURES, ROUGH, Pair

GROUPS = 20
"""Groups of patients; Student's t then has 19 degrees of freedom."""

IN_MEMORY = 2**26
"""Values of products of all rows that are kept from group to group; the others are made again."""

STEEP = 1e-5
"""Below this share of the largest, eigenvalues of squares are not found well enough."""


@dataclass(frozen=True)
class Bounds:
    """A measure's standard error and its interval.

    Attributes:
        se: Standard error; NaN where a replicate is.
        low: Lower bound.
        high: Upper bound.
    """

    se: float
    low: float
    high: float


def patient_groups(
    patients: ArrayLike, rng: np.random.Generator, groups: int = GROUPS
) -> NDArray[np.int64]:
    """Deal patients to groups so that all have about as many rows.

    What a similarity is depends on the number of rows, so that groups of unequal size would add
    to the spread of replicates what is none.

    Args:
        patients: (n,) identifiers, one per row.
        rng: Where the deal comes from.
        groups: At most as many groups; as many as patients, if these are fewer.

    Returns:
        (n,) the group of each row, from 0.

    Raises:
        UserError: There are fewer than two patients or groups.
    """
    _, patient, counts = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    groups = min(groups, len(counts))
    if groups < 2:
        raise UserError(
            "An interval leaves out groups of patients and needs two at least, of as many "
            "patients; take rows of more patients."
        )
    # Those with the most rows are dealt first, each time to all groups in a new order.
    order = np.lexsort((rng.random(len(counts)), -counts))
    rounds = -(-len(counts) // groups)
    deal = np.concatenate([rng.permutation(groups) for _ in range(rounds)])
    group = np.empty(len(counts), dtype=np.int64)
    group[order] = deal[: len(counts)]
    return group[patient]


def jackknife(
    factors: Sequence[Factor],
    pairs: Sequence[tuple[int, int]],
    group: NDArray[np.int64],
    measures: Sequence[str] = MEASURES,
) -> NDArray[np.float64]:
    """Return the measures of pairs with each group of patients left out.

    No activation is taken apart again. In the left singular vectors U of all rows, the centred
    rest of the rows has the cross-products I - U_g'U_g - s s' / (n - n_g), with U_g the rows left
    out and s their sum, and products of two activations likewise; what follows has no rows.
    Directions that canonical correlations keep are as many as with all rows, and where these are
    few, no others are found.

    Args:
        factors: Activations of the same n rows.
        pairs: (P,) positions in `factors`, left and right.
        group: (n,) the group of each row, from 0, as from `patient_groups`.
        measures: Of `MEASURES`.

    Returns:
        (P, measures, G) float64.

    Raises:
        UserError: Rows do not match, or a measure has an unknown name.
    """
    found = np.empty((len(pairs), len(measures), int(group.max()) + 1))
    products = _products(factors, pairs)
    used = sorted({position for pair in pairs for position in pair})
    for g in range(found.shape[2]):
        out = group == g
        rests = {position: _Rest.of(factors[position], out) for position in used}
        for number, (left, right) in enumerate(pairs):
            product = products.get(number)
            if product is None:
                product = factors[left].left.T @ factors[right].left
            values = rests[left].with_other(rests[right], product).measure(measures, ROUGH)
            found[number, :, g] = [values[name] for name in measures]
    return found


def _products(
    factors: Sequence[Factor], pairs: Sequence[tuple[int, int]]
) -> dict[int, NDArray[np.float64]]:
    """Return the products of left singular vectors of as many pairs as fit in memory."""
    found, left_over = {}, IN_MEMORY
    for number, (left, right) in enumerate(pairs):
        x, y = factors[left], factors[right]
        left_over -= x.spectrum.rank * y.spectrum.rank
        if left_over < 0:
            break
        found[number] = x.left.T @ y.left
    return found


def interval(name: str, value: float, replicates: ArrayLike, confidence: float = 0.95) -> Bounds:
    """Return the interval of a measure from its values with each group left out.

    The variance is (G - 1) / G times the sum of squared distances of replicates from their mean
    (Kott 2001, Journal of Official Statistics 17:521-526). The interval is about the value of all
    rows, with Student's t of G - 1 degrees of freedom, on the scale of atanh, where measures that
    end at 1 are more nearly normal. It holds what measures of as many rows are on average, which
    includes the part that chance gives (see `floor`).

    Args:
        name: Of `MEASURES`.
        value: With all rows.
        replicates: (G,) with each group left out.
        confidence: In (0, 1).

    Returns:
        Bounds within the measure's range; the value itself where nothing varies, and NaN where
        a replicate or the value is NaN.
    """
    found = np.asarray(replicates, dtype=np.float64)
    groups = len(found)
    variance = (groups - 1) / groups * ((found - found.mean()) ** 2).sum()
    se = float(np.sqrt(variance))
    if not np.isfinite(se + value):
        return Bounds(float("nan"), float("nan"), float("nan"))
    arm = -float(special.stdtrit(groups - 1, (1 - confidence) / 2)) * se
    slope = 1 - value**2
    if slope < 1e-12:
        low, high = value - arm, max(value, 1.0)
    else:
        low, high = np.tanh(np.arctanh(value) + np.array([-1, 1]) * arm / slope)
    least = -1.0 if name == "cka_debiased" else 0.0
    return Bounds(se, max(least, float(low)), float(high))


@dataclass(frozen=True)
class _Rest:
    """An activation without the rows of a group, in the left singular vectors of all rows.

    Attributes:
        spectrum: Of the centred rest.
        basis: (r, r') what takes the left singular vectors of all rows to those of the rest.
        values: (r,) singular values of all rows.
        left_out: (n_g, r) the rows of the group.
        lengths: (n - n_g,) squared lengths of the rows of the centred rest.
    """

    spectrum: Spectrum
    basis: NDArray[np.float64]
    values: NDArray[np.float64]
    left_out: NDArray[np.float64]
    lengths: NDArray[np.float64]

    @classmethod
    def of(cls, whole: Factor, out: NDArray[np.bool_]) -> _Rest:
        left_out = whole.left[out]
        rows = whole.spectrum.rows - len(left_out)
        mean = -left_out.sum(axis=0) / rows
        values = whole.spectrum.values
        # Squared distances of rows from the mean of the rest.
        towards = whole.left @ (values**2 * mean)
        lengths = (whole.lengths - 2 * towards + ((values * mean) ** 2).sum())[~out]
        products = _without(np.eye(len(values)), left_out, left_out, rows)
        gram = values[:, None] * products * values
        leading = _leading(gram, values, whole.spectrum.kept)
        basis, found, right = leading or _all(products, values)
        spectrum = Spectrum(
            found,
            right @ whole.spectrum.right,
            min(whole.spectrum.kept, len(found)),
            rows,
            float(lengths @ lengths),
            float(np.trace(gram)),
            float((gram**2).sum()),
        )
        return cls(spectrum, basis, values, left_out, lengths)

    def with_other(self, other: _Rest, whole: NDArray[np.float64]) -> Pair:
        """Compare with another activation without the same rows.

        Args:
            other: That one.
            whole: (r_x, r_y) the product of left singular vectors of all rows.
        """
        rest = _without(whole, self.left_out, other.left_out, self.spectrum.rows)
        product = self.basis.T @ rest @ other.basis
        cross = self.values[:, None] * rest * other.values
        lengths = float(self.lengths @ other.lengths)
        return Pair(self.spectrum, other.spectrum, product, cross, lengths)


Directions = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""A basis in the left singular vectors of all rows, values, and right singular vectors in those."""


def _leading(
    gram: NDArray[np.float64], values: NDArray[np.float64], kept: int
) -> Directions | None:
    """Return the leading directions of the rest, where others are not needed.

    CKA and Procrustes need no directions at all, so that of a layer with few rows for its channels
    a tenth of the rows are enough, which takes a tenth of the time of all.

    Args:
        gram: (r, r) X'X of the rest, in the right singular vectors of all rows.
        values: (r,) singular values of all rows.
        kept: How many.

    Returns:
        None where all are kept, or where the squares in `gram` are too coarse for the last.
    """
    rank = len(values)
    if kept == rank:
        return None
    squares, vectors = linalg.eigh(
        gram, subset_by_index=[rank - kept, rank - 1], check_finite=False
    )
    if not squares[0] > STEEP * squares[-1]:
        return None
    found = np.sqrt(squares[::-1])
    right = vectors[:, ::-1].T
    return values[:, None] * right.T / found, found, right


def _all(products: NDArray[np.float64], values: NDArray[np.float64]) -> Directions:
    """Return all directions of the rest.

    Args:
        products: (r, r) of the rest, in the left singular vectors of all rows.
        values: (r,) singular values of all rows.
    """
    shares, vectors = _eigen(products)
    roots = np.sqrt(shares)
    turned, found, right = _svd((vectors * roots).T * values)
    return (vectors / roots) @ turned, found, right


def _without(
    products: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64], rows: int
) -> NDArray[np.float64]:
    """Return the centred products of the rest of `rows` rows from those of all, which sum to 0."""
    found: NDArray[np.float64] = products - left.T @ right
    return found - np.outer(left.sum(axis=0), right.sum(axis=0)) / rows


def _eigen(products: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues in (0, 1] and eigenvectors; directions of the rows left out have none."""
    if not products.size:
        return np.empty(0), products
    shares, vectors = linalg.eigh(products, check_finite=False)
    there = shares > NEGLIGIBLE
    return shares[there], vectors[:, there]


def _svd(
    product: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    if not product.size:
        return np.empty((len(product), 0)), np.empty(0), np.empty((0, product.shape[1]))
    left, values, right = linalg.svd(product, full_matrices=False, check_finite=False)
    there = values > NEGLIGIBLE * values[0]
    return left[:, there], values[there], right[there]
