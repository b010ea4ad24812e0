"""Crossings by a bootstrap of seeds and patients, for sensitivity.csv."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.crossings import reached
from transfergrid.statistics.named import DATA_RATIO
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.sensitivity import LEAST, Sensitivity
from transfergrid.statistics.small_data import Size


def small_data_otherwise(row: Size, reader: Reader, alpha: float) -> Iterator[Sensitivity]:
    """Yield a ratio with the interval of a two-level bootstrap, from 8 seeds on.

    Seeds are drawn once for all points, since each draws the same patients for every arm.

    Args:
        row: A row of small_data.csv.
        reader: Reads its cells.
        alpha: 1 minus the coverage of the interval.
    """
    if row.quantity != DATA_RATIO or row.n_seeds < LEAST:
        return
    drawn = np.array(
        [
            [reader.replicates(arm[seed]["cell"], row.metric) for seed in row.seeds]
            for arm in row.cells
        ]
    )
    place = " ".join(str(value) for value in row.place.values())
    rng = np.random.default_rng(seeded("small data", row.question, row.arm, place))
    counts = rng.multinomial(row.n_seeds, np.full(row.n_seeds, 1 / row.n_seeds), drawn.shape[2])
    means = row.sign * np.einsum("ksb,bs->kb", drawn, counts) / row.n_seeds
    found = [reached(row.sizes[1:], curve, float(wanted)) for wanted, *curve in means.T]
    # Ends are draws themselves: between a number and infinity there is no mean.
    low, high = np.quantile(found, [alpha / 2, 1 - alpha / 2], method="inverted_cdf")
    yield Sensitivity(
        subject=f"{row.arm} with {row.patients} patients: {row.baseline}",
        question=row.question,
        dataset=row.dataset,
        analysis="two-level bootstrap",
        task="",
        n=row.n_seeds,
        estimate=row.value,
        se=math.nan,
        low=float(low) / row.patients,
        high=float(high) / row.patients,
        p=math.nan,
        method=f"data_ratio by {len(found)} draws of patients (linearised) and seeds",
        metric=row.metric,
    )
