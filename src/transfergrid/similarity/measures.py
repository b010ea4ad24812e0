"""How alike two activations of the same rows are: canonical correlations, CKA, Procrustes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from transfergrid.runtime.errors import UserError, listed, suggest
from transfergrid.similarity.factor import Factor, Spectrum

MEASURES = ("mean_cca", "svcca", "pwcca_xy", "pwcca_yx", "cka", "cka_debiased", "procrustes")
"""All measures, as tables name them.

`mean_cca`: mean canonical correlation; in [0, 1], unchanged by any invertible map of either side.
`svcca`: the same of the leading directions that hold 99 % of each side's sum of squares (Raghu et
    al. 2017, NeurIPS); in [0, 1], unchanged by rotation and scale.
`pwcca_xy`: canonical correlations weighted by how much of the left side, x, each explains (Morcos
    et al. 2018, NeurIPS); in [0, 1], not symmetric. `pwcca_yx` weights by y.
`cka`: linear centred kernel alignment (Kornblith et al. 2019, ICML); in [0, 1], unchanged by
    rotation and scale. Of independent data it is about p / (n + p) rather than 0.
`cka_debiased`: the same from the unbiased estimator HSIC_1 (Song et al. 2012, JMLR 13:1393-1434);
    about 0 of independent data, so it may be negative.
`procrustes`: sum of the singular values of X'Y, after both sides have sum of squares 1: the cosine
    of the angle between them once one is rotated to fit the other best (Schönemann 1966,
    Psychometrika 31:1-10; Williams et al. 2021, NeurIPS); in [0, 1].
"""

SVCCA_SHARE = 0.99
"""Share of the sum of squares that SVCCA keeps."""

ROUGH = 1e-5
"""What share of itself Procrustes may be off where many values are found for their spread."""

_CANONICAL = ("mean_cca", "pwcca_xy", "pwcca_yx")


@dataclass(frozen=True)
class Pair:
    """What a comparison needs of two activations X and Y; it has no rows, however many they have.

    Attributes:
        x: The left side.
        y: The right side.
        product: (r_x, r_y) float64, U_x' U_y.
        cross: float64, X'Y in any orthonormal directions that hold all of the channels' variation.
        lengths: Sum over rows of the product of the squared lengths.
    """

    x: Spectrum
    y: Spectrum
    product: NDArray[np.float64]
    cross: NDArray[np.float64]
    lengths: float

    @classmethod
    def of(cls, x: Factor, y: Factor) -> Pair:
        """Multiply the left singular vectors of two activations.

        Raises:
            UserError: They do not have the same number of rows.
        """
        if x.spectrum.rows != y.spectrum.rows:
            raise UserError(
                f"Activations of {x.spectrum.rows} and {y.spectrum.rows} rows cannot be compared; "
                "take both at the same positions of the same films."
            )
        lengths = float(x.lengths @ y.lengths)
        return cls.met(x.spectrum, y.spectrum, x.left.T @ y.left, lengths)

    @classmethod
    def met(cls, x: Spectrum, y: Spectrum, product: NDArray[np.float64], lengths: float) -> Pair:
        """Take two sides from the product of all their left singular vectors."""
        return cls(x, y, product, x.values[:, None] * product * y.values, lengths)

    @property
    def flags(self) -> tuple[str, ...]:
        """Of "dead_left", "dead_right" (rank 0), "cut_left", "cut_right" (few rows)."""
        sides = (("left", self.x), ("right", self.y))
        return tuple(
            f"{word}_{side}"
            for side, one in sides
            for word, holds in (("dead", not one.rank), ("cut", one.cut))
            if holds
        )

    def correlations(self) -> NDArray[np.float64]:
        """Return the canonical correlations of the kept directions, (min(k_x, k_y),), falling."""
        return _singular(self._canonical)

    def measure(
        self, measures: Sequence[str] = MEASURES, tolerance: float = 0.0
    ) -> dict[str, float]:
        """Return measures by name, in the order asked for.

        Args:
            measures: Of `MEASURES`; of wide layers Procrustes takes longest.
            tolerance: What share of itself Procrustes may be off; above 0 it takes half as long.

        Returns:
            All of them NaN where a side has rank 0. Debiased CKA is also NaN with fewer than 4
            rows, and where a side's own unbiased estimate is not above 0.

        Raises:
            UserError: A measure has an unknown name.
        """
        for name in measures:
            if name not in MEASURES:
                raise UserError(
                    f"Measure {name!r} is not known{suggest(name, MEASURES)}; "
                    f"choose from {listed(MEASURES)}."
                )
        if not (self.x.rank and self.y.rank):
            return dict.fromkeys(measures, float("nan"))
        found = {**self._canonical_measures(measures), **self._others(measures, tolerance)}
        return {name: found[name] for name in measures}

    @property
    def _canonical(self) -> NDArray[np.float64]:
        return self.product[: self.x.kept, : self.y.kept]

    def _canonical_measures(self, measures: Sequence[str]) -> dict[str, float]:
        asked = [name for name in measures if name in _CANONICAL]
        if not asked:
            return {}
        if asked == ["mean_cca"]:
            return {"mean_cca": float(self.correlations().mean())}
        a, rho, b = linalg.svd(self._canonical, full_matrices=False, check_finite=False)
        rho = rho.clip(0.0, 1.0)
        found = {
            "mean_cca": float(rho.mean()),
            "pwcca_xy": _weighted(rho, a.T, self.x),
            "pwcca_yx": _weighted(rho, b, self.y),
        }
        return {name: found[name] for name in asked}

    def _others(self, measures: Sequence[str], tolerance: float) -> dict[str, float]:
        ways: dict[str, Callable[[], float]] = {
            "svcca": self._svcca,
            "cka": self._cka,
            "cka_debiased": self._cka_debiased,
            "procrustes": partial(self._procrustes, tolerance),
        }
        return {name: ways[name]() for name in measures if name in ways}

    def _svcca(self) -> float:
        k_x, k_y = (min(one.kept, one.explaining(SVCCA_SHARE)) for one in (self.x, self.y))
        return float(_singular(self.product[:k_x, :k_y]).mean())

    def _cka(self) -> float:
        own = self.x.fourths * self.y.fourths
        return float(min(1.0, (self.cross**2).sum() / np.sqrt(own)))

    def _cka_debiased(self) -> float:
        own = [_hsic(one, one, one.fourths, one.lengths2) for one in (self.x, self.y)]
        if not min(own) > 0:
            return float("nan")
        both = _hsic(self.x, self.y, float((self.cross**2).sum()), self.lengths)
        return both / float(np.sqrt(own[0] * own[1]))

    def _procrustes(self, tolerance: float) -> float:
        nuclear = _sum_of_singular(self.cross, tolerance)
        return float(min(1.0, nuclear / np.sqrt(self.x.total * self.y.total)))


def compare(x: Factor, y: Factor, measures: Sequence[str] = MEASURES) -> dict[str, float]:
    """Return measures of two activations by name, as `Pair.measure` does.

    Raises:
        UserError: They do not have the same number of rows, or a measure has an unknown name.
    """
    return Pair.of(x, y).measure(measures)


def _singular(product: NDArray[np.float64]) -> NDArray[np.float64]:
    if not product.size:
        return np.empty(0)
    # Rounding may leave a correlation of 1 just above it.
    found: NDArray[np.float64] = linalg.svdvals(product, check_finite=False)
    return found.clip(0.0, 1.0)


def _sum_of_singular(matrix: NDArray[np.float64], tolerance: float) -> float:
    """Return the sum of singular values, off by at most a share `tolerance`.

    The eigenvalues of the smaller Gram matrix take less than half the time of an SVD, and may each
    be off by some rounding errors of the largest; so they are used where the sum would not suffer
    if all of them were. Of matrices whose rows fall in size, as here, it is off by far less.
    """
    if tolerance:
        wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        squares = linalg.eigvalsh(wide @ wide.T, check_finite=False).clip(0.0)
        off = 4 * np.finfo(np.float64).eps * squares[-1]
        # A root is off by its square's error over twice itself, and never by more than its root.
        error = off / (np.sqrt(squares) + np.sqrt(off))
        if error.sum() <= tolerance * np.sqrt(squares).sum():
            return float(np.sqrt(squares).sum())
    return float(linalg.svdvals(matrix, check_finite=False).sum())


def _weighted(rho: NDArray[np.float64], variates: NDArray[np.float64], side: Spectrum) -> float:
    """Weight correlations by sum_j |<h_i, x_j>|, with h_i a side's variates, x_j its channels.

    Args:
        rho: (c,) canonical correlations.
        variates: (c, k) the variates in the side's kept left singular vectors.
        side: Where they lie.
    """
    k = side.kept
    weights = np.abs((variates * side.values[:k]) @ side.right[:k]).sum(axis=1)
    return float(min(1.0, rho @ weights / weights.sum()))


def _hsic(x: Spectrum, y: Spectrum, squares: float, lengths: float) -> float:
    """Return HSIC_1 of linear kernels.

    The estimator sets the kernels' diagonals to 0. Of centred data the rows of a kernel sum to 0,
    so that what it needs are the diagonals, which are the squared lengths of rows.

    Args:
        x: One side.
        y: The other.
        squares: Sum of squares of X'Y.
        lengths: Sum over rows of the product of the squared lengths.
    """
    n = x.rows
    if n < 4:
        return float("nan")
    middle = x.total * y.total / ((n - 1) * (n - 2))
    return (squares - lengths * n / (n - 2) + middle) / (n * (n - 3))
