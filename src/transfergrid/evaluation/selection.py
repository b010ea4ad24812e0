"""Which checkpoints make up an ensemble, decided on validation scores alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError

_NAME = re.compile(r"last|best|top([1-9][0-9]*)(_per_task)?")


@dataclass(frozen=True)
class Selection:
    """A rule for choosing checkpoints, known by its name.

    Attributes:
        name: "last", "best", "top<k>" or "top<k>_per_task".
        k: Most checkpoints to choose; `None` for the last one, whatever its score.
        per_task: Whether each task ranks the checkpoints by its own validation score.
    """

    name: str
    k: int | None
    per_task: bool


def parse_selection(name: str) -> Selection:
    """Return the rule that a name stands for.

    Args:
        name: "last", "best", "top<k>" or "top<k>_per_task", k a whole number from 1.

    Raises:
        UserError: The name is none of these.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UserError(
            f"There is no selection {name!r}: write 'last', 'best', 'top<k>' or "
            "'top<k>_per_task', such as 'top10'."
        )
    if name == "last":
        return Selection(name, None, False)
    return Selection(name, int(match[1] or 1), match[2] is not None)


def select(
    name: str,
    step: ArrayLike,
    valid_score: ArrayLike,
    valid_task_score: ArrayLike,
    sign: float = 1.0,
) -> NDArray[np.int64]:
    """Choose checkpoints by validation scores.

    A tie goes to the earlier checkpoint. A checkpoint whose validation score is NaN is never
    chosen by score. If fewer than k checkpoints have a score, all of these are chosen. With
    `_per_task`, a task that has no validation score at any checkpoint (a single class there)
    follows the mean score.

    Args:
        name: A selection that `parse_selection` knows.
        step: (C,) training step of each checkpoint.
        valid_score: (C,) validation score over the scored tasks, or NaN.
        valid_task_score: (C, T) validation score of each task, or NaN.
        sign: 1 if a higher score is better, -1 if a lower one is.

    Returns:
        (T, n) int64, for each task the chosen checkpoints, ascending; n = 0 if C = 0.

    Raises:
        UserError: The name is unknown, shapes differ, or there are checkpoints but none has the
            score that the rule needs.
    """
    rule = parse_selection(name)
    step, overall = np.asarray(step), sign * np.asarray(valid_score, dtype=np.float64)
    by_task = sign * np.asarray(valid_task_score, dtype=np.float64)
    if by_task.ndim != 2 or overall.shape != step.shape or by_task.shape[:1] != step.shape:
        raise UserError(
            f"Selection {name!r} needs one step, one score and one row of task scores for each "
            f"checkpoint, but got shapes {step.shape}, {overall.shape} and {by_task.shape}."
        )
    tasks = by_task.shape[1]
    if len(step) == 0:
        return np.zeros((tasks, 0), dtype=np.int64)
    if rule.k is None:
        return np.full((tasks, 1), np.argmax(step), dtype=np.int64)
    if rule.per_task:
        scored = np.asarray(~np.isnan(by_task).all(axis=0))
        rankings = [by_task[:, t] if scored[t] else overall for t in range(tasks)]
    else:
        rankings = [overall] * tasks
    chosen = [_best(ranking, step, rule) for ranking in rankings]
    # A task that lacks scores at some checkpoints must not change another task's count.
    fewest = min(len(ranked) for ranked in chosen)
    return np.array([np.sort(ranked[:fewest]) for ranked in chosen], dtype=np.int64)


def _best(score: NDArray[np.float64], step: NDArray, rule: Selection) -> NDArray[np.int64]:
    order = ranked(score, step)
    if order.size == 0:
        raise UserError(
            f"Selection {rule.name!r} needs a validation score, but no checkpoint has one: a "
            "scored task has a single class in the validation split; change score_tasks, or use "
            "the selection 'last'."
        )
    return order[: rule.k]


def ranked(score: NDArray[np.float64], step: NDArray) -> NDArray[np.int64]:
    """Return the numbers of the checkpoints that have a score, the best one first.

    Args:
        score: (C,) the higher the better, or NaN.
        step: (C,) training step; a tie goes to the earlier one.
    """
    known = np.flatnonzero(~np.isnan(score))
    return known[np.lexsort((step[known], -score[known]))]
