"""What could be said of a label without looking at the film: from its view, a patient's sex or age.

A network that ranks films no better than their view does may have learned the view (Zech et al.
2018, PLoS Medicine 15:e1002683). Probabilities come from a logistic regression on indicators of
groups, with a ridge penalty of one half the squared norm of all coefficients but the intercept, as
scikit-learn's LogisticRegression has by default; by a single column that ranks groups by how
often they are positive, where they have enough patients to say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Codes = NDArray[np.int64]
"""(N, C) the number of the group that each of N studies has in each of C columns."""

_STEPS, _CLOSE = 100, 1e-10


def probabilities(
    learned: Codes, labels: NDArray[np.floating], tested: Codes, sizes: Sequence[int]
) -> NDArray[np.float64] | None:
    """Predict a label from groups alone.

    Args:
        learned: (N, C) the groups of the studies that are learned from.
        labels: (N,) their labels, in [0, 1], or NaN where unknown.
        tested: (M, C) the groups of those that are predicted.
        sizes: How many groups each of the C columns has.

    Returns:
        (M,) in (0, 1); None if what is learned from lacks a class.
    """
    known = ~np.isnan(labels)
    total = float(np.sum(labels[known]))
    if not 0 < total < known.sum():
        return None
    patterns, place = np.unique(learned[known], axis=0, return_inverse=True)
    place = place.reshape(-1)
    counts = np.bincount(place).astype(np.float64)
    positives = np.bincount(place, labels[known]).astype(np.float64)
    weights = fit(indicators(patterns, sizes), positives, counts)
    return np.asarray(expit(weights[0] + indicators(tested, sizes) @ weights[1:]))


def indicators(codes: Codes, sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return (N, sum of sizes) with a one for each study's group in each column."""
    parts = [np.eye(size)[codes[:, column]] for column, size in enumerate(sizes)]
    return np.concatenate(parts, axis=1)


def fit(
    design: NDArray[np.float64], positives: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the intercept and the coefficients of a ridge logistic regression on counts.

    Newton's method, each step halved until the penalised deviance falls.

    Args:
        design: (P, K) a row for each pattern.
        positives: (P,) its positives.
        counts: (P,) all of its cases; both classes must be there.
    """
    rows = np.concatenate([np.ones((len(design), 1)), design], axis=1)
    ridge = np.ones(rows.shape[1])
    ridge[0] = 0.0
    weights = np.zeros(rows.shape[1])
    rate = positives.sum() / counts.sum()
    weights[0] = np.log(rate / (1 - rate))

    def loss(at: NDArray[np.float64]) -> float:
        linear = rows @ at
        return float(counts @ np.logaddexp(0, linear) - positives @ linear + ridge @ at**2 / 2)

    for _ in range(_STEPS):
        p = expit(rows @ weights)
        gradient = rows.T @ (positives - counts * p) - ridge * weights
        curvature = (rows * (counts * p * (1 - p))[:, None]).T @ rows + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        while loss(weights + step) > loss(weights) and np.abs(step).max() > _CLOSE:
            step /= 2
        weights = weights + step
        if np.abs(step).max() <= _CLOSE:
            break
    return weights
