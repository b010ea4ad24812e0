"""Several labels per case, each with a probability of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.tasks.score.units import combine_views
from transfergrid.tasks.score.units import study_labels as truth

__all__ = [
    "accuracy",
    "cases",
    "chance",
    "check_cases",
    "check_labels",
    "probabilities",
    "truth",
]


def check_labels(labels: NDArray[Any], image_id: NDArray[Any]) -> None:
    """Take any labels: one says nothing of another."""


def check_cases(labels: NDArray[Any], case_id: NDArray[Any]) -> None:
    """Take any labels: one says nothing of another."""


def probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    """Return the sigmoid of logits, float64 in [0, 1], whose ties are those of the logits."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64)))


def cases(stored: ArrayLike, index: ArrayLike, how: str) -> NDArray[np.float64]:
    """Return (C, S, T) probabilities of (C, N, T) logits, views combined on the logit."""
    return probabilities(combine_views(stored, index, how))


def accuracy(probabilities: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the mean over tasks of the share on the right side of one half."""
    known = ~np.isnan(labels)
    right = ((probabilities > 0.5) == (labels == 1)) & known
    return _mean_share(right.sum(axis=0), known.sum(axis=0))


def chance(labels: NDArray[Any]) -> float:
    """Return the accuracy of always giving the commoner answer of each task."""
    known = (~np.isnan(labels)).sum(axis=0)
    positive = np.nansum(labels, axis=0)
    return _mean_share(np.maximum(positive, known - positive), known)


def _mean_share(part: NDArray[Any], whole: NDArray[Any]) -> float:
    shares = part[whole > 0] / whole[whole > 0]
    return float(shares.mean()) if len(shares) else float("nan")
