"""Bootstrap of any metric, one replicate at a time; `bootstrap` is the fast way for AUROC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transfergrid.metrics.scoring import Cases, Scorer


def resampled(
    scorer: Scorer,
    models: Sequence[Cases],
    points: Sequence[Mapping[str, float] | None],
    replicates: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return bootstrap replicates of a metric of several models on the same cases.

    Patients are drawn with replacement, all cases of a patient together. Operating points stay
    those that were fixed on validation scores.

    Args:
        scorer: The metric.
        models: Each model's predictions; labels and patients are those of the first.
        points: Each model's operating points, None for a metric without any.
        replicates: Number of replicates B.
        rng: Draws the patients; its state alone decides the result.

    Returns:
        (B, M) float64; NaN where a replicate leaves the metric undefined.
    """
    first = models[0]
    scores = np.stack([cases.probabilities for cases in models])
    found = np.empty((replicates, len(models)))
    for b, rows in enumerate(_draws(first.patient, replicates, rng)):
        labels = first.labels[rows]
        if points[0] is None:
            found[b] = scorer.estimator.overall(scores[:, rows], labels, first.scored)[0]
            continue
        for m, own in enumerate(points):
            # Which case is whose makes no difference to an estimate.
            drawn = replace(
                first,
                probabilities=scores[m, rows],
                labels=labels,
                patient_id=np.arange(len(rows)),
            )
            found[b, m] = scorer.values(drawn, own)[0]
    return found


def _draws(
    patient: NDArray[np.int64], replicates: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of the patients of each replicate."""
    order = np.argsort(patient, kind="stable")
    sizes = np.bincount(patient)
    parts = np.split(order, np.cumsum(sizes)[:-1])
    for _ in range(replicates):
        yield np.concatenate([parts[g] for g in rng.integers(0, len(parts), len(parts))])
