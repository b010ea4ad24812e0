"""Means of values that have bounds of their own, and differences of such means."""

from __future__ import annotations

import math

import pandas as pd

from transfergrid.statistics.anova import Interval


def mean_of(rows: pd.DataFrame) -> Interval:
    """Return the mean over rows, with the means of their bounds; NaN where one has none.

    Such bounds are no narrower than an interval of the mean, however the rows hang together.

    Args:
        rows: With ``value``, ``low`` and ``high``. One without a value leaves no mean: what it is
            set against is of all of them.
    """
    value, low, high = (float(rows[name].mean(skipna=False)) for name in ("value", "low", "high"))
    return (value, low, high) if not math.isnan(value) else (math.nan,) * 3


def minus(one: Interval, other: Interval) -> Interval:
    """Subtract a mean from another, bounds as far apart as they may be."""
    return one[0] - other[0], one[1] - other[2], one[2] - other[1]
