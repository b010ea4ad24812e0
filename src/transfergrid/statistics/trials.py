"""Whether an arm is better than the baseline over several trials: a `trials` question.

Trials differ in their seed and share their test patients. Published studies judge methods by the
spread of trials alone, which says nothing of other patients; both stand here side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import special

from transfergrid.catalog.axes import PLACE
from transfergrid.statistics.basis import Answered, Basis, Evidence, Question
from transfergrid.statistics.comparisons import arms_by_place, runs
from transfergrid.statistics.conditions import Arm, conditions
from transfergrid.statistics.contrasts import Contrast, Names, Runs, contrast_of_influences
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.places import Place, varying_axes, words
from transfergrid.statistics.scale import Scale
from transfergrid.statistics.timed import CANNOT
from transfergrid.statistics.two_samples import Welch, mean_interval, welch


@dataclass(frozen=True)
class Trial:
    """A row of trials.csv.

    Attributes:
        question: The question.
        place: What both arms share.
        dataset: The data set.
        arm: Value of the question's axis.
        scale: The metric.
        scores: Scores of the arm's trials.
        baseline: Scores of the baseline's.
        by_test: By `welch` and `paired` its difference, interval and p-value.
        correlation: Of the trials that share a seed; NaN with fewer than three.
        n_patients: Patients tested on; 0 where nothing could be compared.
        se_patient: Standard error from them.
        p_with_patients: p-value with the variance of patients and trials.
        given: What the intervals take as given.
        adjusted: p and p_with_patients by Holm's method.
        alpha: Level of the verdicts.
    """

    question: Question
    place: Place
    dataset: str
    arm: Any
    scale: Scale
    scores: Sequence[float]
    baseline: Sequence[float]
    by_test: Mapping[str, Welch]
    correlation: float
    n_patients: int
    se_patient: float
    p_with_patients: float
    given: str
    alpha: float
    adjusted: tuple[float, float] = field(default=(math.nan, math.nan))

    @property
    def tested(self) -> Welch:
        """What the test finds that the verdict rests on."""
        return self.by_test[self.question["test"]]

    def verdict(self, p: float, difference: float) -> str:
        """Return the verdict of an adjusted p-value; comparing NaN is False."""
        if math.isnan(p):
            return CANNOT
        if p < self.alpha:
            return "better" if self.scale.sign * difference > 0 else "worse"
        return "undecided"

    def columns(self) -> dict[str, Any]:
        """Return the row of trials.csv."""
        found = self.tested
        p, with_patients = self.adjusted
        own, base = (
            {f"mean{end}": float(np.mean(values)), f"sd{end}": _sd(values)}
            for values, end in ((self.scores, ""), (self.baseline, "_baseline"))
        )
        up = self.scale.sign * found.estimate > 0
        return {
            "question": self.question["name"],
            "dataset": self.dataset,
            "metric": self.scale.name,
            "axis": self.question["axis"],
            "arm": self.arm,
            "baseline": self.question["baseline"],
            "n": len(self.scores),
            "n_baseline": len(self.baseline),
            **own,
            **base,
            "difference": found.estimate,
            "low": found.low,
            "high": found.high,
            "df": found.df,
            "test": self.question["test"],
            "p_welch": self.by_test["welch"].p,
            "p_paired": self.by_test["paired"].p,
            "p_one_sided": found.p / 2 if up else 1 - found.p / 2,
            "p": found.p,
            "p_adjusted": p,
            "verdict": self.verdict(p, found.estimate),
            "correlation": self.correlation,
            "n_patients": self.n_patients,
            "se_trials": _error(found, self.alpha),
            "se_patient": self.se_patient,
            "p_with_patients": self.p_with_patients,
            "p_with_patients_adjusted": with_patients,
            "verdict_with_patients": self.verdict(with_patients, found.estimate),
            **{axis: self.place.get(axis, "") for axis in PLACE if axis != "dataset"},
            "conditional_on": self.given,
        }

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by."""
        axis, found = self.question["axis"], self.tested
        keys = {"kind": "trials", "axis": axis, "a": self.arm, "b": self.question["baseline"]}
        keys |= {**self.place, axis: self.arm, "metric": self.scale.name}
        label = f"{self.question['name']}: {self.arm} - {self.question['baseline']}"
        return Evidence(
            keys, label, found.estimate, found.low, found.high, "these test patients as given"
        )


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _error(found: Welch, alpha: float) -> float:
    """Return the standard error behind an interval."""
    return (found.high - found.low) / 2 / -float(special.stdtrit(found.df, alpha / 2))


def trials(question: Question, basis: Basis) -> Answered:
    """Compare the trials of each arm with those of the baseline, place by place.

    Args:
        question: A trials question.
        basis: What it is answered from.
    """
    baseline = question["baseline"]
    varying = varying_axes(basis.reader.targets)
    found: list[Trial] = []
    left_out: list[str] = []
    for place, arms in arms_by_place(question, basis.reader):
        told = f"{question['name']}: {words(place, varying) or 'the study'}"
        if baseline not in arms:
            left_out.append(f"{told} has no baseline {baseline}; it is left out.")
            continue
        for arm in (arm for arm in arms if arm != baseline):
            row = _trial(question, place, arm, (arms[arm], arms[baseline]), basis)
            if row is None:
                left_out.append(f"{told} has no trial with a result of {arm} and of {baseline}.")
            else:
                found.append(row)
    alone = holm([row.tested.p for row in found])
    both = holm([row.p_with_patients for row in found])
    rows = [
        replace(row, adjusted=(float(p), float(q)))
        for row, p, q in zip(found, alone, both, strict=True)
    ]
    return Answered(rows, left_out)


def _trial(
    question: Question, place: Place, arm: Any, arms: tuple[Arm, Arm], basis: Basis
) -> Trial | None:
    reader, metric = basis.reader, question["metric"]
    own, base = (_with_result(runs(one, reader, metric=metric)) for one in arms)
    if not own or not base:
        return None
    dataset = next(iter(arms[0].values()))["dataset"]
    scale = Scale.of(reader.metric_of(dataset, metric))
    scores, others = ([run.estimate for run in one.values()] for one in (own, base))
    shared = sorted(set(own) & set(base))
    apart = [own[seed].estimate - base[seed].estimate for seed in shared]
    values = [[one[seed].estimate for seed in shared] for one in (own, base)]
    varied = len(shared) > 2 and min(map(np.ptp, values)) > 0
    whole = _with_patients(question, dataset, arm, (own, base), scale, basis)
    given = conditions(arms, reader)
    return Trial(
        question=question,
        place=place,
        dataset=dataset,
        arm=arm,
        scale=scale,
        scores=scores,
        baseline=others,
        by_test={"welch": welch(scores, others, basis.alpha), "paired": paired(apart, basis.alpha)},
        correlation=float(np.asarray(np.corrcoef(values))[0, 1]) if varied else math.nan,
        n_patients=whole.n_patients if whole else 0,
        se_patient=whole.se_patient if whole else math.nan,
        p_with_patients=whole.p_difference if whole and whole.n_seeds > 1 else math.nan,
        given="; ".join((*given, *([scale.fixed] if scale.fixed else []))),
        alpha=basis.alpha,
    )


def _with_result(found: Runs) -> Runs:
    return {seed: run for seed, run in found.items() if not math.isnan(run.estimate)}


def _with_patients(
    question: Question,
    dataset: str,
    arm: Any,
    arms: tuple[Runs, Runs],
    scale: Scale,
    basis: Basis,
) -> Contrast | None:
    """Return the contrast of the same arms, which has the patients' variance."""
    names = Names("", question["name"], dataset, str(arm), str(question["baseline"]), scale)
    return contrast_of_influences([arms], names, 0, basis.alpha)[0]


def paired(differences: Sequence[float], alpha: float) -> Welch:
    """Compare two arms trial by trial, by Student's t of the differences.

    Args:
        differences: (n,) one arm minus the other, a value per seed that both have.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        Without an interval where there are fewer than two, or they are all the same.
    """
    values = np.asarray(differences, dtype=np.float64)
    estimate = float(values.mean()) if len(values) else math.nan
    low, high = mean_interval(values, alpha)
    if math.isnan(low):
        return Welch(estimate, math.nan, math.nan, math.nan, math.nan)
    df = len(values) - 1
    error = math.sqrt(float(values.var(ddof=1)) / len(values))
    p = 2 * float(special.stdtr(df, -abs(estimate) / error))
    return Welch(estimate, low, high, df, p)
