"""Small masks, and brute force on them: pixel by pixel, pair by pair."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 255


def four_pairs() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return (4, 8, 8) predicted and true masks: both empty, false alarm, missed, Dice .75."""
    predicted, truth = np.zeros((2, 4, 8, 8), dtype=np.uint8)
    predicted[1, 1:4, 1:4] = 1
    truth[2, 1:4, 1:4] = 1
    predicted[3, 2:6, 1:5] = 1
    truth[3, 2:6, 2:6] = 1
    return predicted, truth


def counts(predicted: NDArray, truth: NDArray) -> tuple[int, int, int, int]:
    """Return pixels of both, of the predicted, of the true mask, and known ones."""
    both = marked = there = known = 0
    for answer, true in zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if true != UNKNOWN:
            known += 1
            marked += answer
            there += true
            both += answer * true
    return both, marked, there, known


def outline(mask: NDArray) -> list[tuple[int, int]]:
    """Return the pixels that touch what is outside of the mask."""
    rows, columns = mask.shape

    def inside(row: int, column: int) -> bool:
        return 0 <= row < rows and 0 <= column < columns and mask[row, column] == 1

    return [
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if inside(row, column)
        and not all(
            inside(row + down, column + right) for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))
        )
    ]


def distances(mask: NDArray, other: NDArray, spacing: tuple[float, float]) -> list[float]:
    """Return the distance of each outline pixel of a mask from the other's outline."""
    there = outline(other)
    return [
        min(math.hypot((row - r) * spacing[0], (column - c) * spacing[1]) for r, c in there)
        for row, column in outline(mask)
    ]


def percentile(values: list[float], share: float) -> float:
    """Return a percentile, linear between neighbours in order."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    if len(ordered) == 1:
        return ordered[0]
    number = min(int(place), len(ordered) - 2)
    low, high = list(pairwise(ordered))[number]
    return low + (high - low) * (place - number)


def bad_and_missing() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what two networks mark on four films (4, 32, 32), and the truth.

    They find three structures alike. The first finds the fourth 8 pixels away, the second not.
    """
    truth = np.zeros((4, 32, 32), dtype=np.uint8)
    truth[:, 8:16, 8:16] = 1
    bad = truth.copy()
    bad[:3] = np.roll(truth[:3], 1, axis=2)
    bad[3] = np.roll(truth[3], 8, axis=1)
    missing = bad.copy()
    missing[3] = 0
    return bad, missing, truth
