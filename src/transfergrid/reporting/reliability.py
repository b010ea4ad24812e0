"""calibration.csv: reliability of each pretraining's probabilities, from the stored ensembles."""

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
from transfergrid.reporting.records import read_cards

COLUMNS = (
    "dataset",
    "pretraining",
    "selection",
    "n_cells",
    "n_studies",
    "n_patients",
    "n_cases",
    "ece",
    "brier",
    "bin",
    "n",
    "predicted",
    "observed",
    "low",
    "high",
)

Cases = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]


def calibration_table(study: Mapping[str, Any], cells: pd.DataFrame, results: Path) -> pd.DataFrame:
    """Return calibration.csv: the reliability of each pretraining, one row a bin.

    Cases are pairs of a test study and a scored task, of every finished cell, pooled. A patient
    counts once in an interval, however many cells, studies and tasks it stands in.

    Args:
        study: The stamp's content.
        cells: Rows of cells.csv.
        results: Root of all outputs.

    Returns:
        `COLUMNS`, for the cells that have an AUROC.
    """
    primary, confidence = study["evaluation"]["primary"], float(study["evaluation"]["confidence"])
    cards = read_cards(study, results)
    rows = []
    done = cells[cells["auroc"].notna() & (cells["selection"] == primary)]
    for (dataset, pretraining), part in done.groupby(["dataset", "pretraining"], sort=False):
        folders = [
            ensemble_directory(study["name"], cell, primary, results) for cell in part["cell"]
        ]
        files = [file for folder in folders if (file := folder / "test.parquet").is_file()]
        tasks = cards[str(dataset)]["score_tasks"] if str(dataset) in cards else None
        pooled = [_cases(file, tasks) for file in files]
        if not pooled:
            continue
        p, y, patient = (np.concatenate(values) for values in zip(*pooled, strict=True))
        found = calibration(p, y, patient, confidence=confidence)
        common: dict[str, Any] = {
            "dataset": dataset,
            "pretraining": pretraining,
            "selection": primary,
            "n_cells": len(files),
            "n_studies": int(part["n_studies"].max()),
        }
        common |= {"n_patients": len(np.unique(patient)), "n_cases": len(p)}
        common |= {"ece": found.ece, "brier": found.brier}
        for number, b in enumerate(found.bins, start=1):
            bounds = {"low": b.observed.low, "high": b.observed.high}
            where = {"bin": number, "n": b.observed.n, "predicted": b.predicted}
            rows.append({**common, **where, "observed": b.observed.estimate, **bounds})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _cases(file: Path, tasks: Sequence[str] | None) -> Cases:
    ensemble = read_ensemble(file)
    columns = [i for i, task in enumerate(ensemble.tasks) if tasks is None or task in tasks]
    p = ensemble.probabilities[:, columns].ravel()
    y = ensemble.labels[:, columns].ravel().astype(np.float64)
    known = ~np.isnan(y) & ~np.isnan(p)
    return p[known], y[known], np.repeat(ensemble.patient_id, len(columns))[known]
