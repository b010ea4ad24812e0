"""scores.csv: every metric of every cell, for each task and as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.grid import ALL
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import CellWork, cell_work
from transfergrid.reporting.tables.crossed import RunWork, pooled_score, run_work
from transfergrid.reporting.tables.mask_states import states_table
from transfergrid.reporting.tables.scored import Read, Scored, data_flags, score, told_of
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


def run_score_rows(work: RunWork, reading: Read | None = None) -> list[dict[str, Any]]:
    """Return the rows of a run: those of its cell, or its own and then those of its folds.

    Args:
        work: The run.
        reading: Reads an ensemble, by default a cell's own; it may give one of other films instead.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    rows: list[dict[str, Any]] = []
    folds: dict[str, list[dict[str, Any]]] = {fold: [] for fold in work.cells}
    for selection in work.first.selections:
        # Each ensemble is read once, and those of one selection are in memory together.
        read = cache(reading or read_ensemble)
        for fold, one in work.cells.items():
            folds[fold] += score_rows(one, selection, read)
        if work.run.crossed and work.scored(selection):
            rows += _pooled_rows(work, selection, read)
    return rows + [row for own in folds.values() for row in own]


def _pooled_rows(work: RunWork, selection: str, read: Read) -> Iterator[dict[str, Any]]:
    about = data_flags(read_card(work.first.entry, work.first.results) or {})
    for metric in work.first.metrics:
        found = pooled_score(work, selection, metric, read=read)
        same = {"cell": work.run.name, "fold": ALL, "selection": selection}
        same |= {"metric": metric["name"], "conditional_on": found.conditional_on}
        yield from ({**same, **row} for row in _rows(found, about))


def score_rows(work: CellWork, selection: str, read: Read = read_ensemble) -> list[dict[str, Any]]:
    """Return one cell's rows of scores.csv under one selection; none if it has no ensemble.

    Raises:
        UserError: A file of the cell breaks its contract.
    """
    place = work.ensemble(selection)
    if not (place / "test.parquet").exists():
        return []
    about = data_flags(read_card(work.entry, work.results) or {})
    head = {"cell": work.entry["cell"], "fold": gathering.fold_of(work.entry)}
    table, rows = read(place / "test.parquet"), []
    for metric in work.metrics:
        found = score(table, work.score_tasks, metric, work.alpha, place, read=read)
        same = {**head, "selection": selection, "metric": metric["name"]}
        same |= {"conditional_on": found.conditional_on}
        rows += [{**same, **row} for row in _rows(found, about)]
    return rows


def _rows(found: Scored, about: list[str]) -> Iterator[dict[str, Any]]:
    yield {"task": "", **told_of(found.whole, about), "n_folds": found.n_folds.get("")}
    for task, part in found.tasks.items():
        more = {"threshold": found.thresholds.get(task), "n_folds": found.n_folds.get(task)}
        yield {"task": task, **told_of(part, about), **more}
