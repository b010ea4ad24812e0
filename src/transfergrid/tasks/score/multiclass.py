"""One of several classes per case, with probabilities that add up to one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError, listed
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
    """Refuse an image that is not of exactly one class.

    Raises:
        UserError: The sentence names the first.
    """
    wrong = np.flatnonzero((np.sort(labels, axis=1)[:, :-1] != 0).any(axis=1) | ~labels.any(axis=1))
    if len(wrong):
        raise UserError(
            f"image {image_id[wrong[0]]} is not of exactly one class; with task_kind multiclass "
            "give each image one."
        )


def check_cases(labels: NDArray[Any], case_id: NDArray[Any]) -> None:
    """Refuse a study whose images are of several classes.

    Raises:
        UserError: The sentence names them.
    """
    torn = np.nansum(labels, axis=1) > 1
    if torn.any():
        raise UserError(
            f"A study of a multiclass data set has one class, but these have several: "
            f"{listed(case_id[torn])}; give each image its own study or correct the labels."
        )


def probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    """Return the softmax of logits over their last axis, float64 in [0, 1]."""
    values = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(values - values.max(axis=-1, keepdims=True))
    found: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return found


def cases(stored: ArrayLike, index: ArrayLike, how: str) -> NDArray[np.float64]:
    """Return (C, S, T) probabilities of (C, N, T) logits, views combined on the logit."""
    return probabilities(combine_views(stored, index, how))


def accuracy(probabilities: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the share of cases whose class of largest probability is right."""
    known = ~np.isnan(labels).any(axis=1)
    right = probabilities[known].argmax(axis=1) == labels[known].argmax(axis=1)
    return float(right.mean()) if known.any() else float("nan")


def chance(labels: NDArray[Any]) -> float:
    """Return the share of the commonest class."""
    known = labels[~np.isnan(labels).any(axis=1)]
    return float(known.mean(axis=0, dtype=np.float64).max()) if len(known) else float("nan")
