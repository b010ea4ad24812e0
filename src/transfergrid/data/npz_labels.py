"""What the label arrays of an .npz file mean: one task, several, or classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.manifest import TASK_KINDS, identifiers
from transfergrid.runtime.errors import UserError, listed

Array = npt.NDArray[Any]
Truth = tuple[npt.NDArray[np.float32], tuple[str, ...], str]
"""Labels as one column per task, the tasks' identifiers, and the task kind."""


def interpret(
    path: Path,
    labels: Array,
    image_id: Sequence[str],
    names: Sequence[str] | None,
    task_kind: str | None,
) -> Truth:
    """Turn labels as stored into one column per task.

    Args:
        path: The file, for messages.
        labels: (N, 1) or (N, C) whole numbers or text, for all splits.
        image_id: (N,) ids of the images, for messages.
        names: Names of the tasks or classes, or None to number them.
        task_kind: "multilabel", "multiclass", or None to tell from the labels.

    Returns:
        (N, tasks) float32 of 0 and 1, the tasks' identifiers, and the task kind.

    Raises:
        UserError: A label outside the classes, a wrong number of names, or ambiguous labels.
    """
    if task_kind not in (None, *TASK_KINDS):
        raise UserError(f"task_kind is '{task_kind}'; allowed are {listed(TASK_KINDS)}.")
    if labels.dtype.kind == "U":
        return _of_text(path, labels, names, task_kind)
    if labels.shape[1] > 1:
        return _of_columns(path, labels, image_id, names, task_kind)
    return _of_numbers(path, labels, image_id, names, task_kind)


def _of_text(
    path: Path, labels: Array, names: Sequence[str] | None, task_kind: str | None
) -> Truth:
    if labels.shape[1] > 1 or task_kind == "multilabel":
        raise UserError(
            f"{path} has text labels, which are classes, one per image; store 0 and 1 for "
            "several labels."
        )
    found, codes = np.unique(labels[:, 0], return_inverse=True)
    if names:
        raise UserError(
            f"{path} names its classes itself ({listed(found)}); remove task_names, or store whole "
            "numbers."
        )
    if len(found) < 2:
        raise UserError(f"{path} has only one class, '{found[0]}'; give at least two.")
    tasks = identifiers(list(found), f"class of {path}")
    return np.eye(len(found), dtype=np.float32)[codes], tasks, "multiclass"


def _of_columns(
    path: Path,
    labels: Array,
    image_id: Sequence[str],
    names: Sequence[str] | None,
    task_kind: str | None,
) -> Truth:
    _check_range(path, labels, image_id, 0, 1)
    width = labels.shape[1]
    one_hot = bool((labels.sum(axis=1) == 1).all())
    if one_hot and task_kind is None:
        raise UserError(
            f"{path} has {width} columns of labels with one 1 per image, which may be classes or "
            "tasks; write task_kind: multiclass for one choice of many, or multilabel to score "
            "each column by itself."
        )
    if task_kind == "multiclass" and not one_hot:
        row = int(np.flatnonzero(labels.sum(axis=1) != 1)[0])
        raise UserError(
            f"{path} gives image {image_id[row]} {int(labels[row].sum())} of {width} classes; with "
            "task_kind multiclass give each image exactly one."
        )
    kind = task_kind or "multilabel"
    word = "class" if kind == "multiclass" else "label"
    tasks = _named(path, [f"{word}_{i}" for i in range(width)], names)
    return labels.astype(np.float32), tasks, kind


def _of_numbers(
    path: Path,
    labels: Array,
    image_id: Sequence[str],
    names: Sequence[str] | None,
    task_kind: str | None,
) -> Truth:
    first, last = int(labels.min()), int(labels.max())
    # Classes counted from 1 leave no image for class 0.
    start = 1 if first == 1 and last > 1 else 0
    count = len(names) if names else last - start + 1
    if start and count <= 2 and task_kind != "multiclass":
        raise UserError(
            f"{path} has the labels 1 and 2, neither of which is positive; store 0 and 1, or write "
            "task_kind: multiclass."
        )
    kind = task_kind or ("multilabel" if count <= 2 else "multiclass")
    if kind == "multilabel":
        tasks = _named(path, ["positive"], names)
        _check_range(path, labels, image_id, 0, 1)
        return labels.astype(np.float32), tasks, kind
    tasks = _named(path, [f"class_{start + i}" for i in range(count)], names)
    _check_range(path, labels, image_id, start, start + count - 1)
    return np.eye(count, dtype=np.float32)[labels[:, 0] - start], tasks, kind


def _named(path: Path, made: Sequence[str], names: Sequence[str] | None) -> tuple[str, ...]:
    if names and len(names) != len(made):
        raise UserError(
            f"task_names has {len(names)} name(s) for {path}, whose labels make {len(made)} "
            "task(s); give one name per task."
        )
    return identifiers(names or made, "task name")


def _check_range(path: Path, labels: Array, image_id: Sequence[str], first: int, last: int) -> None:
    outside = np.argwhere((labels < first) | (labels > last))
    if len(outside):
        row, column = outside[0]
        raise UserError(
            f"{path} labels image {image_id[row]} {labels[row, column]}, which is outside the "
            f"classes; a label is a whole number from {first} to {last}."
        )
