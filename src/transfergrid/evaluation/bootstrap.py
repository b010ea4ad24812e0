"""Paired bootstrap of the macro AUROC of many models at once, clustered by patient.

One matrix of counts, how often each patient was drawn in each replicate, serves every model and
task, so replicate b of any difference is paired.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError

_CELLS = 2_000_000
"""Largest number of float64 values in one working array (16 MB)."""
_EXACT = 2**23
"""Wins are counted in halves; up to here float32 holds each of them, so sums are exact."""


def bootstrap_macro(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patient_index: ArrayLike,
    replicates: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return bootstrap replicates of the macro AUROC of each model.

    Patients are drawn with replacement, all studies of a patient together. Memory stays bounded
    whatever N and the number of replicates.

    Args:
        probabilities: (M, N, T) scores of M models on N studies; the T tasks are those of the
            mean.
        labels: (N, T) values 0, 1 or NaN.
        patient_index: (N,) int in [0, G), the number of each study's patient.
        replicates: Number of replicates B.
        rng: Draws the patients; its state alone decides the result.

    Returns:
        (B, M) float64. A replicate that draws a single class for a task is NaN for all models; a
        model with a NaN score is NaN throughout.

    Raises:
        UserError: Shapes differ, there is no study or no task, or a label is neither 0, 1 nor NaN.
    """
    scores, labels = np.asarray(probabilities), np.asarray(labels, dtype=np.float64)
    patient = np.asarray(patient_index)
    if scores.ndim != 3 or scores.shape[1:] != labels.shape or patient.shape != labels.shape[:1]:
        raise UserError(
            f"Bootstrap needs scores (models, studies, tasks), labels (studies, tasks) and "
            f"patients (studies,), but got {scores.shape}, {labels.shape} and {patient.shape}."
        )
    if labels.size == 0:
        raise UserError("Bootstrap needs at least one study and one task.")
    if not np.isin(labels[~np.isnan(labels)], (0, 1)).all():
        raise UserError("Bootstrap needs labels 0, 1 or NaN: score a split that is not smoothed.")
    result = np.empty((replicates, len(scores)))
    row = 0
    for weights in _draws(patient, replicates, rng):
        rows = slice(row, row + len(weights))
        result[rows] = np.mean(
            [_areas(scores[:, :, t], labels[:, t], weights) for t in range(labels.shape[1])],
            axis=0,
        )
        row += len(weights)
    result[:, np.isnan(scores).any(axis=(1, 2))] = np.nan
    return result


def _draws(
    patient: NDArray, replicates: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Yield (b, N) counts in chunks: how often each study was drawn."""
    patients = int(patient.max()) + 1
    chunk = max(1, _CELLS // len(patient))
    for first in range(0, replicates, chunk):
        size = min(chunk, replicates - first)
        # One flattened bincount is several times faster than rng.multinomial.
        drawn = rng.integers(0, patients, size=(size, patients))
        drawn += np.arange(size)[:, None] * patients
        counts = np.bincount(drawn.ravel(), minlength=size * patients).reshape(size, patients)
        yield counts[:, patient].astype(np.float64)


def _areas(scores: NDArray, labels: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Return the (b, M) weighted AUROC of one task."""
    positive, negative = labels == 1, labels == 0
    w_pos, w_neg = weights[:, positive], weights[:, negative]
    drawn = w_pos.sum(axis=1), w_neg.sum(axis=1)
    pairs = drawn[0] * drawn[1]
    if w_pos.shape[1] * w_neg.shape[1] <= _CELLS:
        if max(part.max() for part in (*drawn, pairs)) < _EXACT:
            w_pos, w_neg = w_pos.astype(np.float32), w_neg.astype(np.float32)
        wins = [_wins_by_pairs(row[positive], row[negative], w_pos, w_neg) for row in scores]
    else:
        known = positive | negative
        wins = [_wins_by_sorting(row[known], positive[known], weights[:, known]) for row in scores]
    with np.errstate(invalid="ignore"):  # 0 / 0: a replicate without a class is NaN
        return np.stack(wins, axis=1) / pairs[:, None]


def _wins_by_pairs(up: NDArray, down: NDArray, w_pos: NDArray, w_neg: NDArray) -> NDArray:
    kernel = (up[:, None] > down).astype(w_pos.dtype)
    kernel[up[:, None] == down] = 0.5
    won: NDArray = np.einsum("bj,bj->b", w_pos @ kernel, w_neg)
    return won


def _wins_by_sorting(scores: NDArray, positive: NDArray, weights: NDArray) -> NDArray:
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    ordered = weights[:, order]
    is_positive = positive[order]
    up = np.add.reduceat(ordered * is_positive, starts, axis=1)
    down = np.add.reduceat(ordered * ~is_positive, starts, axis=1)
    below = np.cumsum(down, axis=1) - down / 2
    return (up * below).sum(axis=1)
