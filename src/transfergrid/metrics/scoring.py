"""Any metric on any predictions: estimates, contributions of patients, intervals.

A metric is a declaration (`transfergrid.catalog.metrics.Metric` as a mapping, which stamps hold)
that names its functions; see `docs/extending.md` for their contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.metrics.estimate import Estimator, load
from transfergrid.metrics.influence import (
    Influence,
    count_distinct,
    rarest_class,
    sum_by_patient,
)
from transfergrid.metrics.intervals import Interval, Measured, macro_interval, task_interval
from transfergrid.runtime.errors import UserError

WHOLE = ""
"""Stands in the place of a task's name for the mean over tasks, or a metric of whole cases."""

Points = Mapping[str, float]
"""Operating points by task: a score from which on a case is called positive."""


@dataclass(frozen=True)
class Cases:
    """Predictions and truth of some cases.

    Attributes:
        probabilities: (S, T) float64, one row per case; all NaN for a diverged cell.
        labels: (S, T) values 0, 1 or NaN.
        patient_id: (S,) identifiers.
        tasks: T names.
        score_tasks: The tasks that a mean is over, at least one.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray
    patient_id: NDArray
    tasks: tuple[str, ...]
    score_tasks: tuple[str, ...]

    @property
    def diverged(self) -> bool:
        """Whether no model is behind the predictions."""
        return bool(np.isnan(self.probabilities).all())

    @cached_property
    def scored(self) -> list[int]:
        """Columns of the scored tasks; UserError where there are none, or one is unknown."""
        unknown = [task for task in self.score_tasks if task not in self.tasks]
        if unknown or not self.score_tasks:
            raise UserError(
                f"score_tasks names {', '.join(unknown) or 'no task'}; the tasks are "
                f"{', '.join(self.tasks)}."
            )
        return [self.tasks.index(task) for task in self.score_tasks]

    @cached_property
    def patient(self) -> NDArray[np.int64]:
        """(S,) number of each case's patient, from 0, in the order of sorted identifiers."""
        found: NDArray[np.int64] = np.unique(self.patient_id, return_inverse=True)[1]
        return found


@dataclass(frozen=True)
class Parts:
    """What a metric's value is the mean of: what folds pool, task by task.

    Attributes:
        tasks: K names of scored tasks; one empty name for a metric of whole cases.
        estimates: (K,) float64, NaN where a task has none.
        contributions: (K, S) float64, of each case; 0 where its label is not known.
        patient_id: (S,) identifiers.
        labels: (S, T') labels of the scored tasks, which tell patients' classes.
    """

    tasks: tuple[str, ...]
    estimates: NDArray[np.float64]
    contributions: NDArray[np.float64]
    patient_id: NDArray
    labels: NDArray

    def only(self, task: str) -> Parts:
        """Return the part of one scored task."""
        own = [self.tasks.index(task)]
        return Parts(
            (task,),
            self.estimates[own],
            self.contributions[own],
            self.patient_id,
            self.labels[:, own],
        )


@dataclass(frozen=True)
class Scorer:
    """A metric, ready to score cases.

    Attributes:
        declaration: The metric's declaration, settings resolved.
        estimator: Its functions.
    """

    declaration: Mapping[str, Any]
    estimator: Estimator

    @classmethod
    def of(cls, declaration: Mapping[str, Any]) -> Scorer:
        """Import the functions that a declaration names."""
        return cls(declaration, Estimator.of(declaration))

    @property
    def name(self) -> str:
        """The metric's name in the study."""
        return str(self.declaration["name"])

    @property
    def title(self) -> str:
        """The metric's name for readers."""
        return str(self.declaration["title"])

    @property
    def sign(self) -> float:
        """What a value is multiplied by so that higher is better: 1 or -1."""
        return self.estimator.sign

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value, infinite where there is none."""
        low, high = self.declaration["range"]
        return (-np.inf if low is None else float(low), np.inf if high is None else float(high))

    @property
    def per_case(self) -> bool:
        """Whether it is one number over all classes of a case."""
        return self.estimator.per == "case"

    def points(self, valid: Cases) -> dict[str, float] | None:
        """Return the operating point of every task, from validation cases; None without any.

        Args:
            valid: Validation cases; NaN scores give NaN points.
        """
        if self.estimator.operating_point is None:
            return None
        found = {}
        for t, task in enumerate(valid.tasks):
            scores, labels = valid.probabilities[:, t], valid.labels[:, t]
            missing = bool(np.isnan(scores[~np.isnan(labels)]).any())
            threshold = None if missing else self.estimator.thresholds(scores[None], labels)
            found[task] = float("nan") if threshold is None else float(threshold[0])
        return found

    def values(self, cases: Cases, points: Points | None = None) -> tuple[float, dict[str, float]]:
        """Return the value over the scored tasks, and that of every task (empty if per case)."""
        if self.per_case:
            return self._measure(cases, None, points)[0], {}
        found = {task: self._measure(cases, t, points)[0] for t, task in enumerate(cases.tasks)}
        return float(np.mean([found[cases.tasks[t]] for t in cases.scored])), found

    def influence(self, cases: Cases, points: Points | None = None) -> Influence:
        """Return the value over the scored tasks with the contribution of each patient."""
        parts = self.parts(cases, points)
        patients, patient = np.unique(parts.patient_id, return_inverse=True)
        estimate = float(np.mean(parts.estimates))
        values = np.mean(parts.contributions, axis=0)
        sums = sum_by_patient(values[None], patient, len(patients))[0]
        return Influence(estimate, patients, sums, rarest_class(parts.labels, patient, len(sums)))

    def parts(self, cases: Cases, points: Points | None = None) -> Parts:
        """Return the value and contributions of every scored task, or of all classes together."""
        scored = cases.scored
        columns: list[int | None] = [None] if self.per_case else list(scored)
        measured = [self._measure(cases, column, points) for column in columns]
        names = (WHOLE,) if self.per_case else tuple(cases.tasks[t] for t in scored)
        labels = cases.labels if self.per_case else cases.labels[:, scored]
        return Parts(
            names,
            np.array([estimate for estimate, _ in measured]),
            np.stack([values for _, values in measured]),
            cases.patient_id,
            labels,
        )

    def intervals(
        self, cases: Cases, points: Points | None = None, alpha: float = 0.05
    ) -> tuple[list[Interval], Interval]:
        """Return the interval of every task (none if per case), and that over the scored tasks.

        They are conditional on the operating points: those of other validation cases would differ.

        Args:
            cases: What is scored.
            points: Operating points by task, for a metric with any.
            alpha: 1 minus the coverage, in (0, 1).
        """
        patient, scored = cases.patient, cases.scored
        own = self.declaration.get("interval")
        bounds = load(own) if own else None
        if self.per_case:
            unknown = np.isnan(cases.labels).any(axis=1)
            labels = np.where(unknown[:, None], np.nan, cases.labels)
            estimate, values = self._measure(cases, None, points)
            whole = Measured.of(estimate, values, cases.probabilities, labels, patient, self.bounds)
            return [], self.explained(task_interval(whole, alpha, bounds), whole)
        tasks = []
        for t, task in enumerate(cases.tasks):
            estimate, values = self._measure(cases, t, points)
            measured = Measured.of(
                estimate,
                values,
                cases.probabilities[:, t],
                cases.labels[:, t],
                patient,
                self.bounds,
                float("nan") if points is None else points[task],
                self.estimator.settings,
            )
            interval = self.explained(task_interval(measured, alpha, bounds), measured)
            tasks.append((measured, interval))
        known = ~np.isnan(cases.labels[:, scored]).all(axis=1)
        counts = int(known.sum()), count_distinct(patient[known])
        mean = macro_interval([tasks[t] for t in scored], *counts, self.bounds)
        return [interval for _, interval in tasks], mean

    def explained(self, interval: Interval, measured: Measured) -> Interval:
        """Say `undefined` where a metric without operating points has no value.

        A metric to which classes do not matter is flagged for all of its patients instead.

        Args:
            interval: What `task_interval` made of `measured`.
            measured: One task's value and what goes with it.
        """
        least = self.declaration.get("least_patients", 0)
        if least and np.isnan(interval.estimate):
            return replace(interval, flags=("no_score" if measured.unscored else "undefined",))
        if least:
            few = ("few_patients",) if interval.n_patients < least else ()
            kept = tuple(flag for flag in interval.flags if flag == "no_variance")
            return replace(interval, flags=few + kept)
        if self.estimator.operating_point is None and interval.flags == ("no_threshold",):
            return replace(interval, flags=("undefined",))
        return interval

    def _measure(
        self, cases: Cases, column: int | None, points: Points | None
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the estimate of a task (of all classes: None) and the (S,) contributions."""
        scores = cases.probabilities if column is None else cases.probabilities[:, column]
        labels = cases.labels if column is None else cases.labels[:, column]
        unknown = np.isnan(labels) if column is not None else np.isnan(labels).any(axis=1)
        nothing = float("nan"), np.where(unknown, 0.0, np.nan)
        if np.isnan(scores[~unknown]).any():
            return nothing
        settings = dict(self.estimator.settings)
        if self.estimator.operating_point is not None and column is not None:
            if points is None:
                raise UserError(f"{self.name} needs operating points from validation cases.")
            settings["threshold"] = points[cases.tasks[column]]
            if np.isnan(settings["threshold"]):
                return nothing
        assert self.estimator.function is not None  # a whole declaration has it
        estimates, values = self.estimator.function(scores[None], labels, cases.patient, **settings)
        estimate, own = float(estimates[0]), values[0]
        self._check_range(estimate)
        return estimate, own

    def _check_range(self, value: float) -> None:
        """Refuse a value that the declaration rules out."""
        low, high = self.bounds
        slack = 1e-9 * max(1.0, abs(value))
        if value < low - slack or value > high + slack:
            raise UserError(
                f"metric '{self.name}' ({self.declaration['function']}) gives a value of "
                f"{value:g}, which is not within its range, {low:g} to {high:g}; correct one of "
                "them."
            )
