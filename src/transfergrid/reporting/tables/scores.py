"""scores.csv: every metric of every cell, for each task and as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import cell_work
from transfergrid.reporting.tables.crossed import run_work
from transfergrid.reporting.tables.mask_states import states_table
from transfergrid.reporting.tables.score_rows import run_score_rows
from transfergrid.runtime.progress import progress

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("n", "n_pos", "n_patients", "n_folds")


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return scores.csv and mask_states.csv by their names; see `scores_table`."""
    return {
        "scores": scores_table(study, results, workers),
        "mask_states": states_table(study, results, workers),
    }


def scores_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return scores.csv: a row per cell, selection, metric and task.

    Args:
        study: The stamp's content (name, cells, evaluation, metrics).
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        The columns of its declaration; task is empty for the mean over the scored tasks, or for a
        metric that is one number over all classes. A cell that has not been scored has no row.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    work = cell_work(study, results)
    runs = run_work(work)
    mapped = gathering.over_cells(run_score_rows, runs, workers, len(work))
    rows = [row for part in progress(mapped, len(runs), "scores") for row in part]
    return gathering.frame(study, "scores", rows, WHOLE)
