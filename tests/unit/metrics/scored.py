"""Metrics on plain arrays, as tests and benchmarks need them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from transfergrid.metrics.intervals import Interval
from transfergrid.metrics.scoring import Cases, Points, Scorer
from transfergrid.planning.metrics import built_in


def cases(scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, scored: Sequence[int]) -> Cases:
    """Return (S, T) arrays as cases, with tasks named by number."""
    scores = np.asarray(scores)
    tasks = tuple(map(str, range(scores.shape[1])))
    chosen = tuple(tasks[t] for t in scored)
    return Cases(scores, np.asarray(labels), np.asarray(patient), tasks, chosen)


def intervals(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike, scored: Sequence[int]
) -> tuple[list[Interval], Interval]:
    """Return the AUROC's interval of every task and that of the mean."""
    return Scorer.of(built_in("auroc")).intervals(cases(scores, labels, patient, scored))


def rows(scorer: Scorer, found: Cases, points: Points | None = None) -> list[Interval]:
    """Return the interval over the scored tasks, then that of every task."""
    tasks, whole = scorer.intervals(found, points)
    return [whole, *tasks]
