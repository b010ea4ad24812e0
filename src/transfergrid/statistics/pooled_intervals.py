"""Intervals of a run over its folds, as those of a single test set are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transfergrid.metrics.estimate import load
from transfergrid.metrics.influence import count_distinct
from transfergrid.metrics.intervals import Interval, Measured, macro_interval, task_interval
from transfergrid.metrics.scoring import WHOLE, Cases, Parts, Points, Scorer
from transfergrid.statistics.named import WITHOUT
from transfergrid.statistics.pooled import Pooled, pool


@dataclass(frozen=True)
class FoldedCases:
    """The test cases of one fold.

    Attributes:
        cases: What its model said.
        points: The model's operating points by task, None for a metric without any.
    """

    cases: Cases
    points: Points | None = None


@dataclass(frozen=True)
class PooledIntervals:
    """A run's values with their intervals.

    Attributes:
        whole: That over the scored tasks, or of whole cases.
        tasks: Those of all tasks, by name; none for a metric of whole cases.
        n_folds: By task, and under `WHOLE`, the folds that are in the value; the fewest of the
            scored tasks under `WHOLE`.
        left_out: By task the folds that are not in its mean.
    """

    whole: Interval
    tasks: dict[str, Interval]
    n_folds: dict[str, int]
    left_out: dict[str, tuple[str, ...]]


def pooled_intervals(
    folds: Mapping[str, FoldedCases], scorer: Scorer, alpha: float = 0.05
) -> PooledIntervals:
    """Return the intervals of a run; with one fold, those of its cases, to the last bit.

    A task's interval is that of its mean over folds: contributions of patients are divided by the
    number of folds, and patients are counted in the folds that are in the mean. Tasks are joined
    as in a single test set.

    Args:
        folds: The test cases of each fold; no result if one of them has diverged.
        scorer: The metric.
        alpha: 1 minus the coverage, in (0, 1).
    """
    first = next(iter(folds.values())).cases
    parts = {
        name: scorer.parts(replace(one.cases, score_tasks=one.cases.tasks), one.points)
        for name, one in folds.items()
    }
    pooled = pool(parts)
    lost = np.array([one.cases.diverged for one in folds.values()])
    if lost.any():
        # Its labels are known nevertheless, so that the counts stay those of other runs.
        pooled = replace(pooled.without_result(), used=pooled.used | lost[:, None])
    patients = np.concatenate([one.cases.patient_id for one in folds.values()])
    patient = np.unique(patients, return_inverse=True)[1]
    own = scorer.declaration.get("interval")
    bounds = load(own) if own else None
    found = []
    for t in range(len(pooled.tasks)):
        measured = _measured(t, pooled, list(parts.values()), list(folds.values()), patient, scorer)
        interval = scorer.explained(task_interval(measured, alpha, bounds), measured)
        if np.isnan(interval.estimate) and not scorer.declaration.get("least_patients"):
            why = (
                "no_score" if lost.any() else _why_undefined(pooled.tasks[t], list(folds.values()))
            )
            interval = replace(interval, flags=(why,))
        found.append((measured, _flagged(interval, pooled.left_out.get(pooled.tasks[t], ()))))
    counts = dict(zip(pooled.tasks, pooled.used.sum(axis=0).tolist(), strict=True))
    if scorer.per_case:
        return PooledIntervals(found[0][1], {}, counts, pooled.left_out)
    scored = [found[t] for t in first.scored]
    known = np.zeros(len(patient), dtype=bool)
    for measured, _ in scored:
        known |= ~np.isnan(measured.labels)
    n = int(known.sum()), count_distinct(patient[known])
    whole = macro_interval(scored, *n, scorer.bounds)
    counts[WHOLE] = min(counts[first.tasks[t]] for t in first.scored)
    tasks = dict(zip(pooled.tasks, (interval for _, interval in found), strict=True))
    return PooledIntervals(whole, tasks, counts, pooled.left_out)


def _measured(
    t: int,
    pooled: Pooled,
    parts: list[Parts],
    folds: list[FoldedCases],
    patient: NDArray[np.int64],
    scorer: Scorer,
) -> Measured:
    """Return a task over all folds; the cases of a fold that is left out have no label."""
    used = pooled.used[:, t]
    held, count = used | ~used.any(), max(int(used.sum()), 1)
    whole = pooled.tasks == (WHOLE,)
    values, labels, scores, thresholds = [], [], [], []
    for part, one, there in zip(parts, folds, held, strict=True):
        own = one.cases.labels if whole else one.cases.labels[:, t]
        unknown = np.isnan(own).any(axis=1, keepdims=True) if whole else np.isnan(own)
        scores.append(one.cases.probabilities if whole else one.cases.probabilities[:, t])
        labels.append(np.where(unknown | ~there, np.nan, own))
        values.append(part.contributions[t] / count if there else np.zeros(len(own)))
        point = float("nan") if one.points is None else one.points[pooled.tasks[t]]
        thresholds.append(np.full(len(own), point))
    return Measured.of(
        float(pooled.estimates[t]),
        np.concatenate(values),
        np.concatenate(scores),
        np.concatenate(labels),
        patient,
        scorer.bounds,
        np.concatenate(thresholds),
        scorer.estimator.settings,
    )


def _why_undefined(task: str, folds: Sequence[FoldedCases]) -> str:
    """Return the flag of a task without a value in any fold."""
    if all(one.points is not None and np.isnan(one.points[task]) for one in folds):
        return "no_threshold"
    if task == WHOLE:
        return "single_class"
    labels = [one.cases.labels[:, one.cases.tasks.index(task)] for one in folds]
    return "undefined" if any({0, 1} <= set(own) for own in labels) else "single_class"


def _flagged(interval: Interval, left_out: tuple[str, ...]) -> Interval:
    """Return an interval that names the folds that are not in its value."""
    more = tuple(f"{WITHOUT}{fold}" for fold in left_out)
    return replace(interval, flags=(*interval.flags, *more)) if more else interval
