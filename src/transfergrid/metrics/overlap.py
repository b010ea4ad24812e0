"""How far a predicted mask and the true one overlap, and what it means where one is empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.runtime.errors import UserError


class State(IntEnum):
    """Which of two masks has a pixel."""

    BOTH_EMPTY = 0
    MISSED = 1
    FALSE_ALARM = 2
    BOTH = 3
    UNKNOWN = 4


@dataclass(frozen=True)
class Overlap:
    """Counts of pixels; unknown ones are in none of them.

    Attributes:
        true_positive: (...) int64, pixels of both masks.
        predicted: (...) int64, pixels of the predicted mask.
        true: (...) int64, pixels of the true mask.
        known: (...) int64, pixels of which the truth is known.
    """

    true_positive: NDArray[np.int64]
    predicted: NDArray[np.int64]
    true: NDArray[np.int64]
    known: NDArray[np.int64]

    @property
    def state(self) -> NDArray[np.int64]:
        """(...) numbers of `State`; a film without a known pixel is unknown."""
        found = np.where(self.true > 0, State.MISSED, State.BOTH_EMPTY)
        found = found + np.where(self.predicted > 0, State.FALSE_ALARM, State.BOTH_EMPTY)
        return np.where(self.known > 0, found, State.UNKNOWN).astype(np.int64)


@dataclass(frozen=True)
class StateCounts:
    """How many films are in each state, which stands beside every mean over them.

    Attributes:
        both: Both masks have pixels.
        missed: Only the true one has.
        false_alarm: Only the predicted one has.
        both_empty: Neither has.
        unknown: No pixel is known: the film counts nowhere.
    """

    both: int
    missed: int
    false_alarm: int
    both_empty: int
    unknown: int

    @classmethod
    def of(cls, states: ArrayLike) -> StateCounts:
        """Count numbers of `State`."""
        counts = np.bincount(np.asarray(states, dtype=np.int64).ravel(), minlength=len(State))
        return cls(**{state.name.lower(): int(counts[state]) for state in State})


def count_overlap(predicted: ArrayLike, truth: ArrayLike) -> Overlap:
    """Count the pixels that two masks share and have.

    Masks are looked at one by one, so arrays that are mapped from a file stay there.

    Args:
        predicted: (..., H, W) bool, or 0 and 1.
        truth: (..., H, W) uint8: 0, 1, or 255 for unknown.

    Raises:
        UserError: Shapes differ, or a value is none of these.
    """
    predicted, truth = as_masks(predicted, truth)
    counts = np.zeros((*truth.shape[:-2], 4), dtype=np.int64)
    for place, answer, true, known in each_mask(predicted, truth):
        counts[place] = [
            np.count_nonzero(answer & true),
            np.count_nonzero(answer),
            np.count_nonzero(true),
            np.count_nonzero(known),
        ]
    return Overlap(*np.moveaxis(counts, -1, 0))


def as_masks(predicted: ArrayLike, truth: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return both as arrays.

    Raises:
        UserError: They are no masks of one shape.
    """
    predicted, truth = np.asanyarray(predicted), np.asanyarray(truth)
    if predicted.shape != truth.shape or truth.ndim < 2:
        raise UserError(
            f"predicted masks of shape {predicted.shape} do not fit true ones of shape "
            f"{truth.shape}; both must be (..., height, width)."
        )
    return predicted, truth


def each_mask(
    predicted: NDArray, truth: NDArray
) -> Iterator[tuple[tuple[int, ...], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield each pair's place, then its predicted, true and known pixels, (H, W) bool.

    Pixels that are not known are in neither mask.

    Raises:
        UserError: A value is not one that a mask has.
    """
    for place in np.ndindex(truth.shape[:-2]):
        answer, true = np.asarray(predicted[place]), np.asarray(truth[place])
        _check(answer, (0, 1), "a predicted mask")
        _check(true, (0, 1, UNKNOWN), "a true mask")
        known = true != UNKNOWN
        yield place, (answer != 0) & known, true == 1, known


def _check(mask: NDArray, allowed: tuple[int, ...], what: str) -> None:
    """Refuse values that a mask does not have, NaN among them."""
    if mask.dtype == bool:
        return
    right = mask == allowed[0]
    for value in allowed[1:]:
        right |= mask == value
    if not right.all():
        told = ", ".join(map(str, allowed))
        raise UserError(f"{what} holds {mask[~right][0]}; its values must be {told}.")
