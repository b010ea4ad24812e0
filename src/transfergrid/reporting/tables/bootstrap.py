"""bootstrap.csv: a percentile interval of every cell's score, beside the closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.resampling import resampled
from transfergrid.metrics.auroc_interval import delong_interval
from transfergrid.metrics.influence import Influence
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.grid import ALL
from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.scored import cases_of, operating_points
from transfergrid.runtime.progress import progress
from transfergrid.statistics.pooled import pool
from transfergrid.statistics.runs import runs_of

if TYPE_CHECKING:
    import pandas as pd

BATCH = 16
"""Cells that share one set of draws; more of them would be no faster."""


@dataclass(frozen=True)
class Drawn:
    """A cell whose patients are drawn.

    Attributes:
        cell: Its name.
        place: Folder of its ensemble.
        score_tasks: Tasks that the mean is over; None for all.
        metric: Declaration of its primary metric.
        fold: Its fold, or ``all``.
    """

    cell: str
    place: Path
    score_tasks: tuple[str, ...] | None
    metric: Mapping[str, Any]
    fold: str = ALL


@dataclass(frozen=True)
class DrawnRun:
    """A run whose patients are drawn.

    Attributes:
        name: Its name.
        folds: Its cells.
    """

    name: str
    folds: tuple[Drawn, ...]


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return bootstrap.csv by its name; see `bootstrap_table`."""
    return {"bootstrap": bootstrap_table(study, results, workers)}


def bootstrap_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return bootstrap.csv: a percentile interval of each score, beside the closed form.

    Every cell draws the same patients, because each starts from the same seed.

    Args:
        study: The stamp's content.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        The columns of its declaration, a row per scored cell under the primary selection, preceded
        by one per run over folds.
    """
    targets = gathering.entries(study, "target")
    cards = gathering.cards(targets, results)
    primary = study["evaluation"]["primary"]
    places = [
        ensemble_directory(study["name"], entry["cell"], primary, results) for entry in targets
    ]
    work = [
        Drawn(
            entry["cell"],
            place,
            gathering.score_tasks(cards[entry["dataset_id"]]),
            gathering.primary_metric(study, entry["dataset"]),
            gathering.fold_of(entry),
        )
        for entry, place in zip(targets, places, strict=True)
        if (place / "test.parquet").exists()
    ]
    batches = [work[first : first + BATCH] for first in range(0, len(work), BATCH)]
    function = partial(bootstrap_rows, evaluation=study["evaluation"])
    mapped = gathering.over_cells(function, batches, workers, len(work))
    rows = list(progress((row for part in mapped for row in part), len(work), "bootstrap"))
    runs = _runs(targets, work)
    pooled = partial(pooled_row, evaluation=study["evaluation"])
    folds = sum(len(run.folds) for run in runs)
    whole = progress(gathering.over_cells(pooled, runs, workers, folds), len(runs), "bootstrap")
    return gathering.frame(study, "bootstrap", [*whole, *rows], ())


def _runs(targets: Sequence[Mapping[str, Any]], work: Sequence[Drawn]) -> list[DrawnRun]:
    """Return the runs over folds all of whose cells have been scored."""
    there = {one.cell: one for one in work}
    return [
        DrawnRun(run.name, tuple(there[cell] for cell in run.cells.values()))
        for run in runs_of(targets).values()
        if run.crossed and not run.missing and all(c in there for c in run.cells.values())
    ]


def pooled_row(work: DrawnRun, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's row of bootstrap.csv: each fold draws its own patients.

    Args:
        work: The run, all folds of which have been scored.
        evaluation: The study's settings of evaluation.
    """
    one = work.folds[0]
    tables = [read_ensemble(own.place / "test.parquet") for own in work.folds]
    scorer = Scorer.of(one.metric)
    few = one.metric["per"] == "task"
    cases = [cases_of(table, one.score_tasks, scored_only=few) for table in tables]
    points = [_points(scorer, own) for own in work.folds]
    parts = [scorer.parts(own, point) for own, point in zip(cases, points, strict=True)]
    found = pool({str(number): part for number, part in enumerate(parts)})
    values = replicates_of_folds(scorer, cases, points, found.used, evaluation["bootstrap"])
    if any(own.diverged for own in cases):
        found, values = found.without_result(), np.full_like(values, np.nan)
    row = _row(scorer, found.influence.estimate, found.influence, values, evaluation)
    return row | {
        "cell": work.name,
        "fold": ALL,
        "n_studies": sum(len(table.study_id) for table in tables),
        "n_patients": sum(len(np.unique(table.patient_id)) for table in tables),
        "method": row["method"].replace("patients", "patients of each fold"),
    }


def replicates_of_folds(
    scorer: Scorer,
    folds: Sequence[Cases],
    points: Sequence[Mapping[str, float] | None],
    used: NDArray[np.bool_],
    settings: Mapping[str, Any],
) -> NDArray[np.float64]:
    """Return bootstrap replicates of the mean over tasks of the mean over folds.

    Each fold draws its own patients, as many as it has, the same ones for all tasks. A replicate in
    which a fold lacks a class leaves it out of that task's mean, as the estimate itself would.

    Args:
        scorer: The metric.
        folds: The cases of the F folds of one run.
        points: The operating points of each.
        used: (F, K) whether a fold is in the mean of a part: a scored task, or the whole.
        settings: ``replicates`` and ``seed``.

    Returns:
        (B,) float64; NaN where no fold has a value for a task.
    """
    total = np.zeros((used.shape[1], settings["replicates"]))
    count = np.zeros_like(total)
    for fold, (cases, point) in enumerate(zip(folds, points, strict=True)):
        own = {**settings, "seed": [settings["seed"], fold]}
        for part in np.flatnonzero(used[fold]):
            task = cases.score_tasks if scorer.per_case else (cases.tasks[cases.scored[part]],)
            values = _replicates(scorer, [replace(cases, score_tasks=task)], [point], own)[:, 0]
            total[part] += np.where(np.isnan(values), 0.0, values)
            count[part] += ~np.isnan(values)
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    found: NDArray[np.float64] = means.mean(axis=0)
    return found


def bootstrap_rows(work: Sequence[Drawn], evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return rows of bootstrap.csv; cells with the same patients and labels are drawn together.

    A row does not depend on what it is drawn with: every cell draws from the same seed.

    Args:
        work: The cells.
        evaluation: The study's settings of evaluation.
    """
    tables = [read_ensemble(one.place / "test.parquet") for one in work]
    # A metric of whole cases is over all classes.
    cases = [
        cases_of(table, one.score_tasks, scored_only=one.metric["per"] == "task")
        for table, one in zip(tables, work, strict=True)
    ]
    together: dict[tuple[object, ...], list[int]] = {}
    for i, (one, own) in enumerate(zip(work, cases, strict=True)):
        key = (one.metric["name"], own.labels.shape, own.labels.tobytes())
        together.setdefault((*key, tuple(own.patient_id.tolist())), []).append(i)
    rows: dict[int, dict[str, Any]] = {}
    for alike in together.values():
        scorer = Scorer.of(work[alike[0]].metric)
        points = [_points(scorer, work[i]) for i in alike]
        values = _replicates(scorer, [cases[i] for i in alike], points, evaluation["bootstrap"])
        for model, i in enumerate(alike):
            score, closed = _value(scorer, cases[i], points[model]), None
            if scorer.declaration["roc_area"]:
                closed = scorer.influence(cases[i])
            row = _row(scorer, score, closed, values[:, model], evaluation)
            counts = {"n_studies": len(tables[i].study_id)}
            counts["n_patients"] = len(np.unique(tables[i].patient_id))
            rows[i] = {"cell": work[i].cell, "fold": work[i].fold, **row, **counts}
    return [rows[i] for i in range(len(work))]


def _points(scorer: Scorer, one: Drawn) -> Mapping[str, float] | None:
    return operating_points(scorer, one.place, one.score_tasks, scored_only=True)


def _replicates(
    scorer: Scorer,
    models: Sequence[Cases],
    points: Sequence[Mapping[str, float] | None],
    settings: Mapping[str, Any],
) -> NDArray[np.float64]:
    """Return (replicates, cells) values."""
    known = ~np.isnan(models[0].labels).all(axis=1)
    known |= not known.any()
    # A patient without a label adds nothing, and would only make the others' number uncertain.
    models = [
        replace(
            cases,
            probabilities=cases.probabilities[known],
            labels=cases.labels[known],
            patient_id=cases.patient_id[known],
        )
        for cases in models
    ]
    rng, first = np.random.default_rng(settings["seed"]), models[0]
    if not scorer.declaration["roc_area"]:
        return resampled(scorer, models, points, settings["replicates"], rng)
    stacked = np.stack([cases.probabilities[:, first.scored] for cases in models])
    labels = first.labels[:, first.scored]
    return bootstrap_macro(stacked, labels, first.patient, settings["replicates"], rng)


def _row(
    scorer: Scorer,
    score: float,
    closed: Influence | None,
    values: NDArray[np.float64],
    evaluation: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what (B,) replicates of a score come to, and DeLong's interval beside it."""
    known = values[~np.isnan(values)]
    alpha = 1 - evaluation["confidence"]
    delong = low, high = np.nan, np.nan
    se = np.nan
    if closed is not None and scorer.declaration["roc_area"]:
        delong = delong_interval(closed.estimate, float(np.sqrt((closed.values**2).sum())), alpha)
    if len(known) > 1:
        low, high = np.quantile(known, [alpha / 2, 1 - alpha / 2])
        se = float(known.std(ddof=1))
    fixed = scorer.estimator.operating_point is not None
    given = ", operating points as on validation scores" if fixed else ""
    return {
        "selection": evaluation["primary"],
        "metric": scorer.name,
        "score": score,
        "low": low,
        "high": high,
        "se": se,
        "delong_low": delong[0],
        "delong_high": delong[1],
        "replicates": len(values),
        "n_undefined": len(values) - len(known),
        "method": f"percentile bootstrap, patients drawn with replacement{given}",
    }


def _value(scorer: Scorer, cases: Cases, points: Mapping[str, float] | None) -> float:
    """Return the value of which these are replicates, computed in the same way."""
    if points is not None:
        return scorer.values(cases, points)[0]
    whole, _ = scorer.estimator.overall(cases.probabilities[None], cases.labels, cases.scored)
    return float(whole[0])
