"""The best that the runs of two arms reach within a budget of steps: a row of budgets.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from transfergrid.statistics.curves import Curve
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.named import CANNOT, UNDECIDED
from transfergrid.statistics.timed import UNREPEATED, Asked, where
from transfergrid.statistics.two_samples import mean_interval, welch

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Budgets where a question names none, as shares of the shortest run that its epochs ended."""


@dataclass(frozen=True)
class Budgeted:
    """A row of budgets.csv: an arm at a budget, and how it differs from the baseline.

    Attributes:
        asked: What it is about.
        arm: Value of the question's axis.
        budget: Optimiser steps.
        n_runs: Runs that were validated within the budget, one a seed.
        n_ended: Those among them that had ended before; what they reached stays as it was.
        value: Mean of the best validation values within the budget.
        sd: Their standard deviation; NaN of a single run.
        value_low: Lower bound of the mean, by Student's t over the runs.
        value_high: Upper bound.
        difference: Value minus the baseline's; NaN in the baseline's own row, as are `low` to `p`.
        low: Lower bound, by Welch's t.
        high: Upper bound.
        df: Its degrees of freedom.
        p: p-value of no difference.
        note: What limits the answer.
        p_adjusted: p by Holm's method within the question; NaN before.
        verdict: "better", "worse", "undecided" or "cannot be decided"; empty in the baseline's row.
    """

    asked: Asked
    arm: Any
    budget: int
    n_runs: int
    n_ended: int
    value: float
    sd: float
    value_low: float
    value_high: float
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    df: float = math.nan
    p: float = math.nan
    note: str = ""
    p_adjusted: float = math.nan
    verdict: str = ""

    def columns(self) -> dict[str, Any]:
        """Return the row of budgets.csv."""
        place = where(self.asked, self.arm)
        del place["level"]
        return place | {one.name: getattr(self, one.name) for one in fields(self)[2:]}


def usual_budgets(curves: Sequence[Curve]) -> list[int]:
    """Return budgets that follow from how long runs are: shares of the shortest.

    Runs that ended of themselves do not count unless all of them did.
    """
    lengths = [curve.steps[-1] for curve in curves if len(curve.steps) and not curve.gave_up]
    lengths = lengths or [curve.steps[-1] for curve in curves if len(curve.steps)]
    if not lengths:
        return []
    return sorted({math.ceil(share * min(lengths)) for share in SHARES})


def budgeted(
    asked: Asked, arms: Mapping[Any, Sequence[Curve]], budgets: Sequence[int], sign: int
) -> list[Budgeted]:
    """Return the rows of one place: budget by budget, the baseline's first.

    An arm of which no run was validated within a budget has no row there.

    Args:
        asked: What they are about.
        arms: By arm the curves of its runs.
        budgets: In steps.
        sign: 1 where higher is better, -1 where lower is.
    """
    rows = []
    order = sorted(arms, key=lambda arm: arm != asked.baseline)
    for budget in budgets:
        best = {arm: _best(arms[arm], budget, sign) for arm in order}
        for arm, values in best.items():
            if not len(values):
                continue
            ended = sum(len(c.steps) > 0 and c.steps[-1] < budget for c in arms[arm])
            low, high = mean_interval(values, asked.alpha)
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
            mean = float(np.mean(values))
            row = Budgeted(asked, arm, budget, len(values), ended, mean, sd, low, high)
            base = best[asked.baseline]
            rows.append(
                row if arm == asked.baseline or not len(base) else _compared(row, values, base)
            )
    return rows


def _best(curves: Sequence[Curve], budget: int, sign: int) -> list[float]:
    found = [curve.best(budget, sign) for curve in curves]
    return [value for value in found if not math.isnan(value)]


def _compared(row: Budgeted, own: Sequence[float], base: Sequence[float]) -> Budgeted:
    apart = welch(own, base, row.asked.alpha)
    return replace(
        row,
        difference=apart.estimate,
        low=apart.low,
        high=apart.high,
        df=apart.df,
        p=apart.p,
        note=UNREPEATED if min(len(own), len(base)) < 2 else "",
    )


def adjusted(rows: Sequence[Budgeted], signs: Mapping[str, int]) -> list[Budgeted]:
    """Return the rows of one question with adjusted p-values and verdicts.

    Args:
        rows: The rows.
        signs: By metric, 1 where higher is better and -1 where lower is.
    """
    found = []
    for row, p in zip(rows, holm([row.p for row in rows]).tolist(), strict=True):
        up = signs[row.asked.metric] * row.difference > 0
        verdict = ("better" if up else "worse") if p <= row.asked.alpha else UNDECIDED
        verdict = CANNOT if math.isnan(p) else verdict
        own = row.arm == row.asked.baseline
        found.append(replace(row, p_adjusted=p, verdict="" if own else verdict))
    return found
