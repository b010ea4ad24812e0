"""Rows of scores: every metric of a run's cells, for each task and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.grid import ALL
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import CellWork
from transfergrid.reporting.tables.crossed import RunWork, pooled_score
from transfergrid.reporting.tables.scored import Read, Scored, data_flags, score, told_of


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
