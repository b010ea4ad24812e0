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
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.scored import cases_of
from transfergrid.runtime.progress import progress

if TYPE_CHECKING:
    import pandas as pd

BATCH = 16
"""Cells that share one set of draws; more of them would be no faster."""


COUNTED = "transfergrid.metrics.influence:influence_values"
"""The metric whose replicates are counted for many cells at once: the AUROC."""


@dataclass(frozen=True)
class Drawn:
    """A cell whose patients are drawn.

    Attributes:
        cell: Its name.
        place: Folder of its ensemble.
        score_tasks: Tasks that the mean is over; None for all.
        metric: Declaration of its primary metric.
    """

    cell: str
    place: Path
    score_tasks: tuple[str, ...] | None
    metric: Mapping[str, Any]


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
        The columns of its declaration, a row per scored cell under the primary selection.
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
        )
        for entry, place in zip(targets, places, strict=True)
        if (place / "test.parquet").exists()
    ]
    batches = [work[first : first + BATCH] for first in range(0, len(work), BATCH)]
    function = partial(bootstrap_rows, evaluation=study["evaluation"])
    mapped = gathering.over_cells(function, batches, workers, len(work))
    rows = progress((row for part in mapped for row in part), len(work), "bootstrap")
    return gathering.frame(study, "bootstrap", rows, ())


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
            row = _row(scorer, cases[i], points[model], values[:, model], evaluation)
            counts = {"n_studies": len(tables[i].study_id)}
            counts["n_patients"] = len(np.unique(tables[i].patient_id))
            rows[i] = {"cell": work[i].cell, **row, **counts}
    return [rows[i] for i in range(len(work))]


def _points(scorer: Scorer, one: Drawn) -> Mapping[str, float] | None:
    if scorer.estimator.operating_point is None:
        return None
    valid = read_ensemble(one.place / "valid.parquet")
    return scorer.points(cases_of(valid, one.score_tasks, scored_only=True))


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
    if scorer.declaration["function"] != COUNTED:
        return resampled(scorer, models, points, settings["replicates"], rng)
    stacked = np.stack([cases.probabilities[:, first.scored] for cases in models])
    labels = first.labels[:, first.scored]
    return bootstrap_macro(stacked, labels, first.patient, settings["replicates"], rng)


def _row(
    scorer: Scorer,
    cases: Cases,
    points: Mapping[str, float] | None,
    values: NDArray[np.float64],
    evaluation: Mapping[str, Any],
) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    alpha = 1 - evaluation["confidence"]
    delong = low, high = np.nan, np.nan
    se = np.nan
    if scorer.declaration["function"] == COUNTED:
        closed = scorer.influence(cases)
        delong = delong_interval(closed.estimate, float(np.sqrt((closed.values**2).sum())), alpha)
    if len(known) > 1:
        low, high = np.quantile(known, [alpha / 2, 1 - alpha / 2])
        se = float(known.std(ddof=1))
    given = ", operating points as on validation scores" if points else ""
    return {
        "selection": evaluation["primary"],
        "metric": scorer.name,
        "score": _value(scorer, cases, points),
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
    """Return what the replicates are of, computed as they are."""
    if points is not None:
        return scorer.values(cases, points)[0]
    whole, _ = scorer.estimator.overall(cases.probabilities[None], cases.labels, cases.scored)
    return float(whole[0])
