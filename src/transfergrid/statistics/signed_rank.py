"""Bayesian signed-rank test of two methods on several data sets, by a Dirichlet process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 50_000
PRIOR = 0.5
"""Weight of the one difference of 0 that is added to the data sets, each of which has weight 1."""


@dataclass(frozen=True)
class SignedRank:
    """Probabilities that sum to 1.

    Attributes:
        better: That the differences are above the rope.
        alike: That they are within it.
        worse: That they are below it.
    """

    better: float
    alike: float
    worse: float


def weights_of(n: int, seed: int, draws: int = DRAWS) -> NDArray[np.float64]:
    """Return (draws, n + 1) weights of the prior's difference of 0 and of n data sets."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet([PRIOR, *[1.0] * n], size=draws)


def signed_rank(differences: ArrayLike, rope: float, weights: NDArray[np.float64]) -> SignedRank:
    """Return how probable it is that one method is better, alike or worse.

    Of every draw of weights, the weight of all means of two differences above, within and below
    the rope is compared, and the largest wins. Benavoli, Corani, Demsar and Zaffalon (2017,
    J. Mach. Learn. Res. 18(77):1-36), section 4.2, as in baycomp.

    Args:
        differences: (n,) one method's score minus another's, a value per data set.
        rope: Largest difference that counts as none, > 0.
        weights: (B, n + 1) from `weights_of`.
    """
    values = np.concatenate(([0.0], np.asarray(differences, dtype=np.float64)))
    means = (values[:, None] + values) / 2
    # A mean at the end of the rope counts one half, however its digits are rounded.
    sides = [(1 + np.sign(np.round(sign * means - rope, 12))) / 2 for sign in (1, -1)]
    above, below = (((weights @ side) * weights).sum(axis=1) for side in sides)
    won = np.argmax([below, 1 - below - above, above], axis=0)
    worse, alike, better = np.bincount(won, minlength=3) / len(weights)
    return SignedRank(float(better), float(alike), float(worse))
