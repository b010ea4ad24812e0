"""One cell's row of bootstrap.csv; numpy only, so that worker processes start fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transfergrid.evaluation.auroc import macro_auroc
from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble

BOOTSTRAP = (
    "cell",
    "selection",
    "auroc",
    "low",
    "high",
    "se",
    "replicates",
    "n_undefined",
    "n_studies",
    "n_patients",
    "method",
)


def bootstrap_row(
    work: tuple[str, Path, tuple[str, ...] | None], evaluation: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a cell's row of bootstrap.csv.

    Args:
        work: The cell, the file of its test ensemble, and the tasks of its macro AUROC (None: all).
        evaluation: The study's settings of evaluation.
    """
    cell, path, score_tasks = work
    table = read_ensemble(path)
    replicates = evaluation["bootstrap"]["replicates"]
    alpha = 1 - evaluation["confidence"]
    values = _replicates(table, score_tasks or table.tasks, evaluation["bootstrap"])
    known = values[~np.isnan(values)]
    low, high, se = np.nan, np.nan, np.nan
    if len(known) > 1:
        low, high = np.quantile(known, [alpha / 2, 1 - alpha / 2])
        se = float(known.std(ddof=1))
    return {
        "cell": cell,
        "selection": evaluation["primary"],
        "auroc": _macro(table, score_tasks or table.tasks),
        "low": low,
        "high": high,
        "se": se,
        "replicates": replicates,
        "n_undefined": len(values) - len(known),
        "n_studies": len(table.study_id),
        "n_patients": len(np.unique(table.patient_id)),
        "method": "percentile bootstrap, patients drawn with replacement",
    }


def _columns(table: Ensemble, tasks: Sequence[str]) -> list[int]:
    return [table.tasks.index(task) for task in tasks]


def _macro(table: Ensemble, tasks: Sequence[str]) -> float:
    return macro_auroc(table.probabilities, table.labels, _columns(table, tasks))


def _replicates(table: Ensemble, tasks: Sequence[str], settings: Mapping[str, Any]) -> np.ndarray:
    columns = _columns(table, tasks)
    _, patient = np.unique(table.patient_id, return_inverse=True)
    return bootstrap_macro(
        table.probabilities[None, :, columns],
        table.labels[:, columns],
        patient,
        settings["replicates"],
        np.random.default_rng(settings["seed"]),
    )[:, 0]
