"""Learning curves as trainings recorded them: when one reaches a level, what it reached by then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UNITS = ("steps", "examples", "seconds")
"""What the length of a training is told in; `Curve` has each."""


@dataclass(frozen=True)
class Curve:
    """The validations of one run, in order.

    Attributes:
        steps: (K,) optimiser steps taken by each validation.
        examples: (K,) training images seen by then, with repetition.
        seconds: (K,) seconds that the device spent on those steps, validations left out.
        values: (K,) the validation metric; validations without a number are left out.
        ended_by: ``epochs``, ``patience`` or ``diverged``.
    """

    steps: Floats
    examples: Floats
    seconds: Floats
    values: Floats
    ended_by: str = "epochs"

    @property
    def gave_up(self) -> bool:
        """Whether it ended of itself, so that more of the same training would not have come."""
        return self.ended_by != "epochs"

    def until(self, horizon: float) -> Curve:
        """Return what had been validated by a number of steps; a cut run has not ended."""
        there = self.steps <= horizon
        if there.all():
            return self
        return Curve(
            self.steps[there], self.examples[there], self.seconds[there], self.values[there]
        )

    def reaches(self, level: float, sign: int) -> int | None:
        """Return the number of the first validation at a level or better; None without one.

        Nothing is interpolated: what lies between two validations is not known.

        Args:
            level: The level.
            sign: 1 where higher is better, -1 where lower is.
        """
        there = np.flatnonzero(sign * self.values >= sign * level)
        return int(there[0]) if len(there) else None

    def best(self, budget: float, sign: int) -> float:
        """Return the best value within a budget of steps; NaN before the first validation."""
        there = self.values[self.steps <= budget]
        return float(sign * (sign * there).max()) if len(there) else math.nan


def curve_of(lines: Sequence[Mapping[str, Any]], train: Mapping[str, Any] | None = None) -> Curve:
    """Return the curve of a training.

    Args:
        lines: Lines of history.jsonl.
        train: train.json, which says what ended it; None where that does not matter.
    """
    seen = np.array([line["examples"] for line in lines], dtype=np.float64)
    rates = np.array([line["images_per_second"] for line in lines], dtype=np.float64)
    # A line's rate is that of the steps since the last one.
    spent = np.cumsum(np.diff(seen, prepend=0.0) / rates)
    known = [line["valid_score"] is not None for line in lines]
    phases = train["phases"] if train else []
    ended = phases[-1]["ended_by"] if phases else "epochs"
    return Curve(
        steps=np.array([line["step"] for line in lines], dtype=np.float64)[known],
        examples=seen[known],
        seconds=spent[known],
        values=np.array([line["valid_score"] for line in lines], dtype=np.float64)[known],
        ended_by="diverged" if train and train["status"] == "diverged" else ended,
    )


def over_folds(curves: Sequence[Curve]) -> Curve:
    """Return the curve of a run over folds: at each validation the mean over the folds.

    It ends with the fold that ends first. Its steps and examples are those of a fold, its seconds
    those of all of them.
    """
    if len(curves) == 1:
        return curves[0]
    k = min(len(curve.steps) for curve in curves)
    steps, examples, seconds, values = (
        np.array([getattr(curve, name)[:k] for curve in curves]) for name in (*UNITS, "values")
    )
    ends = {curve.ended_by for curve in curves if len(curve.steps) == k}
    ended = next((end for end in ("diverged", "patience") if end in ends), "epochs")
    return Curve(
        steps.max(axis=0), examples.max(axis=0), seconds.sum(axis=0), values.mean(axis=0), ended
    )


@dataclass(frozen=True)
class Reached:
    """When a run reached a level, in one unit.

    Attributes:
        time: When it did; NaN if it never did.
        end: The last time at which it is known whether it had: infinite if it ended of itself.
        last: When it was last validated.
        before: When it was last validated without having reached the level.
    """

    time: float
    end: float
    last: float
    before: float

    @property
    def never(self) -> bool:
        """Whether it never did."""
        return math.isnan(self.time)


def reached(curve: Curve, level: float, sign: int, unit: str) -> Reached:
    """Return when a run reached a level; see `Curve.reaches`."""
    times: Floats = getattr(curve, unit)
    last = float(times[-1]) if len(times) else 0.0
    at = curve.reaches(level, sign)
    if at is None:
        return Reached(math.nan, math.inf if curve.gave_up else last, last, last)
    return Reached(float(times[at]), math.inf, last, float(times[at - 1]) if at else 0.0)


def common_horizon(runs: Sequence[Reached]) -> float:
    """Return the time up to which it is known of every run whether it had reached the level.

    That is where the first run that had not was left for want of epochs. Without such a run it is
    known for all time: then the end of the longest training, so that a run that gave up is not as
    good as the slowest that came; where all came, the last time at which one did.
    """
    open_ends = [run.end for run in runs if run.never and math.isfinite(run.end)]
    if open_ends:
        return min(open_ends)
    if any(run.never for run in runs):
        return max(run.last for run in runs)
    return max(run.time for run in runs)
