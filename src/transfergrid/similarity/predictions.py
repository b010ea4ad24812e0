"""How alike two networks' answers are, beside what their accuracies alone would make them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.agreement import (
    Agreement,
    Part,
    excess_alike,
    mean_of,
    overlap,
    share_alike,
    summarise,
)
from transfergrid.similarity.ranks import Ranks, rank_correlation

AGREEMENTS = (
    "agreement", "excess_agreement", "same_label", "kappa", "rank_correlation", "error_overlap"
)  # fmt: skip
"""All measures of two networks' answers, as tables name them.

`agreement`: share of units that both get right or both wrong. Independent answers would agree in
    a_A a_B + (1 - a_A)(1 - a_B) of them, with a the accuracies, and no answers of these accuracies
    in more than 1 - |a_A - a_B|. Two different wrong classes count as agreement.
`excess_agreement`: (agreement - baseline) / (1 - baseline), which is Cohen's kappa of being right.
`same_label`: share of units to which both give the same label; that of independent answers follows
    from how often each label is given. With two labels it is the agreement.
`kappa`: Cohen's (1960, Educational and Psychological Measurement 20:37-46) of the labels given.
`rank_correlation`: Spearman's of the scores; of more than two classes, the mean over them.
`error_overlap`: units that both get wrong among those that either does (Jaccard). Its baseline is
    e_A e_B / (e_A + e_B - e_A e_B) with e the error rates, its ceiling the smaller over the larger.
"""

THRESHOLD = 0.5
"""A label is given where its probability is above this."""


@dataclass(frozen=True)
class _Task:
    """A network's answers to one task.

    Attributes:
        units: (n,) int, the units whose label is known.
        label: (n,) int, the label given to each.
        right: (n,) bool.
        ranks: Scores of the label, or of each class, in ranks.
    """

    units: NDArray[np.int64]
    label: NDArray[np.int64]
    right: NDArray[np.bool_]
    ranks: tuple[Ranks, ...]


@dataclass(frozen=True)
class Answers:
    """A network's answers, prepared once for comparisons with many others.

    Attributes:
        tasks: One per task; a single one if each unit is of one of several classes.
    """

    tasks: tuple[_Task, ...]

    @classmethod
    def multilabel(
        cls, probabilities: ArrayLike, labels: ArrayLike, threshold: ArrayLike = THRESHOLD
    ) -> Answers:
        """Take each task by itself.

        Args:
            probabilities: (N, T) in [0, 1], or any scores on one scale with the threshold.
            labels: (N, T) values 0, 1 or NaN; a unit with NaN is left out of that task.
            threshold: (T,) or one for all: a label is given where the probability is above it.

        Raises:
            UserError: Shapes differ, or a probability is NaN.
        """
        scores, truth = _checked(probabilities, labels)
        given = (scores > np.asarray(threshold)).astype(np.int64)
        tasks = []
        for t in range(scores.shape[1]):
            units = np.flatnonzero(~np.isnan(truth[:, t]))
            label = given[units, t]
            right = label == truth[units, t]
            tasks.append(_Task(units, label, right, (Ranks.of(scores[units, t]),)))
        return cls(tuple(tasks))

    @classmethod
    def multiclass(cls, probabilities: ArrayLike, labels: ArrayLike) -> Answers:
        """Take the class of largest probability as the answer.

        Args:
            probabilities: (N, T) one column per class.
            labels: (N, T) one-hot, or NaN for a unit that is left out.

        Raises:
            UserError: Shapes differ, or a probability is NaN.
        """
        scores, truth = _checked(probabilities, labels)
        units = np.flatnonzero(~np.isnan(truth).any(axis=1))
        label = scores[units].argmax(axis=1)
        right = label == truth[units].argmax(axis=1)
        # Of two classes either one says it all.
        columns = range(scores.shape[1] if scores.shape[1] != 2 else 1)
        return cls(
            (_Task(units, label, right, tuple(Ranks.of(scores[units, c]) for c in columns)),)
        )


def _checked(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(labels, dtype=np.float64)
    if scores.ndim != 2 or scores.shape != truth.shape:
        raise UserError(
            "Answers are compared from a score for each unit and task or class, and labels of the "
            f"same shape, not {scores.shape} and {truth.shape}."
        )
    if np.isnan(scores).any():
        raise UserError(
            "A score is NaN, as after a training that diverged; leave that network out."
        )
    return scores, truth


def compare_answers(
    left: Answers, right: Answers, patients: ArrayLike, confidence: float = 0.95
) -> tuple[list[dict[str, Agreement]], dict[str, Agreement]]:
    """Compare two networks' answers to the same units.

    All measures are smooth functions of means over units, so what each unit contributes to the
    error of a measure is known in closed form, and is added up by patient. Intervals of shares are
    Wilson's, on the number of independent units that would have this variance; the others are on
    the scale of atanh. Student's t has one degree of freedom fewer than there are patients.

    Args:
        left: One network's answers.
        right: The other's, to the same units with the same labels.
        patients: (N,) identifiers, one per unit.
        confidence: In (0, 1).

    Returns:
        The measures of `AGREEMENTS` of each task, and of the mean over tasks, which is NaN where
        a task's is.

    Raises:
        UserError: The tasks or their units differ.
    """
    numbers = np.unique(np.asarray(patients), return_inverse=True)[1]
    if len(left.tasks) != len(right.tasks) or any(
        not np.array_equal(one.units, other.units)
        for one, other in zip(left.tasks, right.tasks, strict=True)
    ):
        raise UserError(
            "Answers to other tasks or units cannot be compared; take both from the same split of "
            "one data set."
        )
    tasks = [
        _parts(one, other, numbers) for one, other in zip(left.tasks, right.tasks, strict=True)
    ]
    each = [{name: summarise(part, confidence) for name, part in task.items()} for task in tasks]
    mean = {
        name: summarise(mean_of([task[name] for task in tasks]), confidence) for name in AGREEMENTS
    }
    return each, mean


def _parts(left: _Task, right: _Task, numbers: NDArray[np.int64]) -> dict[str, Part]:
    patient = numbers[left.units]
    groups = int(numbers.max(initial=-1)) + 1
    labels = np.arange(1 + max(left.label.max(initial=0), right.label.max(initial=0)))
    correct = [one.right[:, None] == [True, False] for one in (left, right)]
    given = [one.label[:, None] == labels for one in (left, right)]
    parts = {
        "agreement": share_alike(*correct),
        "excess_agreement": excess_alike(*correct),
        "same_label": share_alike(*given),
        "kappa": excess_alike(*given),
        "rank_correlation": rank_correlation(left.ranks, right.ranks),
        "error_overlap": overlap(~left.right, ~right.right),
    }
    return {name: part.by_patient(patient, groups) for name, part in parts.items()}
