"""From the views of a study to one row per study.

The module is part of what training hashes into every cell, so it stays small and needs numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError


def study_index(study_id: ArrayLike) -> tuple[NDArray[np.int64], NDArray]:
    """Return the number of each image's study, counted in the order of first images.

    Args:
        study_id: (N,) identifiers, one per image.

    Returns:
        (N,) int64, the number of each image's study in [0, S); and (S,) the identifiers.
    """
    names, first, inverse = np.unique(np.asarray(study_id), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse], names[order]


def combine_views(logits: ArrayLike, index: ArrayLike, how: str) -> NDArray[np.float64]:
    """Combine the images of each study on the logit, checkpoint by checkpoint.

    Args:
        logits: (C, N, T) logits of C checkpoints, N images, T tasks.
        index: (N,) study number of each image, as `study_index` gives it.
        how: "max" (a sign seen in one view is a sign) or "mean".

    Returns:
        (C, S, T) float64 logits.

    Raises:
        UserError: `how` is neither "max" nor "mean", or the shapes differ.
    """
    logits = np.asarray(logits)
    index = np.asarray(index)
    if how not in ("max", "mean"):
        raise UserError(f"Views of a study are combined by 'max' or 'mean', not by {how!r}.")
    if logits.ndim != 3 or index.shape != logits.shape[1:2]:
        raise UserError(
            f"Logits of shape {logits.shape} do not fit {index.shape} study numbers: "
            "expected (checkpoints, images, tasks) and (images,)."
        )
    if index.size == 0:
        return np.zeros(logits.shape)
    order = np.argsort(index, kind="stable")
    starts = np.flatnonzero(np.diff(index[order], prepend=-1))
    grouped = logits[:, order].astype(np.float64)
    if how == "max":
        return np.maximum.reduceat(grouped, starts, axis=1)
    sizes = np.diff(starts, append=len(order))
    return np.add.reduceat(grouped, starts, axis=1) / sizes[None, :, None]


def study_labels(labels: ArrayLike, index: ArrayLike) -> NDArray[np.float32]:
    """Return the labels of each study: the largest known label of its images.

    A study is positive for a task if any of its images is, negative if none is and at least one
    is known, and unknown (NaN) if all are. Images that share the label of their study, as
    CheXpert's do, keep it.

    Args:
        labels: (N, T) values 0, 1 or NaN.
        index: (N,) study number of each image, as `study_index` gives it.

    Returns:
        (S, T) float32.
    """
    # fmax drops NaN unless both are NaN.
    labels = np.asarray(labels, dtype=np.float32)
    index = np.asarray(index)
    if index.size == 0:
        return labels
    order = np.argsort(index, kind="stable")
    starts = np.flatnonzero(np.diff(index[order], prepend=-1))
    return np.fmax.reduceat(labels[order], starts, axis=0)
