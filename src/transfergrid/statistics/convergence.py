"""How soon trainings reach a level of their validation metric, and how good they are by then.

What was validated is in the cells' histories, so nothing is trained or scored for it. A run that
never reaches the level is censored: its time counts as the horizon, the last at which it is known
of every run whether it had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transfergrid.runtime.errors import listed
from transfergrid.statistics import budgeted, timed
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.comparisons import arms_by_place
from transfergrid.statistics.curves import UNITS, Curve, reached
from transfergrid.statistics.places import Place, varying_axes, words
from transfergrid.statistics.reader import Entry, Reader
from transfergrid.statistics.scale import Scale

Arms = Mapping[Any, Mapping[int, Entry]]
"""By value of the question's axis, by seed, a run."""


@dataclass(frozen=True)
class Run:
    """A row of reached.csv: what one run reached, and when.

    Attributes:
        asked: What it is about.
        arm: Value of the question's axis.
        cell: Name of the run.
        seed: Its seed.
        reached: Whether it reached the level.
        times: By unit when it did, or when it was last validated.
        steps_before: Steps at its last validation below the level; 0 without one.
        best: Best validation value.
        final: Last validation value.
        n_validations: Validations with a number.
        ended_by: ``epochs``, ``patience`` or ``diverged``.
        device: What it was trained on.
    """

    asked: timed.Asked
    arm: Any
    cell: str
    seed: int
    reached: bool
    times: Mapping[str, float]
    steps_before: float
    best: float
    final: float
    n_validations: int
    ended_by: str
    device: str

    def columns(self) -> dict[str, Any]:
        """Return the row of reached.csv."""
        own = {name: getattr(self, name) for name in ("cell", "seed", "reached")}
        more = ("steps_before", "best", "final", "n_validations", "ended_by", "device")
        place = timed.where(self.asked, self.arm)
        return {**place, **own, **self.times, **{name: getattr(self, name) for name in more}}


def convergence(question: Question, basis: Basis) -> Answered:
    """Find when the arms of each place reach the level, and what they reach within budgets.

    Args:
        question: A convergence question.
        basis: What it is answered from.
    """
    reader = basis.reader
    varying = varying_axes(reader.targets)
    times: list[timed.Timed] = []
    spent: list[budgeted.Budgeted] = []
    runs: list[Run] = []
    left_out: list[str] = []
    signs: dict[str, int] = {}
    for place, arms in arms_by_place(question, reader):
        if len(arms) < 2:
            continue
        told = f"{question['name']}: {words(place, varying) or 'the study'}"
        if question["baseline"] not in arms:
            left_out.append(f"{told} has no baseline {question['baseline']}; it is left out.")
            continue
        found = _answer(question, place, arms, basis)
        if isinstance(found, str):
            left_out.append(f"{told} {found}; it is left out.")
            continue
        signs[found.scale.name] = found.scale.sign
        times += found.times
        spent += found.budgets
        runs += found.runs
    by_unit = [timed.adjusted([row for row in times if row.asked.unit == unit]) for unit in UNITS]
    beside = {
        "budgets": [row.columns() for row in budgeted.adjusted(spent, signs)],
        "reached": [row.columns() for row in runs],
    }
    return Answered([row for rows in by_unit for row in rows], left_out, beside)


@dataclass(frozen=True)
class _Found:
    scale: Scale
    times: Sequence[timed.Timed]
    budgets: Sequence[budgeted.Budgeted]
    runs: Sequence[Run]


def _answer(question: Question, place: Place, arms: Arms, basis: Basis) -> _Found | str:
    """Return the rows of one place, or why there are none."""
    reader, axis = basis.reader, question["axis"]
    dataset = next(iter(arms[question["baseline"]].values()))["dataset"]
    scale = Scale.of(reader.metric_of(dataset))
    curves = {
        arm: {seed: _curve(question, reader, run["cell"]) for seed, run in by_seed.items()}
        for arm, by_seed in arms.items()
    }
    every = [curve for by_seed in curves.values() for curve in by_seed.values()]
    if not any(len(curve.steps) for curve in every):
        return "has no run that was ever validated"
    if unseen := [arm for arm, own in curves.items() if any(map(_unseen, own.values()))]:
        when = "" if question["horizon"] is None else f" by step {question['horizon']}"
        return f"has runs of {listed(unseen)} without a validation{when}, which tell no time"
    level = level_of(question, curves, scale.sign)
    if math.isnan(level):
        return f"has no level of {question['share']:g} of a best final value above 0"
    if scale.no_skill is not None and level <= scale.no_skill:
        return (
            f"has the level {level:.3g}, and {scale.name} is {scale.no_skill:g} for a network that "
            "has learned nothing"
        )
    asked = timed.Asked(
        question["name"], axis, question["baseline"], place, scale.name, level, "steps", basis.alpha
    )
    budgets = question["budgets"] or budgeted.usual_budgets(every)
    by_arm = {arm: list(by_seed.values()) for arm, by_seed in curves.items()}
    devices = {reader.device(run["cell"]) for by_seed in arms.values() for run in by_seed.values()}
    times: list[timed.Timed] = []
    for unit in UNITS:
        found = {
            arm: [reached(curve, level, scale.sign, unit) for curve in own]
            for arm, own in by_arm.items()
        }
        apart = unit == "seconds" and len(devices) > 1
        notes = [
            f"runs were on {', '.join(sorted(devices))}" if apart else "",
            _found_here(question),
        ]
        times += timed.timed(replace(asked, unit=unit), found, "; ".join(filter(None, notes)))
    runs = [
        _run(replace(asked, unit=""), arm, arms[arm][seed], curve, scale.sign, reader)
        for arm, by_seed in curves.items()
        for seed, curve in by_seed.items()
    ]
    return _Found(scale, times, budgeted.budgeted(asked, by_arm, budgets, scale.sign), runs)


def _found_here(question: Question) -> str:
    """Say that a share's level is a result of the runs that are judged by it."""
    if question["share"] is None:
        return ""
    share = f"{question['share']:g} of the best arm's final value"
    return f"level found in these runs ({share}) and taken as given"


def _unseen(curve: Curve) -> bool:
    """Tell whether nothing is known of a run at any time, which leaves no common horizon."""
    return not len(curve.steps) and not curve.gave_up


def _curve(question: Question, reader: Reader, run: str) -> Curve:
    horizon = question["horizon"]
    curve = reader.curve(run)
    return curve if horizon is None else curve.until(horizon)


def level_of(question: Question, curves: Mapping[Any, Mapping[int, Curve]], sign: int) -> float:
    """Return the level that a question asks for.

    A share is one of the best arm's mean value at the end of training; of a metric of which less is
    better, the level is that value over the share. Runs that diverged have no end.

    Args:
        question: A convergence question, with a `level` or a `share`.
        curves: By arm and seed.
        sign: 1 where higher is better, -1 where lower is.

    Returns:
        NaN if no arm has a value above 0 to take a share of.
    """
    if question["level"] is not None:
        return float(question["level"])
    ends = [
        [c.values[-1] for c in by_seed.values() if len(c.values) and c.ended_by != "diverged"]
        for by_seed in curves.values()
    ]
    means = [float(np.mean(values)) for values in ends if values]
    best = sign * max((sign * mean for mean in means), default=math.nan)
    if not best > 0:
        return math.nan
    share = float(question["share"])
    return best * share if sign > 0 else best / share


def _run(asked: timed.Asked, arm: Any, run: Entry, curve: Curve, sign: int, reader: Reader) -> Run:
    at = curve.reaches(asked.level, sign)
    when = len(curve.steps) - 1 if at is None else at
    before = when if at is None else when - 1
    return Run(
        asked=asked,
        arm=arm,
        cell=run["cell"],
        seed=run["seed"],
        reached=at is not None,
        times={unit: float(getattr(curve, unit)[when]) if when >= 0 else 0.0 for unit in UNITS},
        steps_before=float(curve.steps[before]) if before >= 0 else 0.0,
        best=curve.best(math.inf, sign),
        final=float(curve.values[-1]) if len(curve.values) else math.nan,
        n_validations=len(curve.values),
        ended_by=curve.ended_by,
        device=reader.device(run["cell"]),
    )
