"""The same questions answered in other ways. Nothing here feeds a verdict or a claim."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.influence import delong_covariance
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.comparisons import Compared, runs
from transfergrid.statistics.contrasts import Contrast, Names, contrast_of_influences
from transfergrid.statistics.correlation import weighted_rank_correlations
from transfergrid.statistics.kinship import numbered
from transfergrid.statistics.places import key, words
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.relations import Related
from transfergrid.statistics.replicates import percentile_interval, percentile_p, two_level
from transfergrid.statistics.resampled import corrected_resampled_t, differences_by_fold

NOTE = "sensitivity analysis: p is not adjusted, and no claim rests on it"

LEAST = 8
"""Percentiles of draws of fewer seeds or families are too narrow (docs/statistics.md)."""


@dataclass(frozen=True)
class Sensitivity:
    """One row of tables/sensitivity.csv.

    Attributes:
        subject: The contrast, or the two quantities of a correlation.
        question: Name of the question.
        dataset: Name of the data set.
        analysis: What differs from the primary analysis.
        task: The one task that is compared; empty for the mean over tasks.
        n: Seeds of a contrast, networks of a correlation.
        estimate: Difference of the metric, or rho.
        se: Its standard error; NaN where the method has none.
        low: Lower bound.
        high: Upper bound.
        p: Two-sided p-value of no difference; NaN where the method has none.
        method: How.
        metric: Name of the metric.
        note: What it is good for.
    """

    subject: str
    question: str
    dataset: str
    analysis: str
    task: str
    n: int
    estimate: float
    se: float
    low: float
    high: float
    p: float
    method: str
    metric: str
    note: str = NOTE


def contrast_otherwise(one: Compared, reader: Reader, alpha: float) -> Iterator[Sensitivity]:
    """Yield a contrast as other analyses find it.

    A two-level bootstrap of patients and seeds, every other selection of checkpoints, Nadeau and
    Bengio's test over folds, and task by task: of AUROCs, for one pair of networks, DeLong's test;
    of other metrics the paired t of the primary analysis.

    Args:
        one: The contrast.
        reader: Reads its cells.
        alpha: 1 minus the coverage of the intervals.
    """
    yield _two_level(one, reader, alpha)
    yield from _selections(one, reader, alpha)
    yield from _folds(one, reader, alpha)
    if not _names(one, reader).scale.roc_area:
        yield from _tasks(one, reader, alpha)
    elif len(one.pairs) == 1:
        yield from _delong(one, reader, alpha)


def correlation_otherwise(one: Related, reader: Reader, alpha: float) -> Iterator[Sensitivity]:
    """Yield a correlation with a bootstrap of families of networks and of patients.

    Args:
        one: The correlation.
        reader: Reads its cells.
        alpha: 1 minus the coverage of the intervals.
    """
    if one.row.n >= 4:
        yield _networks(one, alpha)


def _row(contrast: Contrast, **told: Any) -> Sensitivity:
    """Return a row about a contrast; `told` are the columns that the contrast does not decide."""
    return Sensitivity(
        subject=contrast.contrast,
        question=contrast.question,
        dataset=contrast.dataset,
        metric=contrast.metric,
        **told,
    )


def _two_level(one: Compared, reader: Reader, alpha: float) -> Sensitivity:
    row = one.row
    rng = np.random.default_rng(seeded("two-level", row.question, one.key))
    drawn = two_level(*one.arms(reader), rng)
    low, high = percentile_interval(drawn, alpha)
    p, how = percentile_p(drawn), f"{len(drawn)} draws of patients (linearised) and seeds"
    if row.n_seeds < LEAST:
        low = high = p = math.nan
        how += f"; no interval from fewer than {LEAST} seeds"
    return _row(
        row,
        analysis="two-level bootstrap",
        task="",
        n=row.n_seeds,
        estimate=row.estimate,
        se=float(drawn.std(ddof=1)),
        low=low,
        high=high,
        p=p,
        method=f"{how}, percentiles",
    )


def _selections(one: Compared, reader: Reader, alpha: float) -> Iterator[Sensitivity]:
    row = one.row
    for selection in reader.study["evaluation"]["selections"]:
        if selection == reader.primary:
            continue
        pairs = [
            (runs(a, reader, selection, row.metric), runs(b, reader, selection, row.metric))
            for a, b in one.pairs
        ]
        other, _ = contrast_of_influences(pairs, _names(one, reader), row.n_studies, alpha)
        if other is not None:
            yield _row(
                row,
                analysis=f"selection {selection}",
                task="",
                n=other.n_seeds,
                estimate=other.estimate,
                se=other.se,
                low=other.low,
                high=other.high,
                p=other.p_difference,
                method=other.method,
            )


def _names(one: Compared, reader: Reader) -> Names:
    row = one.row
    run = one.pairs[0][0][row.seeds[0]]["cell"]
    scale = reader.scale(run, row.metric)
    return Names(row.contrast, row.question, row.dataset, row.a, row.b, scale)


def _folds(one: Compared, reader: Reader, alpha: float) -> Iterator[Sensitivity]:
    """Yield Nadeau and Bengio's test over folds, where there are two or more."""
    row = one.row
    names = [arm[seed]["cell"] for pair in one.pairs for arm in pair for seed in row.seeds]
    if not reader.runs[names[0]].crossed:
        return
    by_fold = differences_by_fold(one, reader)
    if len(by_fold) < 2:  # a slice may have one
        return
    # The arm that trains on fewer patients has the larger ratio, and the wider interval.
    ratio = max(reader.tested_over_trained(name) for name in names)
    found = corrected_resampled_t(by_fold, ratio, alpha)
    units = "patients" if reader.card(names[0])["patients"] == "known" else "studies"
    yield _row(
        row,
        analysis="Nadeau-Bengio",
        task="",
        n=row.n_seeds,
        estimate=found.estimate,
        se=found.se,
        low=found.low,
        high=found.high,
        p=found.p,
        method=f"corrected resampled t over {len(by_fold)} folds, seeds averaged, "
        f"test/train {ratio:.3g} by {units}",
    )


def _tasks(one: Compared, reader: Reader, alpha: float) -> Iterator[Sensitivity]:
    """Yield a row for each scored task, from the same contributions as the mean over tasks."""
    row, names = one.row, _names(one, reader)
    by_run = {
        arm[seed]["cell"]: reader.by_task(arm[seed]["cell"], row.metric)
        for pair in one.pairs
        for arm in pair
        for seed in row.seeds
    }
    for task in next(iter(by_run.values())):
        pairs = [
            tuple({seed: by_run[arm[seed]["cell"]][task] for seed in row.seeds} for arm in pair)
            for pair in one.pairs
        ]
        found, _ = contrast_of_influences(pairs, names, row.n_studies, alpha)  # type: ignore[arg-type]
        if found is None or math.isnan(found.low):
            continue
        yield _row(
            row,
            analysis="by task",
            task=task,
            n=found.n_seeds,
            estimate=found.estimate,
            se=found.se,
            low=found.low,
            high=found.high,
            p=found.p_difference,
            method=found.method,
        )


def _delong(one: Compared, reader: Reader, alpha: float) -> Iterator[Sensitivity]:
    """Yield a row for each scored task: DeLong's covariance, every study a patient.

    Scores are ranked within a fold; folds are averaged, those that lack a class left out.
    """
    row, (arms,) = one.row, one.pairs
    names = [arm[seed]["cell"] for arm in arms for seed in row.seeds]
    runs = [list(reader.ensembles(name).values()) for name in names]
    first, seeds = runs[0][0], len(row.seeds)
    weights = np.repeat([1 / seeds, -1 / seeds], seeds)
    for task in reader.score_tasks(names[0], first):
        found = [_delong_of_fold(fold, task, weights) for fold in zip(*runs, strict=True)]
        known = [pair for pair in found if not math.isnan(pair[1])]
        variance = sum(pair[1] for pair in known) / (len(known) or 1) ** 2
        if not variance > 0:
            continue
        estimate, se = sum(pair[0] for pair in known) / len(known), math.sqrt(variance)
        arm = float(stats.norm.isf(alpha / 2)) * se
        yield _row(
            row,
            analysis="DeLong",
            task=first.tasks[task],
            n=seeds,
            estimate=estimate,
            se=se,
            low=estimate - arm,
            high=estimate + arm,
            p=float(2 * stats.norm.sf(abs(estimate) / se)),
            method="DeLong, studies as independent, conditional on these seeds",
        )


def _delong_of_fold(
    runs: Sequence[Ensemble], task: int, weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Return a weighted sum of AUROCs on the same studies, and its variance."""
    scores = np.stack([ensemble.probabilities[:, task] for ensemble in runs])
    areas, covariance = delong_covariance(scores, runs[0].labels[:, task])
    return float(weights @ areas), float(weights @ covariance @ weights)


def _networks(one: Related, alpha: float) -> Sensitivity:
    row = one.row
    replicates = one.replicates.shape[1]
    # Draws are seeded with the metric, where y is its value.
    y = one.metric if row.y == "score" else row.y
    rng = np.random.default_rng(seeded("networks", row.question, f"{y} ({key(one.place)})"))
    families = numbered(one.families)
    if not families.any():
        families = np.arange(row.n)  # one family speaks of its own members
    count = int(families.max()) + 1
    times = rng.multinomial(count, np.full(count, 1 / count), size=replicates).T
    drawn = weighted_rank_correlations(one.x, one.replicates, times[families])
    low, high = percentile_interval(drawn, alpha)
    how = f"{replicates} draws of {count} families of networks and of patients (linearised)"
    if count < LEAST:
        low = high = math.nan
        how += f"; no interval from fewer than {LEAST} families"
    return Sensitivity(
        subject=f"{row.x} and {row.y}: {words(one.place)}",
        question=row.question,
        dataset=str(one.place["dataset"]),
        analysis="two-level bootstrap",
        task="",
        n=row.n,
        estimate=row.rho,
        se=float(np.nanstd(drawn, ddof=1)),
        low=low,
        high=high,
        p=math.nan,
        method=f"{how}, percentiles",
        metric=one.metric,
    )
