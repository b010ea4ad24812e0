"""The pooled estimate of a run: the mean over folds of each fold's metric, task by task.

Every fold has a model of its own, so scores of two folds are never ranked together: what is pooled
are estimates, and with them the contributions of patients, which are summed over folds. Folds have
equal weights. A fold's estimate speaks of its own model, and reaches that model's value on average
whatever the fold's size; so their plain mean reaches the mean over the k models, which is what is
asked for. Weights by size would follow the known labels, so would differ from task to task, and
folds that are made by patient hardly differ in size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transfergrid.metrics.influence import Influence, rarest_class, sum_by_patient
from transfergrid.metrics.scoring import WHOLE, Parts

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pooled:
    """A run over its folds.

    Attributes:
        influence: The mean over tasks, with what each patient adds to its error. A group is a
            class of patients in one fold, because each fold centres its own contributions.
        tasks: K names of scored tasks; one empty name for a metric of whole cases.
        estimates: (K,) the mean over the folds in which the task has a value; NaN without any.
        folds: F names.
        by_fold: (F, K) each fold's own estimates.
        used: (F, K) whether a fold is in a task's mean.
        n_studies: Studies with a known label in a task that their fold is used for.
    """

    influence: Influence
    tasks: tuple[str, ...]
    estimates: NDArray[np.float64]
    folds: tuple[str, ...]
    by_fold: NDArray[np.float64]
    used: Mask
    n_studies: int

    @property
    def left_out(self) -> dict[str, tuple[str, ...]]:
        """By task the folds that are not in its mean; none for a task without a value at all."""
        return {
            task: tuple(fold for fold, there in zip(self.folds, column, strict=True) if not there)
            for task, column in zip(self.tasks, self.used.T, strict=True)
            if column.any() and not column.all()
        }

    def without_result(self) -> Pooled:
        """Return the same run with NaN for every value, for a run one of whose folds has none."""
        gone = replace(
            self.influence,
            estimate=float("nan"),
            values=np.full_like(self.influence.values, np.nan),
        )
        return replace(self, influence=gone, estimates=np.full_like(self.estimates, np.nan))


def pool(folds: Mapping[str, Parts]) -> Pooled:
    """Pool a run's folds, none of which has diverged.

    A fold is left out of a task's mean where its labels leave the metric undefined, such as an
    AUROC without a positive; and where they leave its error unknown, such as a single positive
    patient, unless that is so in every fold. Both follow from labels alone, so what is left out
    is the same for all runs on these folds, and comparisons stay paired.

    Args:
        folds: By name of the fold what its value is the mean of. With one fold the pooled
            estimate is that fold's, to the last bit.
    """
    parts = list(folds.values())
    estimates = np.stack([part.estimates for part in parts])
    used = _used(parts)
    counts = used.sum(axis=0)
    # A task without any fold is NaN, as it is in each of them.
    held = used | (counts == 0)
    means = np.where(held, estimates, 0.0).sum(axis=0) / np.maximum(counts, 1)
    known = [_known(part, own) for part, own in zip(parts, held, strict=True)]
    patients = [np.unique(part.patient_id, return_inverse=True) for part in parts]
    sums = [
        _by_patient(part, own, counts, *numbered)
        for part, own, numbered in zip(parts, held, patients, strict=True)
    ]
    return Pooled(
        influence=_joined(float(np.mean(means)), parts, held, known, sums, patients),
        tasks=parts[0].tasks,
        estimates=means,
        folds=tuple(folds),
        by_fold=estimates,
        used=used,
        n_studies=sum(int(rows.sum()) for rows in known),
    )


def _used(parts: Sequence[Parts]) -> Mask:
    """Return (F, K) whether a fold is in a task's mean."""
    defined = np.stack([~np.isnan(part.estimates) for part in parts])
    certain = defined & np.stack([~np.isnan(part.contributions).any(axis=1) for part in parts])
    return np.where(certain.any(axis=0), certain, defined)


def _known(part: Parts, held: Mask) -> Mask:
    """Return (S,) whether a case's label is known in a task that the fold is held for."""
    there: Mask
    if part.tasks == (WHOLE,):
        there = ~np.isnan(part.labels).any(axis=1) & held.all()
    else:
        there = (~np.isnan(part.labels[:, held])).any(axis=1)
    return there


def _by_patient(
    part: Parts,
    held: Mask,
    counts: NDArray[np.int64],
    patients: NDArray,
    patient: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return (G,) what each patient of a fold adds to the error of the pooled mean over tasks."""
    shares = np.where(held[:, None], part.contributions, 0.0) / np.maximum(counts, 1)[:, None]
    return sum_by_patient(np.mean(shares, axis=0)[None], patient, len(patients))[0]


def _joined(
    estimate: float,
    parts: Sequence[Parts],
    held: Mask,
    known: Sequence[Mask],
    sums: Sequence[NDArray[np.float64]],
    numbered: Sequence[tuple[NDArray, NDArray[np.int64]]],
) -> Influence:
    """Return the influence of the union of the folds' patients; one who is in two counts once."""
    every = np.unique(np.concatenate([patients for patients, _ in numbered]))
    values, groups = np.zeros(len(every)), np.full(len(every), -1)
    for part, own, rows, added, (patients, patient) in zip(
        parts, held, known, sums, numbered, strict=True
    ):
        places = np.searchsorted(every, patients)
        values[places] += added
        columns = part.labels if part.tasks == (WHOLE,) else part.labels[:, own]
        classes = rarest_class(np.where(rows[:, None], columns, np.nan), patient, len(patients))
        classes[classes >= 0] += groups.max(initial=-1) + 1
        new = groups[places] < 0
        groups[places[new]] = classes[new]
    return Influence(estimate, every, values, groups)
