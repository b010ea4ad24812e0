"""Reliability of each pretraining's probabilities, from the stored ensembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.evaluation.calibration import calibration
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.paths import ensemble_directory

Cases = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]


def reliability_table(
    study: Mapping[str, Any],
    cells: pd.DataFrame,
    score_tasks: Mapping[str, Sequence[str]],
    results: Path,
) -> pd.DataFrame:
    """Return the reliability of each pretraining: one row a bin.

    Cases are pairs of a test study and a scored task, of every finished cell, pooled. A patient
    counts once in an interval, however many cells, studies and tasks it stands in.

    Args:
        study: The stamp's content.
        cells: Rows of cells.csv under the primary selection.
        score_tasks: By data set.
        results: Root of all outputs.

    Returns:
        dataset, pretraining, n_cells, n, n_patients, ece, brier, predicted, observed, low, high.
    """
    primary, confidence = study["evaluation"]["primary"], float(study["evaluation"]["confidence"])
    rows = []
    done = cells[cells["auroc"].notna()]
    for (dataset, pretraining), part in done.groupby(["dataset", "pretraining"], sort=False):
        folders = [
            ensemble_directory(study["name"], cell, primary, results) for cell in part["cell"]
        ]
        files = [file for folder in folders if (file := folder / "test.parquet").is_file()]
        pooled = [_cases(file, score_tasks.get(str(dataset))) for file in files]
        if not pooled:
            continue
        p, y, patient = (np.concatenate(values) for values in zip(*pooled, strict=True))
        found = calibration(p, y, patient, confidence=confidence)
        common: dict[str, Any] = {
            "dataset": dataset,
            "pretraining": pretraining,
            "n_cells": len(files),
        }
        common |= {"n": len(p), "n_patients": len(np.unique(patient))}
        common |= {"ece": found.ece, "brier": found.brier}
        for b in found.bins:
            bounds = {"observed": b.observed.estimate, "low": b.observed.low}
            rows.append({**common, "predicted": b.predicted, **bounds, "high": b.observed.high})
    return pd.DataFrame(rows)


def _cases(file: Path, tasks: Sequence[str] | None) -> Cases:
    ensemble = read_ensemble(file)
    columns = [i for i, task in enumerate(ensemble.tasks) if tasks is None or task in tasks]
    p = ensemble.probabilities[:, columns].ravel()
    y = ensemble.labels[:, columns].ravel().astype(np.float64)
    known = ~np.isnan(y) & ~np.isnan(p)
    return p[known], y[known], np.repeat(ensemble.patient_id, len(columns))[known]
