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
    """A study's own function, whose failures are sentences.

    Attributes:
        who: The metric and its function, for messages.
        function: The function.
        paired: Whether it must return estimates and contributions.
    """

    who: str
    function: Callable[..., Any]
    paired: bool

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        """Call the function.

        Raises:
            UserError: It failed, or did not return a pair.
        """
        try:
            found = self.function(*arguments, **settings)
        except Exception as error:  # a user's own function may fail in any way
            told = f"{type(error).__name__}: {error}"
            raise UserError(f"{self.who} failed ({told}); correct it.") from error
        if self.paired and not (isinstance(found, tuple) and len(found) == 2):
            raise UserError(
                f"{self.who} returns {type(found).__name__}; return a pair of estimates and "
                "contributions."
            )
        return found


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
        patient = np.arange(len(labels))  # contributions alone depend on who is whose
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
