"""The estimate of a metric whose function is named by text: what checkpoints are ranked by.

The module is part of what training hashes into every cell, so it stays small and knows no metric.
A cell's specification names the metric's code, which is hashed beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.runtime.errors import UserError


def load(reference: str) -> Callable[..., Any]:
    """Return the function of a ``module:function``."""
    module, name = reference.split(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


@dataclass(frozen=True)
class Own:
    """A study's own function, whose failures become sentences.

    Attributes:
        who: The metric and its function, for messages.
        function: The function.
        paired: Whether it must return estimates and contributions; else it returns thresholds.
    """

    who: str
    function: Callable[..., Any]
    paired: bool

    def __call__(self, scores: ArrayLike, labels: ArrayLike, *others: Any, **settings: Any) -> Any:
        """Call the function on arrays that it cannot change, and check what it returns.

        Args:
            scores: (M, N) scores, or (M, N, T).
            labels: (N,) labels, or (N, T).
            others: The patients, for a metric.
            settings: The metric's settings.

        Returns:
            (M,) estimates and (M, N) contributions, or (M,) thresholds; float64.

        Raises:
            UserError: It failed, or returned something else.
        """
        try:
            found = self.function(*map(_fixed, (scores, labels, *others)), **settings)
        except Exception as error:  # a user's own function may fail in any way
            told = f"{type(error).__name__}: {error}"
            raise UserError(f"{self.who} failed ({told}); correct it.") from error
        models, cases = np.shape(scores)[:2]
        if not self.paired:
            return self._numbers(found, (models,), "thresholds")
        if not (isinstance(found, tuple) and len(found) == 2):
            raise UserError(
                f"{self.who} returns {type(found).__name__}; return a pair of estimates and "
                "contributions."
            )
        estimates = self._numbers(found[0], (models,), "estimates")
        contributions = self._numbers(found[1], (models, cases), "contributions")
        self._check(estimates, contributions, np.asarray(labels), *map(np.asarray, others))
        return estimates, contributions

    def _check(
        self,
        estimates: NDArray[np.float64],
        contributions: NDArray[np.float64],
        labels: NDArray,
        patient: NDArray,
    ) -> None:
        """Refuse infinite numbers, and values whose error nobody can tell."""
        if np.isinf(estimates).any() or np.isinf(contributions).any():
            raise UserError(
                f"{self.who} returns infinite numbers; an undefined value is NaN, and a case that "
                "does not count contributes 0."
            )
        for estimate, own in zip(estimates, contributions, strict=True):
            if not np.isnan(estimate) and np.isnan(own).any() and _plenty(labels, patient):
                raise UserError(
                    f"{self.who} gives a value of {estimate:g} and contributions that are NaN; it "
                    "must return the contribution of every case, and 0 for a case that does not "
                    "count."
                )

    def _numbers(self, found: Any, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
        try:
            numbers = np.asarray(found)
        except ValueError:  # lists of different lengths
            numbers = np.array(None)
        if numbers.dtype.kind not in "biuf":
            raise UserError(
                f"{self.who} returns {what} that are not an array of real numbers; return shape "
                f"{shape}, NaN where there is none."
            )
        if numbers.shape != shape:
            raise UserError(
                f"{self.who} returns {what} of shape {numbers.shape}; for this many models"
                f"{' and cases' if len(shape) > 1 else ''} return {shape}."
            )
        return numbers.astype(np.float64)


def _plenty(labels: NDArray, patient: NDArray) -> bool:
    """Tell whether every class present has two patients, who show its spread."""
    columns = labels.T if labels.ndim == 2 else labels[None]
    counts = [len(np.unique(patient[c == label])) for c in columns for label in (0, 1)]
    return 1 not in counts


def _fixed(values: ArrayLike) -> NDArray:
    """Return a view of an array that cannot be written to."""
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Estimator:
    """A metric as training and the choice of checkpoints need it.

    Attributes:
        name: Its name in the study.
        per: "task" or "case", see `transfergrid.catalog.metrics.Metric`.
        higher_is_better: Whether a higher value is better.
        function: From scores, labels and patients to estimates and contributions; None where
            `estimate` is all that is needed.
        estimate: From scores and labels to estimates alone, or None to take those of `function`.
        operating_point: From scores and labels to thresholds, or None.
        settings: Keyword arguments of all three.
    """

    name: str
    per: str
    higher_is_better: bool
    function: Callable[..., Any] | None
    estimate: Callable[..., Any] | None
    operating_point: Callable[..., Any] | None
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, declaration: Mapping[str, Any]) -> Estimator:
        """Import the functions that a declaration names."""
        found: dict[str, Callable[..., Any] | None] = {}
        for key in ("function", "estimate", "operating_point"):
            reference = declaration.get(key) or ""
            found[key] = function = load(reference) if reference else None
            if function is not None and not reference.startswith("transfergrid."):
                who = f"metric '{declaration['name']}' ({reference})"
                found[key] = Own(who, function, paired=key == "function")
        return cls(
            name=declaration["name"],
            per=declaration["per"],
            higher_is_better=declaration["higher_is_better"],
            settings=dict(declaration["settings"]),
            **found,
        )

    @property
    def sign(self) -> float:
        """What a value is multiplied by so that higher is better: 1 or -1."""
        return 1.0 if self.higher_is_better else -1.0

    def thresholds(self, scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64] | None:
        """Return the (M,) operating points of one task, or None for a metric without any.

        Args:
            scores: (M, N) scores on validation cases, one row per model.
            labels: (N,) values 0, 1 or NaN.
        """
        if self.operating_point is None:
            return None
        points = self.operating_point(scores, labels, **self.settings)
        return np.asarray(points, dtype=np.float64)

    def estimates(self, scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
        """Return the (M,) estimates on cases whose own scores fix the operating points.

        Args:
            scores: (M, N) scores of one task; (M, N, T) for a metric per case.
            labels: (N,) values 0, 1 or NaN; (N, T) for a metric per case.
        """
        scores, labels = np.asarray(scores), np.asarray(labels)
        points = self.thresholds(scores, labels)
        if points is None:
            return self._estimates(scores, labels, {})
        rows = [
            self._estimates(scores[m : m + 1], labels, {"threshold": float(point)})
            for m, point in enumerate(points)
        ]
        return np.concatenate(rows) if rows else np.zeros(0)

    def _estimates(
        self, scores: NDArray, labels: NDArray, point: Mapping[str, float]
    ) -> NDArray[np.float64]:
        if self.estimate is not None:
            return np.asarray(self.estimate(scores, labels, **self.settings, **point))
        assert self.function is not None  # a declaration has one of the two
        patient = np.arange(len(labels))  # only contributions depend on which case is whose
        return np.asarray(self.function(scores, labels, patient, **self.settings, **point)[0])

    def by_task(self, scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
        """Return the (M, T) estimates of all tasks; all NaN for a metric per case.

        Args:
            scores: (M, N, T) scores.
            labels: (N, T) values 0, 1 or NaN.
        """
        scores, labels = np.asarray(scores), np.asarray(labels)
        if self.per == "case":
            return np.full((scores.shape[0], scores.shape[2]), np.nan)
        values = [self.estimates(scores[:, :, t], labels[:, t]) for t in range(scores.shape[2])]
        return np.stack(values, axis=1)

    def overall(
        self, scores: ArrayLike, labels: ArrayLike, scored: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the (M,) estimates that models are ranked by, and the (M, T) of the tasks.

        The first is the mean over the scored tasks, NaN if any of them is NaN, because a mean over
        fewer tasks would be another quantity under the same name; for a metric per case it is that
        of all classes together.

        Args:
            scores: (M, N, T) scores.
            labels: (N, T) values 0, 1 or NaN.
            scored: Columns to average over, at least one.

        Raises:
            UserError: No task is named.
        """
        if len(scored) == 0:
            raise UserError(f"{self.name} needs at least one task: name one in score_tasks.")
        tasks = self.by_task(scores, labels)
        if self.per == "case":
            return self.estimates(scores, labels), tasks
        means = [float(np.mean([row[t] for t in scored])) for row in tasks]
        return np.array(means, dtype=np.float64), tasks
