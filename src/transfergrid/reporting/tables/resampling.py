"""bootstrap.csv: other intervals of every cell under the primary selection."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.tables.bootstrap import BOOTSTRAP, bootstrap_rows
from transfergrid.reporting.tables.cells import score_tasks
from transfergrid.reporting.tables.pool import entries_of, map_many, processes
from transfergrid.runtime.progress import progress

BATCH = 16  # cells that share one set of draws; more of them would be no faster


def bootstrap(study: Mapping[str, Any], results: Path, workers: int) -> Mapping[str, pd.DataFrame]:
    """Return the table of intervals; see `bootstrap_table`."""
    return {"bootstrap": bootstrap_table(study, results, workers)}


def bootstrap_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return bootstrap.csv: a percentile interval of each macro AUROC, beside the closed form.

    Every cell draws the same patients, because each starts from the same seed.

    Args:
        study: The study's JSON.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        A row per scored cell under the primary selection.
    """
    entries = entries_of(study, "target")
    scored = {entry["dataset_id"]: score_tasks(entry, results) for entry in entries}
    primary = study["evaluation"]["primary"]
    places = [
        ensemble_directory(study["name"], entry["cell"], primary, results) for entry in entries
    ]
    work = [
        (entry["cell"], place / "test.parquet", scored[entry["dataset_id"]])
        for entry, place in zip(entries, places, strict=True)
        if (place / "test.parquet").exists()
    ]
    batches = [work[first : first + BATCH] for first in range(0, len(work), BATCH)]
    function = partial(bootstrap_rows, evaluation=study["evaluation"])
    mapped = map_many(function, batches, processes(workers, work))
    rows = list(progress((row for part in mapped for row in part), len(work), "bootstrap"))
    return pd.DataFrame(rows, columns=list(BOOTSTRAP))
