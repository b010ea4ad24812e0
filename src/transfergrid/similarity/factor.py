"""One activation, taken apart once: what every comparison with another one needs of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from transfergrid.runtime.errors import UserError

NEGLIGIBLE = 1e-10
"""A singular value is taken for 0 if it is at most this share of the largest."""

ROWS_PER_DIRECTION = 10
"""With fewer rows per direction, canonical correlations are mostly chance."""


@dataclass(frozen=True)
class Spectrum:
    """What is left of an activation when its rows are gone.

    Attributes:
        values: (r,) float64, singular values of the centred activation, decreasing, above 0. Of an
            activation that lacks a group of rows (`jackknife`) they may be the kept ones alone.
        right: (r, p) float64, its right singular vectors, one per row.
        kept: Leading directions that canonical correlations use, at most r.
        rows: Number of rows n.
        lengths2: Sum over rows of the squared squared length, which debiased CKA needs.
        total: Sum of squares of the centred activation.
        fourths: Sum of the fourth powers of all singular values.
    """

    values: NDArray[np.float64]
    right: NDArray[np.float64]
    kept: int
    rows: int
    lengths2: float
    total: float
    fourths: float

    @property
    def rank(self) -> int:
        """Number of directions in which rows differ; 0 for a layer that always says the same."""
        return len(self.values)

    @property
    def cut(self) -> bool:
        """Whether canonical correlations leave directions out, because rows are too few."""
        return self.kept < self.rank

    def explaining(self, share: float) -> int:
        """Return how many leading directions hold a share of the sum of squares.

        Args:
            share: In (0, 1].
        """
        before = np.searchsorted(np.cumsum(self.values**2), share * self.total)
        # Rounding may leave the sum of all just below a share of 1.
        return min(int(before) + 1, self.rank)


@dataclass(frozen=True)
class Factor:
    """A centred activation as U diag(s) V', with the directions dropped in which nothing varies.

    Attributes:
        left: (n, r) float64, left singular vectors U; they are orthonormal, and sum to 0 over rows.
        lengths: (n,) float64, the squared length of each centred row.
        spectrum: All the rest.
    """

    left: NDArray[np.float64]
    lengths: NDArray[np.float64]
    spectrum: Spectrum

    @classmethod
    def of(cls, activation: ArrayLike, rows_per_direction: int = ROWS_PER_DIRECTION) -> Factor:
        """Centre an activation in float64 and take it apart.

        LAPACK's gesdd does so by QR and an SVD of the triangle where rows are many. The faster way
        by the eigenvectors of the Gram matrix cannot tell a singular value of 1e-10 from 0.

        Args:
            activation: (n, p) real, one row per film or position, one column per channel.
            rows_per_direction: Canonical correlations use at most n / rows_per_direction leading
                directions; 1 for all.

        Returns:
            The factor; of rank 0 if no column varies.

        Raises:
            UserError: It is no table of numbers, has fewer than 2 rows, or holds NaN or infinity.
        """
        centred = _centred(activation)
        rows = len(centred)
        lengths = np.einsum("ij,ij->i", centred, centred)
        left, values, right = linalg.svd(
            centred, full_matrices=False, overwrite_a=True, check_finite=False
        )
        rank = int(np.count_nonzero(values > NEGLIGIBLE * values.max(initial=0.0)))
        if rank < len(values):
            # Copied, so that what is dropped is not held in memory.
            left, values, right = left[:, :rank].copy(), values[:rank], right[:rank].copy()
        kept = min(rank, max(1, rows // rows_per_direction))
        sums = float((values**2).sum()), float((values**4).sum())
        return cls(left, lengths, Spectrum(values, right, kept, rows, lengths @ lengths, *sums))


def _centred(activation: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(activation)
    if found.ndim != 2 or found.dtype.kind not in "fiub" or not found.size:
        raise UserError(
            "An activation must be a table of real numbers, one row per film or position and one "
            f"column per channel, not {found.dtype} of shape {found.shape}."
        )
    if len(found) < 2:
        raise UserError("An activation of one row cannot be compared; give at least two rows.")
    low, high = found.min(axis=0), found.max(axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise UserError(
            "An activation holds NaN or infinity, as after a training that diverged; leave that "
            "state out."
        )
    # A column's mean may be off by a rounding error, which must not pass for a direction.
    mean = found.mean(axis=0, dtype=np.float64)
    # LAPACK's order of elements, so that it works in this copy and makes no other.
    centred = np.subtract(found, mean, dtype=np.float64, order="F")
    centred[:, low == high] = 0.0
    return centred
