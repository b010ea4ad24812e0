"""The test ensembles of a cell, and of a run's folds."""

from __future__ import annotations

from pathlib import Path

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.reporting.tables.cell_work import CellWork
from transfergrid.reporting.tables.crossed import RunWork
from transfergrid.reporting.tables.scored import Read


def tested_file(work: CellWork, selection: str) -> Path:
    """Return the file of a cell's ensemble on its test split."""
    return work.ensemble(selection) / "test.parquet"


def read_tests(run: RunWork, selection: str, read: Read = read_ensemble) -> dict[str, Ensemble]:
    """Return the test ensembles of a run by fold.

    Args:
        run: The run.
        selection: A rule that chose checkpoints.
        read: Reads an ensemble.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    return {fold: read(tested_file(one, selection)) for fold, one in run.cells.items()}
