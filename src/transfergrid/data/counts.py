"""How much a data set holds, split by split: what its card counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.data.crossvalidation import truth
from transfergrid.data.folds import Folds
from transfergrid.data.manifest import Manifest
from transfergrid.data.store import SPLITS


def counts(rows: pd.DataFrame, tasks: Sequence[str]) -> dict[str, Any]:
    """Return how many images, studies and patients there are, and what their labels are by task."""
    labels = {task: rows[task].to_numpy() for task in tasks}
    return {
        "images": len(rows),
        "studies": int(rows["study_id"].nunique()),
        "patients": int(rows["patient_id"].nunique()),
        "positives": {task: int((y == 1).sum()) for task, y in labels.items()},
        "negatives": {task: int((y == 0).sum()) for task, y in labels.items()},
        "soft": {task: int(((y > 0) & (y < 1)).sum()) for task, y in labels.items()},
        "unknown": {task: int(np.isnan(y).sum()) for task, y in labels.items()},
    }


def counts_by_part(manifest: Manifest) -> dict[str, Any]:
    """Return the counts of each split, or part."""
    table = manifest.table
    return {
        part: counts(table.loc[table["split"] == part], manifest.tasks) for part in manifest.parts
    }


def counts_of_folds(manifest: Manifest, folds: Folds) -> dict[str, Any]:
    """Return what a card says of folds: their number, and the counts of parts and of each fold."""
    scored = manifest.table.copy()
    scored[list(manifest.tasks)] = truth(manifest)
    by_fold = [
        {
            split: counts(
                (manifest.table if split == "train" else scored).loc[folds.rows(split, fold)],
                manifest.tasks,
            )
            for split in SPLITS
        }
        for fold in range(folds.k)
    ]
    return {"folds": folds.k, "parts": counts_by_part(manifest), "by_fold": by_fold}
