"""Paired bootstrap of the macro AUROC of many models at once, clustered by patient.

One table of counts, how often each patient was drawn in each replicate, serves every model and
task, so replicate b of any difference is paired. Studies are sorted once per model and task and
then walked from the lowest score to the highest, all replicates in a row of the table at a time;
only whole numbers are added and multiplied, so the order of summing cannot change a bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError

_DRAWS = 100_000
"""Draws of patients made at a time (0.8 MB, which fits in a core's own cache)."""
_TABLE = 16_000_000
"""Largest number of counts in the table (64 MB); further replicates get another table."""
_LEAST = 64
"""Fewest replicates in a table even so, to make a row worth a step."""
_NARROW = 2**31
"""Fewer pairs than this can be counted in 32 bits."""


def bootstrap_macro(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patient_index: ArrayLike,
    replicates: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return bootstrap replicates of the macro AUROC of each model.

    Patients are drawn with replacement, all studies of a patient together. Memory stays bounded,
    however large N and the number of replicates are.

    Args:
        probabilities: (M, N, T) scores of M models on N studies; the mean is over the T tasks.
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
    for counts in _tables(int(patient.max()) + 1, replicates, rng):
        rows = slice(row, row + counts.shape[1])
        areas = [_areas(scores[:, :, t], y, patient, counts) for t, y in enumerate(labels.T)]
        result[rows] = np.mean(areas, axis=0)
        row += counts.shape[1]
    result[:, np.isnan(scores).any(axis=(1, 2))] = np.nan
    return result


def _tables(
    patients: int, replicates: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int32]]:
    """Yield (G, b) tables of counts: how often each patient was drawn in each replicate.

    The next table overwrites the last.
    """
    width = min(replicates, max(_LEAST, _TABLE // patients))
    step = max(1, _DRAWS // patients)
    # One for all: a new one would be created while the caller still holds the last.
    whole = np.empty((patients, width), dtype=np.int32)
    for first in range(0, replicates, width):
        table = whole[:, : min(width, replicates - first)]
        for start in range(0, table.shape[1], step):
            part = table[:, start : start + step]
            size = part.shape[1]
            # One flattened bincount is several times faster than rng.multinomial.
            drawn = rng.integers(0, patients, size=(size, patients))
            drawn += np.arange(size)[:, None] * patients
            counts = np.bincount(drawn.ravel(), minlength=size * patients)
            part[:] = counts.reshape(size, patients).T
        yield table


def _areas(scores: NDArray, labels: NDArray, patient: NDArray, counts: NDArray) -> NDArray:
    """Return the (b, M) AUROC of one task."""
    known = labels == labels
    up, down = (_total(counts, patient[labels == label]) for label in (1, 0))
    pairs = up * down
    kind = np.int32 if pairs.max() < _NARROW else np.int64
    wins = [_wins(row[known], labels[known] == 1, patient[known], counts, kind) for row in scores]
    with np.errstate(invalid="ignore"):  # 0 / 0: a replicate that lacks a class is NaN
        return np.stack(wins, axis=1) / pairs.astype(np.float64)[:, None]


def _total(counts: NDArray, patient: NDArray) -> NDArray[np.int64]:
    """Return (b,) how many of some studies were drawn."""
    total = np.zeros(counts.shape[1], dtype=np.int64)
    for place in patient.tolist():
        total += counts[place]
    return total


def _wins(
    scores: NDArray, positive: NDArray, patient: NDArray, counts: NDArray, kind: type
) -> NDArray[np.float64]:
    """Return in how many drawn pairs of a replicate the positive is above; a tie is a half."""
    order = np.lexsort((~positive, scores))  # positives first among equal scores
    positive, patient, ranked = positive[order], patient[order], scores[order]
    below: NDArray = np.zeros(counts.shape[1], dtype=kind)
    wins, product = np.zeros_like(below), np.empty_like(below)
    for place, is_positive in zip(patient.tolist(), positive.tolist(), strict=True):
        if is_positive:
            np.multiply(counts[place], below, out=product)
            wins += product
        else:
            below += counts[place]
    found: NDArray[np.float64] = wins + _ties(ranked, positive, patient, counts) / 2
    return found


def _ties(ranked: NDArray, positive: NDArray, patient: NDArray, counts: NDArray) -> NDArray:
    """Return (b,) how many drawn pairs of a replicate have equal scores."""
    ties = np.zeros(counts.shape[1], dtype=np.int64)
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    ends = np.append(starts[1:], len(ranked))
    for start, end in zip(starts, ends, strict=True):
        level = positive[start:end]
        if end > start + 1 and level.any() and not level.all():
            here = patient[start:end]
            ties += _total(counts, here[level]) * _total(counts, here[~level])
    return ties
