"""How well a map points at a sign: pointing game and overlap with the true region."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVELS = 256

THRESHOLD = "Otsu's threshold on the map scaled to 0..255 (as CheXlocalize, Saporta et al. 2022)"
"""How a map becomes a region, for captions and tables."""


def otsu_threshold(values: ArrayLike) -> int:
    """Return the level that best splits grey levels in two: class 0 is at or below it.

    Maximises the variance between the classes (Otsu 1979, IEEE Trans. SMC 9:62-66); among equal
    maxima it is the lowest level.

    Args:
        values: Integers from 0 to 255, any shape.
    """
    counts = np.bincount(np.asarray(values).ravel(), minlength=LEVELS).astype(np.float64)
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * np.arange(LEVELS))
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
        between = np.where((below > 0) & (above > 0), below * above * gap**2, 0.0)
    return int(np.argmax(between))


def region(values: ArrayLike) -> NDArray[np.bool_]:
    """Return where a map is high, by Otsu's threshold.

    Args:
        values: (H, W) real.

    Returns:
        (H, W); all false for a map that is the same everywhere.
    """
    scaled = np.asarray(values, dtype=np.float64)
    low, high = float(scaled.min()), float(scaled.max())
    if not high > low:
        return np.zeros(scaled.shape, dtype=np.bool_)
    grey = (255 * (scaled - low) / (high - low)).astype(np.uint8)
    return np.asarray(grey > otsu_threshold(grey))


def overlap(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return intersection over union of two regions, in [0, 1]; 0 if both are empty."""
    union = int((found | truth).sum())
    return int((found & truth).sum()) / union if union else 0.0


def points_inside(values: ArrayLike, truth: NDArray[np.bool_]) -> bool:
    """Tell whether the map's highest pixel lies in the true region, without a tolerance.

    The pointing game of Zhang et al. 2018 (IJCV 126:1084-1102). A map that is the same everywhere
    points nowhere; among equal maxima the first in reading order counts.

    Args:
        values: (H, W) real.
        truth: (H, W).
    """
    array = np.asarray(values)
    highest = int(np.argmax(array))
    return bool(array.max() > array.min() and truth.ravel()[highest])


def first_positives(labels: ArrayLike, image_id: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return the first `count` positive images in the order of their ids.

    This is the rule for showing films: it knows labels and names, and nothing about any network.

    Args:
        labels: (N,) 0, 1 or NaN.
        image_id: (N,) text.
        count: How many at most.
    """
    order = np.argsort(np.asarray(image_id), kind="stable")
    return order[np.asarray(labels)[order] == 1][:count].astype(np.int64)
