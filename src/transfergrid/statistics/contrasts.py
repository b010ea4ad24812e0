"""Paired contrasts between two sets of cells scored on the same patients, with their verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from transfergrid.metrics.influence import Influence
from transfergrid.runtime.errors import UserError, listed
from transfergrid.statistics.components import Difference, difference, tost
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.named import ONE_SEED, UNDECIDED
from transfergrid.statistics.paired import check_paired
from transfergrid.statistics.power import power_of, seeds_needed
from transfergrid.statistics.scale import Scale

EFFECT = 0.01
"""The difference at which power is stated if there is no margin."""

_ROUNDING = 1e-12
"""A standard error below this is rounding of equal numbers, not a spread."""

Runs = Mapping[int, Influence]
"""One cell without its seed: seed -> influence values of that run."""


@dataclass(frozen=True)
class Names:
    """The columns of a contrast that its numbers do not decide.

    Attributes:
        contrast: Name of the row.
        question: Name of the question; p-values are adjusted within it.
        dataset: Name of the data set.
        a: Name of the first arm.
        b: Name of the second arm, subtracted from the first.
        scale: The metric.
        conditional_on: What else the interval takes as given, such as "this file of weights".
    """

    contrast: str
    question: str
    dataset: str
    a: str
    b: str
    scale: Scale
    conditional_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contrast:
    """One row of tables/contrasts.csv; the difference is a minus b.

    Attributes:
        contrast: Name of the row.
        question: Name of the question.
        metric: Name of the metric.
        dataset: Name of the data set.
        a: Name of the first arm.
        b: Name of the second arm.
        n_cells: Pairs of cells (without their seeds) that the difference averages over.
        n_seeds: Seeds that both arms share.
        n_studies: Studies with a known label.
        n_patients: Their patients; one without a known label does not count.
        estimate: Mean difference of the metric.
        se_patient: Standard error from the sampling of patients, seeds as they are.
        se_seed: Standard error from the seeds, net of patients' noise; NaN with one seed.
        df: Degrees of freedom of the t distribution, of patients' classes and of arms' seeds.
        low: Lower bound of the two-sided interval, not adjusted for multiplicity.
        high: Upper bound.
        p_difference: p-value of no difference.
        p_difference_adjusted: The same by Holm's method within the question; NaN before `adjust`.
        p_equivalence: p-value of a difference of at least the margin; NaN without a margin.
        p_equivalence_adjusted: The same by Holm's method; NaN before `adjust`.
        method: Variance and test.
        margin: Largest difference that counts as equivalent; NaN if none was stated.
        verdict: "better" (a than b), "worse", "equivalent", "different within margin" or
            "undecided".
        verdict_rests_on: Name of the p-value, before its adjustment, that the verdict rests on;
            an undecided row names that of the question's own test, which is equivalence where
            there is a margin.
        power: Power of the test that `method` names, at the variance measured and before Holm's
            adjustment: to show equivalence within the margin if there is truly no difference;
            without a margin, to find a true difference of `effect`.
        seeds_needed: Seeds that would give 80 % power; infinity if none would, since patients'
            variance alone is too large; NaN with one seed.
        conditional_on: What the interval takes as given.
        seeds: The seeds used; not a column.
        sign: 1 if a higher metric is better, else -1; not a column.
    """

    contrast: str
    question: str
    metric: str
    dataset: str
    a: str
    b: str
    n_cells: int
    n_seeds: int
    n_studies: int
    n_patients: int
    estimate: float
    se_patient: float
    se_seed: float
    df: float
    low: float
    high: float
    p_difference: float
    p_difference_adjusted: float
    p_equivalence: float
    p_equivalence_adjusted: float
    method: str
    margin: float
    verdict: str
    verdict_rests_on: str
    power: float
    seeds_needed: float
    conditional_on: str
    seeds: tuple[int, ...]
    sign: int = 1

    @property
    def se(self) -> float:
        """The standard error of the interval, which may have been cut; NaN without one."""
        if math.isnan(self.low):
            return math.nan
        return math.hypot(self.se_patient, 0.0 if math.isnan(self.se_seed) else self.se_seed)

    def row(self) -> dict[str, str | int | float]:
        """Return the columns of tables/contrasts.csv in order."""
        return {name: getattr(self, name) for name in CONTRAST_COLUMNS}


CONTRAST_COLUMNS = tuple(
    field.name for field in fields(Contrast) if field.name not in ("seeds", "sign")
)
"""The columns of tables/contrasts.csv."""


def contrast_of_influences(
    pairs: Sequence[tuple[Runs, Runs]],
    names: Names,
    n_studies: int,
    alpha: float = 0.05,
    margin: float | None = None,
    effect: float = EFFECT,
) -> tuple[Contrast | None, list[str]]:
    """Contrast two arms, averaged over pairs of cells.

    With several pairs (all architectures, pretrained minus random) the metric and the patients'
    contributions are averaged over pairs within each seed, so the interval is about these pairs.
    Only seeds that every usable run of every pair has are used. A run whose estimate is NaN
    counts as missing; a pair without a common seed is left out and named.

    Args:
        pairs: The two runs-by-seed of each pair of cells, all on the same patients.
        names: Names for the row.
        n_studies: Studies behind each estimate.
        alpha: 1 minus the coverage, and the level of the verdict, in (0, 1).
        margin: Largest difference that counts as equivalent, > 0; `None` for a test of
            difference alone.
        effect: True difference at which the power is stated where there is no margin, > 0.

    Returns:
        The contrast, `None` if no pair has a common seed; and a sentence for each thing skipped.

    Raises:
        UserError: The patients differ between runs, or the margin is not positive.
    """
    if margin is not None and not margin > 0:
        raise UserError(f"The margin of {names.contrast!r} is {margin:g}; it must be above 0.")
    usable, seeds, skipped = _common(pairs, names)
    if not seeds:
        return None, skipped
    runs = [run for pair in usable for arm in pair for run in arm.values()]
    check_paired(runs, f"Contrast {names.contrast!r}")
    estimates_a, values_a = _arm([a for a, _ in usable], seeds)
    estimates_b, values_b = _arm([b for _, b in usable], seeds)
    # A run without a result does not know which folds the others leave out.
    groups = next(run for run in runs if not math.isnan(run.estimate)).groups
    result = difference(estimates_a, estimates_b, values_a, values_b, groups)
    row = _contrast(result, names, alpha, margin, effect)
    row = replace(row, n_cells=len(usable), n_seeds=len(seeds), seeds=tuple(seeds))
    n_patients = len(runs[0].patients) if groups is None else int((groups >= 0).sum())
    return replace(row, n_studies=n_studies, n_patients=n_patients), skipped


def adjust(contrasts: Sequence[Contrast], alpha: float = 0.05) -> list[Contrast]:
    """Adjust p-values by Holm's method within each question and give the final verdicts.

    "equivalent" needs a stated margin and an adjusted p of equivalence below alpha; where the
    interval excludes 0 nevertheless, it is "different within margin". Otherwise "better" or
    "worse" needs an adjusted p of no difference below alpha. Each kind of p is adjusted over the
    rows of the question that have one.

    Args:
        contrasts: Rows of any number of questions.
        alpha: Level of the verdict, in (0, 1).

    Returns:
        The rows in the same order.
    """
    rows = list(contrasts)
    for question in {row.question for row in rows}:
        own = [i for i, row in enumerate(rows) if row.question == question]
        apart = holm([rows[i].p_difference for i in own])
        alike = holm([rows[i].p_equivalence for i in own])
        for place, i in enumerate(own):
            row = replace(
                rows[i],
                p_difference_adjusted=float(apart[place]),
                p_equivalence_adjusted=float(alike[place]),
            )
            rows[i] = _judged(row, alpha)
    return rows


def _judged(row: Contrast, alpha: float) -> Contrast:
    """Return the row with the verdict of its adjusted p-values; comparing NaN is False."""
    rests_on = "p_difference" if math.isnan(row.margin) else "p_equivalence"
    verdict = UNDECIDED
    if row.p_equivalence_adjusted < alpha:
        apart = row.low > 0 or row.high < 0
        verdict = "different within margin" if apart else "equivalent"
    elif row.p_difference_adjusted < alpha:
        verdict, rests_on = ("better" if row.sign * row.estimate > 0 else "worse"), "p_difference"
    return replace(row, verdict=verdict, verdict_rests_on=rests_on)


def _common(
    pairs: Sequence[tuple[Runs, Runs]], names: Names
) -> tuple[list[tuple[Runs, Runs]], list[int], list[str]]:
    """Return the usable pairs, the seeds that all their runs share, and what was skipped."""
    usable: list[tuple[Runs, Runs]] = []
    shared: list[set[int]] = []
    wanted: set[int] = set()
    skipped: list[str] = []
    for number, pair in enumerate(pairs, start=1):
        valid = [{s for s, run in arm.items() if not math.isnan(run.estimate)} for arm in pair]
        wanted |= set(pair[0]) | set(pair[1])
        if valid[0] & valid[1]:
            usable.append(pair)
            shared.append(valid[0] & valid[1])
        else:
            skipped.append(
                f"{names.contrast}: pair {number} of {len(pairs)} has no seed with a result in "
                f"both {names.a} and {names.b}; it is left out."
            )
    seeds = sorted(set.intersection(*shared)) if shared else []
    if shared and not seeds:
        skipped.append(f"{names.contrast}: no seed has a result in every pair; there is no row.")
    elif not shared:
        skipped.append(f"{names.contrast}: no pair has a result; there is no row.")
    elif wanted - set(seeds):
        skipped.append(
            f"{names.contrast}: seeds {listed(sorted(wanted - set(seeds)))} lack a result in some "
            f"cell of {names.a} or {names.b}; only seeds {listed(seeds)} are used."
        )
    return usable, seeds, skipped


def _arm(
    cells: Sequence[Runs], seeds: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average over cells within each seed: (S,) estimates and (S, G) contributions."""
    estimates = np.array([[cell[seed].estimate for seed in seeds] for cell in cells])
    values = np.mean([[cell[seed].values for seed in seeds] for cell in cells], axis=0)
    return estimates.mean(axis=0), values


def _contrast(
    result: Difference, names: Names, alpha: float, margin: float | None, effect: float
) -> Contrast:
    se, df = result.se, result.df
    one_seed = math.isnan(result.variance_seed)
    low = high = p_difference = p_equivalence = power = needed = math.nan
    parts = "patient variance" if one_seed else "patient and seed variance, Satterthwaite"
    method = f"{parts}, paired t" if margin is None else f"{parts}, TOST"
    if se > _ROUNDING:
        arm = float(stats.t.isf(alpha / 2, df)) * se
        # With hardly any degrees of freedom the arm is astronomical, but a difference has bounds.
        width = names.scale.width
        low, high = max(result.estimate - arm, -width), min(result.estimate + arm, width)
        p_difference = float(2 * stats.t.sf(abs(result.estimate) / se, df))
        if margin is not None:
            p_equivalence = tost(result.estimate, se, df, margin)
        aim = (effect if margin is None else margin, margin is not None, alpha)
        power, needed = power_of(result, *aim), seeds_needed(result, *aim)
    else:
        method = "no variance to judge by"
    return Contrast(
        contrast=names.contrast,
        question=names.question,
        metric=names.scale.name,
        dataset=names.dataset,
        a=names.a,
        b=names.b,
        n_cells=1,
        n_seeds=0,
        n_studies=0,
        n_patients=0,
        estimate=result.estimate,
        se_patient=math.sqrt(result.variance_patient),
        se_seed=math.nan if one_seed else math.sqrt(result.variance_seed),
        df=df,
        low=low,
        high=high,
        p_difference=p_difference,
        p_difference_adjusted=math.nan,
        p_equivalence=p_equivalence,
        p_equivalence_adjusted=math.nan,
        method=method,
        margin=math.nan if margin is None else margin,
        verdict=UNDECIDED,
        verdict_rests_on="p_difference" if margin is None else "p_equivalence",
        power=power,
        seeds_needed=needed,
        conditional_on="; ".join(([ONE_SEED] if one_seed else []) + list(names.conditional_on)),
        seeds=(),
        sign=names.scale.sign,
    )
