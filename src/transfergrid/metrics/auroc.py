"""Area under the ROC curve, exact under ties.

The module is part of what training hashes into every cell, so it stays small and needs numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError


def split_classes(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray, NDArray]:
    """Split the scores of one task into those of positives and those of negatives.

    Args:
        scores: (M, N) real, one row per model; a higher score means more likely positive.
        labels: (N,) values 0, 1 or NaN; a unit with NaN is dropped.

    Returns:
        Scores of the positives (M, n_pos) and of the negatives (M, n_neg).

    Raises:
        UserError: Shapes differ, or a label is neither 0, 1 nor NaN.
    """
    scores = np.asarray(scores)
    labels = np.asarray(labels, dtype=np.float64)
    if scores.ndim != 2 or labels.shape != scores.shape[1:]:
        raise UserError(
            f"Scores of shape {scores.shape} do not fit labels of shape {labels.shape}: "
            "expected (models, units) and (units,)."
        )
    positive, negative = labels == 1, labels == 0
    other = ~(positive | negative | np.isnan(labels))
    if other.any():
        raise UserError(
            f"AUROC needs labels 0, 1 or NaN (unknown), but found {labels[other][0]:g}: "
            "score a split whose labels are not smoothed."
        )
    return scores[:, positive], scores[:, negative]


def auroc(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the AUROC of each model: the share of (positive, negative) pairs in the right order.

    A tied pair counts one half, which equals the Mann-Whitney statistic on average ranks
    (Hanley and McNeil 1982, Radiology 143:29-36).

    Args:
        scores: (M, N), or (N,) for one model; a higher score means more likely positive.
        labels: (N,) values 0, 1 or NaN; a unit with NaN is dropped.

    Returns:
        (M,) float64 in [0, 1]; M = 1 for one vector of scores. NaN where the known labels hold a
        single class (or none), and for a model with a NaN score among the known units.

    Raises:
        UserError: Shapes differ, or a label is neither 0, 1 nor NaN.
    """
    positives, negatives = split_classes(np.atleast_2d(np.asarray(scores)), labels)
    areas = np.full(len(positives), np.nan)
    pairs = positives.shape[1] * negatives.shape[1]
    if pairs == 0:
        return areas
    for model, (up, down) in enumerate(zip(np.sort(positives), np.sort(negatives), strict=True)):
        if np.isnan(up[-1]) or np.isnan(down[-1]):  # NaN sorts last
            continue
        won = np.searchsorted(down, up, "left").sum() + np.searchsorted(down, up, "right").sum()
        areas[model] = won / (2.0 * pairs)
    return areas


def macro_auroc(scores: ArrayLike, labels: ArrayLike, task_indices: Sequence[int]) -> float:
    """Return the unweighted mean AUROC over the named tasks.

    Args:
        scores: (N, T), one column per task.
        labels: (N, T) values 0, 1 or NaN; each task drops its own unknown units.
        task_indices: Columns to average over, at least one.

    Returns:
        The mean in [0, 1]; NaN if any of the tasks is NaN, because a mean over fewer tasks would
        be another quantity under the same name.

    Raises:
        UserError: No task is named, shapes differ, or a label is neither 0, 1 nor NaN.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if len(task_indices) == 0:
        raise UserError("The macro AUROC needs at least one task: name one in score_tasks.")
    return float(np.mean([auroc(scores[:, t], labels[:, t])[0] for t in task_indices]))
