"""Structures in films: each film is a case, and its counts of pixels are what metrics take.

Counts of one checkpoint say nothing of the mean probability of several, so a selection has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.mask_record import COUNTS
from transfergrid.runtime.errors import UserError
from transfergrid.tasks.score.units import study_labels as truth

__all__ = [
    "STORED",
    "accuracy",
    "cases",
    "chance",
    "check_cases",
    "check_labels",
    "probabilities",
    "truth",
]

STORED = COUNTS
"""The numbers that are stored of each film and structure; see `mask_record.pack`."""


def check_labels(labels: NDArray[Any], image_id: NDArray[Any]) -> None:
    """Take any: a film shows a structure or not, or nobody knows."""


def check_cases(labels: NDArray[Any], case_id: NDArray[Any]) -> None:
    """Take any, as `check_labels`."""


def cases(stored: ArrayLike, index: ArrayLike, how: str) -> NDArray[np.float64]:
    """Return (C, S, T, 4) counts of pixels, of (C, N, T, 4 or more) that are stored.

    Raises:
        UserError: A case has several films, whose masks cannot be combined.
    """
    index = np.asarray(index)
    if (index != np.arange(len(index))).any():
        raise UserError(
            "a study has several films, and each film has masks of its own; give every film a "
            "study_id of its own, and films of one patient one patient_id."
        )
    return np.asarray(stored, dtype=np.float64)[..., : len(STORED)]


def probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    """Refuse: nothing that is stored of masks is a probability."""
    raise UserError("masks have no probability of a film; choose a data set with labels for this.")


def accuracy(probabilities: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the share of known pixels of all films and structures that are right.

    Args:
        probabilities: (S, T, 4) counts of `cases`.
        labels: (S, T), NaN for films of which nothing is known.
    """
    both, marked, true, known = _known(probabilities, labels)
    return float((known - marked - true + 2 * both) / known) if known else float("nan")


def chance(labels: NDArray[Any]) -> float:
    """Return NaN: which answer is commonest is not told by which films show a structure."""
    return float("nan")


def _known(counts: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(np.isnan(labels)[..., None], 0.0, counts).sum(axis=(0, 1))
