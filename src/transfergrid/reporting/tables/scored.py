"""One cell's ensemble under one metric: its value for every task and as a whole, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.intervals import Interval
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.reporting.flags import OF_DATA
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.scale import OPERATING_POINTS

Read = Callable[[Path], Ensemble]
"""Reads an ensemble of a split; a caller that has several uses for one may remember it."""


@dataclass(frozen=True)
class Scored:
    """A metric of one ensemble.

    Attributes:
        tasks: By task its value; none for a metric that is one number over all classes.
        whole: The mean over the scored tasks, or the metric itself.
        thresholds: By task the operating point, fixed on validation scores; none without one.
        conditional_on: What the intervals take as given, possibly empty.
        n_folds: By task, and under the empty name for the whole, the folds that are in a mean over
            folds; none where there are no folds.
    """

    tasks: Mapping[str, Interval]
    whole: Interval
    thresholds: Mapping[str, float] = field(default_factory=dict)
    conditional_on: str = ""
    n_folds: Mapping[str, int] = field(default_factory=dict)


def score(
    table: Ensemble,
    score_tasks: tuple[str, ...] | None,
    metric: Mapping[str, Any],
    alpha: float,
    place: Path,
    scored_only: bool = False,
    read: Read = read_ensemble,
) -> Scored:
    """Score an ensemble on its test split.

    Args:
        table: The ensemble.
        score_tasks: Tasks that the mean is over, at least one; None for all.
        metric: The metric's declaration.
        alpha: 1 minus the coverage, in (0, 1).
        place: Folder of the ensemble, whose validation split fixes operating points.
        scored_only: Whether tasks that the mean is not over are left out.
        read: Reads the validation split.

    Raises:
        UserError: A scored task is not among the tasks, or a study appears twice.
    """
    if len(set(table.study_id.tolist())) != len(table.study_id):
        raise UserError("A study appears twice in an ensemble; each must have one row.")
    scorer = Scorer.of(metric)
    # A metric of whole cases is over all classes.
    few = scored_only and not scorer.per_case
    cases = cases_of(table, score_tasks, few)
    points = operating_points(scorer, place, score_tasks, few, read)
    parts, whole = scorer.intervals(cases, points, alpha)
    tasks = {} if scorer.per_case else dict(zip(cases.tasks, parts, strict=True))
    return Scored(tasks, whole, points or {}, OPERATING_POINTS if points else "")


def cases_of(table: Ensemble, score_tasks: tuple[str, ...] | None, scored_only: bool) -> Cases:
    """Return an ensemble as a metric takes it.

    Args:
        table: The ensemble of a split.
        score_tasks: Tasks that the mean is over; None for all.
        scored_only: Whether the other tasks are left out.
    """
    names = score_tasks or table.tasks
    kept = [t for t, task in enumerate(table.tasks) if task in names or not scored_only]
    return Cases(
        table.probabilities[:, kept],
        table.labels[:, kept],
        table.patient_id,
        tuple(table.tasks[t] for t in kept),
        names,
    )


def operating_points(
    scorer: Scorer,
    place: Path,
    score_tasks: tuple[str, ...] | None,
    scored_only: bool,
    read: Read = read_ensemble,
) -> dict[str, float] | None:
    """Return a metric's operating points by task, from the validation split; None without any.

    Args:
        scorer: The metric.
        place: Folder of the ensemble.
        score_tasks: Tasks that the mean is over; None for all.
        scored_only: Whether the other tasks are left out.
        read: Reads the validation split.
    """
    if scorer.estimator.operating_point is None:
        return None
    return scorer.points(cases_of(read(place / "valid.parquet"), score_tasks, scored_only))


def data_flags(card: Mapping[str, Any]) -> list[str]:
    """Return what holds for every number on a data set, by its card."""
    holds = (bool(card.get("synthetic")), card.get("patients") == "unknown")
    return [flag for flag, there in zip(OF_DATA, holds, strict=True) if there]


def told_of(value: Interval, about: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a table that a value fills.

    Args:
        value: The value with its interval.
        about: Flags that hold for every number on the data set.
    """
    return {
        "value": value.estimate,
        "low": value.low,
        "high": value.high,
        "n": value.n,
        "n_pos": value.n_pos,
        "n_patients": value.n_patients,
        "flags": ";".join([*about, *value.flags]),
    }
