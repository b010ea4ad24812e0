"""Correction of p-values for the number of comparisons."""

from __future__ import annotations

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
    from statsmodels.stats.multitest import multipletests  # half a second, so only when needed

    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    known = ~np.isnan(p)  # statsmodels would count NaN as a comparison
    if known.any():
        adjusted[known] = multipletests(p[known], method="holm")[1]
    return adjusted
