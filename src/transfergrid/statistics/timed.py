"""How soon the runs of two arms reach a level: a row of convergence.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.basis import Evidence
from transfergrid.statistics.curves import Reached, common_horizon
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.named import CANNOT, LATER, SOONER, UNDECIDED
from transfergrid.statistics.places import Place, key
from transfergrid.statistics.survival import KaplanMeier
from transfergrid.statistics.two_samples import Welch, mean_interval, permutation_p, welch

METHOD = "Welch's t on min(T, horizon); permutation of the runs"
UNREPEATED = "one seed in an arm: no interval and no test"
_FAR = 700.0
"""A logarithm that tells nothing any more: two seeds of a wide spread reach it."""
NONE_REACHED = "no run of either arm reached the level"
THERE_AT_ONCE = (
    "every run of both arms was at the level when it was first validated, so that nothing is known "
    "of which came first"
)


@dataclass(frozen=True)
class Asked:
    """What the rows of one question, place and unit share.

    Attributes:
        question: Name of the question.
        axis: Its axis.
        baseline: The arm that the others are compared with.
        place: What the arms share.
        metric: Name of the validation metric.
        level: The level.
        unit: One of `curves.UNITS`.
        alpha: 1 minus the coverage of the intervals.
    """

    question: str
    axis: str
    baseline: Any
    place: Place
    metric: str
    level: float
    unit: str
    alpha: float


@dataclass(frozen=True)
class Timed:
    """A row of convergence.csv: an arm, and how it differs from the baseline.

    Attributes:
        asked: What it is about.
        arm: Value of the question's axis.
        horizon: Time up to which it is known of every run whether it had reached the level; T is
            never counted beyond.
        n_runs: Runs, one a seed.
        n_reached: Those that had reached the level by the horizon.
        median: Time by which half had (Kaplan and Meier), the middle of two where it lies between
            them; NaN if fewer did.
        restricted_mean: Mean of min(T, horizon).
        restricted_mean_se: Its standard error by Greenwood's formula.
        restricted_mean_low: Lower bound, by Student's t over the runs.
        restricted_mean_high: Upper bound.
        difference: Restricted mean minus the baseline's; NaN in the baseline's own row, as are all
            fields from here to `p_permutation_least`.
        low: Lower bound, by Welch's t; no further from 0 than the horizon.
        high: Upper bound.
        df: Its degrees of freedom.
        p: p-value of no difference, by the same.
        ratio: Geometric mean of min(T, horizon) over the baseline's.
        ratio_low: Lower bound, by Welch's t on logarithms.
        ratio_high: Upper bound.
        p_permutation: p-value of the permutation test of the same difference.
        p_permutation_least: The smallest that these runs could have given.
        permutation: Its verdict, not adjusted: "sooner", "later", "undecided" or "cannot be
            decided".
        note: What limits the answer.
        p_adjusted: p by Holm's method within the question and unit; NaN before.
        verdict: As `permutation`, by `p_adjusted`; empty in the baseline's own row.
    """

    asked: Asked
    arm: Any
    horizon: float
    n_runs: int
    n_reached: int
    median: float
    restricted_mean: float
    restricted_mean_se: float
    restricted_mean_low: float
    restricted_mean_high: float
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    df: float = math.nan
    p: float = math.nan
    ratio: float = math.nan
    ratio_low: float = math.nan
    ratio_high: float = math.nan
    p_permutation: float = math.nan
    p_permutation_least: float = math.nan
    permutation: str = ""
    note: str = ""
    p_adjusted: float = math.nan
    verdict: str = ""

    def columns(self) -> dict[str, Any]:
        """Return the row of convergence.csv."""
        asked = self.asked
        return {
            **where(asked, self.arm),
            "unit": asked.unit,
            **{one.name: getattr(self, one.name) for one in fields(self)[2:]},
            "share_reached": self.n_reached / self.n_runs,
            "method": METHOD if self.verdict else "",
        }

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by: how many times the baseline's time it takes."""
        asked = self.asked
        keys = {"kind": "convergence", "axis": asked.axis, "a": self.arm, "b": asked.baseline}
        keys |= {"metric": asked.metric, "unit": asked.unit, "quantity": "ratio"}
        keys |= {**asked.place, asked.axis: self.arm}
        label = f"{asked.question}: {self.arm} / {asked.baseline}, {asked.unit}"
        return Evidence(keys, label, self.ratio, self.ratio_low, self.ratio_high, self.note)


def where(asked: Asked, arm: Any) -> dict[str, Any]:
    """Return the columns that say what a row is about."""
    return {
        "question": asked.question,
        "metric": asked.metric,
        "level": asked.level,
        "axis": asked.axis,
        "arm": arm,
        "baseline": asked.baseline,
        **{axis: asked.place.get(axis, "") for axis in PLACE},
    }


def timed(asked: Asked, arms: Mapping[Any, Sequence[Reached]], notes: str = "") -> list[Timed]:
    """Return the rows of one place and unit, the baseline's first; see `Timed`.

    Args:
        asked: What they are about.
        arms: By arm when each of its runs reached the level; at least one run an arm.
        notes: What limits all of them.
    """
    horizon = common_horizon([run for runs in arms.values() for run in runs])
    base = Times.of(arms[asked.baseline], horizon)
    return [
        _row(asked, arm, base if arm == asked.baseline else Times.of(runs, horizon), base, notes)
        for arm, runs in sorted(arms.items(), key=lambda pair: pair[0] != asked.baseline)
    ]


@dataclass(frozen=True)
class Times:
    """The times of an arm's runs, none of which is counted beyond the horizon.

    Attributes:
        values: (n,) min(T, horizon).
        happened: (n,) bool, whether the level was reached by then.
        at_once: (n,) bool, whether it was there at the first validation.
        rounding: Mean variance that a time has because it is only known between two validations.
        log_rounding: The same of its logarithm.
        horizon: The horizon.
    """

    values: NDArray[np.float64]
    happened: NDArray[np.bool_]
    at_once: NDArray[np.bool_]
    rounding: float
    log_rounding: float
    horizon: float

    @classmethod
    def of(cls, runs: Sequence[Reached], horizon: float) -> Times:
        """Cut the times of runs at a horizon."""
        happened = np.array([not run.never and run.time <= horizon for run in runs])
        values = np.array(
            [run.time if there else horizon for run, there in zip(runs, happened, strict=True)]
        )
        widths = np.array(
            [
                run.time - run.before if there else 0.0
                for run, there in zip(runs, happened, strict=True)
            ]
        )
        # Of a uniform error as wide as the time between two validations.
        rounding = float((widths**2).mean() / 12)
        log_rounding = float(((widths / values) ** 2).mean() / 12)
        at_once = happened & np.array([run.before == 0 for run in runs])
        return cls(values, happened, at_once, rounding, log_rounding, horizon)


def adjusted(rows: Sequence[Timed]) -> list[Timed]:
    """Return the rows of one question and unit with adjusted p-values and verdicts."""
    p = holm([row.p for row in rows])
    return [
        replace(row, p_adjusted=float(one), verdict=_verdict(row, float(one)))
        for row, one in zip(rows, p, strict=True)
    ]


def _verdict(row: Timed, p: float) -> str:
    if row.arm == row.asked.baseline:
        return ""
    if math.isnan(p):
        return CANNOT
    if p > row.asked.alpha:
        return UNDECIDED
    return SOONER if row.difference < 0 else LATER


def _row(asked: Asked, arm: Any, own: Times, base: Times, notes: str) -> Timed:
    curve = KaplanMeier.of(own.values, own.happened)
    mean, error = curve.restricted_mean(own.horizon)
    low, high = mean_interval(own.values, asked.alpha, own.rounding)
    found = Timed(
        asked,
        arm,
        own.horizon,
        len(own.values),
        int(own.happened.sum()),
        curve.median,
        mean,
        error,
        max(low, 0.0),
        min(high, own.horizon),
        note=notes,
    )
    return found if own is base else _compared(found, own, base, notes)


def _compared(row: Timed, own: Times, base: Times, notes: str) -> Timed:
    """Add how an arm differs from the baseline."""
    alpha = row.asked.alpha
    apart = welch(own.values, base.values, alpha, (own.rounding, base.rounding))
    logs = [np.log(times.values) for times in (own, base)]
    factor = welch(logs[0], logs[1], alpha, (own.log_rounding, base.log_rounding))
    seed = seeded("convergence", row.asked.question, key(row.asked.place), str(row.arm))
    p, least = permutation_p(own.values, base.values, seed)
    direction = SOONER if apart.estimate < 0 else LATER
    few = min(len(own.values), len(base.values)) < 2
    blind = own.at_once.all() and base.at_once.all()
    if blind:  # these times are when runs were looked at
        apart, factor = (Welch(each.estimate, *[math.nan] * 4) for each in (apart, factor))
        p = least = math.nan
    if not (own.happened.any() or base.happened.any()):  # equal by the horizon, and by nothing else
        apart = factor = Welch(*[math.nan] * 5)
        p = least = math.nan
    said = [UNREPEATED if few else "", THERE_AT_ONCE if blind else "", _censored(own, base), notes]
    return replace(
        row,
        difference=apart.estimate,
        low=max(apart.low, -own.horizon),
        high=min(apart.high, own.horizon),
        df=apart.df,
        p=apart.p,
        ratio=math.exp(factor.estimate),
        ratio_low=math.exp(max(factor.low, -_FAR)),
        ratio_high=math.exp(min(factor.high, _FAR)),
        p_permutation=p,
        p_permutation_least=least,
        permutation=CANNOT if not least <= alpha else direction if p <= alpha else UNDECIDED,
        note="; ".join(filter(None, said)),
    )


def _censored(own: Times, base: Times) -> str:
    """Say how many runs of two arms count as the horizon; empty where none does."""
    there = np.concatenate([own.happened, base.happened])
    if not there.any():
        return NONE_REACHED
    lost = int((~there).sum())
    return f"{lost} of {len(there)} runs never reached the level by the horizon" if lost else ""
