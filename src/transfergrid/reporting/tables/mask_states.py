"""mask_states.csv: how many test films are in each state of a true and a predicted mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.mask_record import MaskRecord
from transfergrid.metrics.overlap import State, StateCounts
from transfergrid.planning.grid import ALL
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import CellWork, cell_work
from transfergrid.reporting.tables.crossed import RunWork, run_work

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("n", "both", "missed", "false_alarm", "both_empty", "unknown")


def states_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return mask_states.csv: a row per cell, selection and structure of data sets with masks.

    The cells of a run over folds follow its own rows, which count all of its folds' films.

    Args:
        study: The stamp's content.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    work = cell_work(study, results)
    masked = [one for one in work if (read_card(one.entry, results) or {}).get("masks")]
    runs = run_work(masked)
    mapped = gathering.over_cells(run_state_rows, runs, workers, len(masked))
    return gathering.frame(study, "mask_states", [row for part in mapped for row in part], WHOLE)


def run_state_rows(work: RunWork) -> list[dict[str, Any]]:
    """Return the rows of a run: those of its cell, or its own and then those of its folds."""
    read = {
        fold: {name: table for name in one.selections if (table := _ensemble(one, name))}
        for fold, one in work.cells.items()
    }
    rows = []
    for selection in work.first.selections if work.run.crossed else ():
        if work.scored(selection):
            same = {"cell": work.run.name, "fold": ALL, "selection": selection}
            rows += _rows(same, [tables[selection] for tables in read.values()])
    for fold, tables in read.items():
        entry = work.cells[fold].entry
        head = {"cell": entry["cell"], "fold": gathering.fold_of(entry)}
        for selection, table in tables.items():
            rows += _rows({**head, "selection": selection}, [table])
    return rows


def _ensemble(work: CellWork, selection: str) -> Ensemble | None:
    file = work.ensemble(selection) / "test.parquet"
    return read_ensemble(file) if file.exists() else None


def _rows(same: Mapping[str, Any], tables: Sequence[Ensemble]) -> list[dict[str, Any]]:
    """Return the counts of every structure; a diverged cell has none."""
    if any(np.isnan(table.probabilities).any() for table in tables):
        return []
    rows = []
    for number, task in enumerate(tables[0].tasks):
        states = np.concatenate([_states(table, number) for table in tables])
        counts = StateCounts.of(states)
        found: dict[str, Any] = {name: getattr(counts, name) for name in WHOLE[1:]}
        found |= {"scored_at": tables[0].scored_at or "cache", "unit": tables[0].unit}
        rows.append({**same, "task": task, "n": len(states) - counts.unknown, **found})
    return rows


def _states(table: Ensemble, task: int) -> NDArray[np.int64]:
    states = MaskRecord.of(table.probabilities[:, task]).overlap.state
    return np.where(np.isnan(table.labels[:, task]), State.UNKNOWN, states)
