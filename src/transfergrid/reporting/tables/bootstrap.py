"""bootstrap.csv: a percentile interval of every cell's score, beside the closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.auroc import macro_auroc
from transfergrid.metrics.auroc_interval import delong_interval
from transfergrid.metrics.influence import macro_influence
from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.tables import gathering
from transfergrid.runtime.progress import progress

if TYPE_CHECKING:
    import pandas as pd

BATCH = 16
"""Cells that share one set of draws; more of them would be no faster."""


Work = tuple[str, Path, tuple[str, ...] | None]
"""A cell, the file of its test ensemble, and the tasks of its macro AUROC (None: all)."""


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return bootstrap.csv by its name; see `bootstrap_table`."""
    return {"bootstrap": bootstrap_table(study, results, workers)}


def bootstrap_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return bootstrap.csv: a percentile interval of each macro AUROC, beside the closed form.

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
        (entry["cell"], place / "test.parquet", gathering.score_tasks(cards[entry["dataset_id"]]))
        for entry, place in zip(targets, places, strict=True)
        if (place / "test.parquet").exists()
    ]
    batches = [work[first : first + BATCH] for first in range(0, len(work), BATCH)]
    function = partial(bootstrap_rows, evaluation=study["evaluation"])
    mapped = gathering.over_cells(function, batches, workers, len(work))
    rows = progress((row for part in mapped for row in part), len(work), "bootstrap")
    return gathering.frame(study, "bootstrap", rows, ())


def bootstrap_rows(work: Sequence[Work], evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return rows of bootstrap.csv; cells with the same patients and labels are drawn together.

    A row does not depend on what it is drawn with: every cell draws from the same seed.

    Args:
        work: The cells.
        evaluation: The study's settings of evaluation.
    """
    tables = [read_ensemble(path) for _, path, _ in work]
    columns = [
        [table.tasks.index(task) for task in tasks or table.tasks]
        for table, (_, _, tasks) in zip(tables, work, strict=True)
    ]
    together: dict[tuple[object, ...], list[int]] = {}
    for i, table in enumerate(tables):
        labels = table.labels[:, columns[i]]
        key = (labels.shape, labels.tobytes(), tuple(table.patient_id.tolist()))
        together.setdefault(key, []).append(i)
    rows: dict[int, dict[str, Any]] = {}
    for alike in together.values():
        values = _replicates(
            [tables[i].probabilities[:, columns[i]] for i in alike],
            tables[alike[0]].labels[:, columns[alike[0]]],
            tables[alike[0]].patient_id,
            evaluation["bootstrap"],
        )
        for model, i in enumerate(alike):
            rows[i] = _row(work[i][0], tables[i], columns[i], values[:, model], evaluation)
    return [rows[i] for i in range(len(work))]


def _replicates(
    scores: Sequence[NDArray[np.float64]],
    labels: NDArray[np.float32],
    patient_id: NDArray[np.str_],
    settings: Mapping[str, Any],
) -> NDArray[np.float64]:
    """Return (replicates, cells) macro AUROCs."""
    known = ~np.isnan(labels).all(axis=1)
    known |= not known.any()
    # A patient without a label adds nothing, and would only make the others' number uncertain.
    _, patient = np.unique(patient_id[known], return_inverse=True)
    rng = np.random.default_rng(settings["seed"])
    stacked = np.stack(scores)[:, known]
    return bootstrap_macro(stacked, labels[known], patient, settings["replicates"], rng)


def _row(
    cell: str,
    table: Ensemble,
    columns: Sequence[int],
    values: NDArray[np.float64],
    evaluation: Mapping[str, Any],
) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    low, high, se = np.nan, np.nan, np.nan
    alpha = 1 - evaluation["confidence"]
    closed = macro_influence(table.probabilities, table.labels, table.patient_id, columns)
    error = float(np.sqrt((closed.values**2).sum()))
    delong = delong_interval(closed.estimate, error, alpha)
    if len(known) > 1:
        low, high = np.quantile(known, [alpha / 2, 1 - alpha / 2])
        se = float(known.std(ddof=1))
    return {
        "cell": cell,
        "selection": evaluation["primary"],
        "metric": "auroc",
        "score": macro_auroc(table.probabilities, table.labels, columns),
        "low": low,
        "high": high,
        "se": se,
        "delong_low": delong[0],
        "delong_high": delong[1],
        "replicates": len(values),
        "n_undefined": len(values) - len(known),
        "n_studies": len(table.study_id),
        "n_patients": len(np.unique(table.patient_id)),
        "method": "percentile bootstrap, patients drawn with replacement",
    }
