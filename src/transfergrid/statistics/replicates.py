"""Bootstrap replicates from influence values: patients drawn once, the same for every cell.

A score is nearly a sum of its patients' contributions, so a draw of patients moves it by the sum
of (count - 1) x contribution. That is one product of matrices for all cells, and what is drawn for
one cell is drawn for all, so differences and ranks of replicates are paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.influence import Influence
from transfergrid.runtime.hashing import seeded

_CHUNK = 200


def patient_replicates(
    runs: Sequence[Influence], replicates: int, seed: int
) -> NDArray[np.float64]:
    """Return replicates of each run's estimate under draws of patients with replacement.

    Args:
        runs: Influence values on the same patients; those who contribute nothing are not drawn.
        replicates: Number of draws B.
        seed: The draws follow from it and the number of patients alone.

    Returns:
        (runs, B) float64.
    """
    values = np.stack([run.values for run in runs])
    # A run without a result may not know who contributes.
    known = next((run for run in runs if not np.isnan(run.estimate)), runs[0])
    if known.groups is not None:
        values = values[:, known.groups >= 0]
    estimates = np.array([run.estimate for run in runs])
    patients = values.shape[1]
    rng = np.random.default_rng(seeded("patients", seed))
    out = np.empty((len(runs), replicates))
    for start in range(0, replicates, _CHUNK):
        rows = min(_CHUNK, replicates - start)
        drawn = rng.integers(patients, size=(rows, patients))
        drawn += np.arange(rows)[:, None] * patients
        counts = np.bincount(drawn.ravel(), minlength=rows * patients).reshape(rows, patients)
        out[:, start : start + rows] = estimates[:, None] + values @ (counts.T - 1.0)
    return out


def two_level(arm_a: ArrayLike, arm_b: ArrayLike, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return replicates of a difference under draws of patients and of each arm's seeds.

    Args:
        arm_a: (S, B) patient replicates of each seed's run.
        arm_b: (S, B) of the other arm, the same draws of patients.
        rng: Draws the seeds; with one seed there is nothing to draw.

    Returns:
        (B,) float64.
    """
    means = []
    for arm in (np.asarray(arm_a), np.asarray(arm_b)):
        seeds, replicates = arm.shape
        counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates)
        means.append((counts.T * arm).sum(axis=0) / seeds)
    return means[0] - means[1]


def percentile_interval(values: ArrayLike, alpha: float) -> tuple[float, float]:
    """Return the alpha / 2 and 1 - alpha / 2 quantiles, NaN values left out."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def percentile_p(values: ArrayLike) -> float:
    """Return the two-sided p-value of no difference from replicates of a difference.

    Davison and Hinkley (1997), Bootstrap Methods and their Application, section 4.2: the estimate
    counts as one of the replicates, so p is never 0.
    """
    drawn = np.asarray(values, dtype=np.float64)
    beyond = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    return min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))
