"""Correction of p-values for the number of comparisons."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted by Holm's step-down method (1979, Scand. J. Statist. 6:65-70).

    Args:
        p: (n,) p-values in [0, 1]; NaN stands for a comparison that could not be made and does
            not count.

    Returns:
        (n,) float64 adjusted p-values in [0, 1], NaN where p is.
    """
    # Not statsmodels: its import takes half a second, and each of its calls a search for garbage.
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN comes last
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(steps).clip(max=1.0)
    return adjusted


def holm_once(p: ArrayLike, same: Iterable[Hashable]) -> NDArray[np.float64]:
    """Return p-values adjusted by Holm's method, each comparison counting once.

    Args:
        p: (n,) p-values, as `holm` takes them.
        same: (n,) what is compared; comparisons with one of these are one, and have one p-value.
    """
    p = np.asarray(p, dtype=np.float64)
    numbers: dict[Hashable, int] = {}
    which = np.array([numbers.setdefault(own, len(numbers)) for own in same], dtype=np.int64)
    _, first = np.unique(which, return_index=True)
    return holm(p[first])[which]
