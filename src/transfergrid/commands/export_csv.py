"""A study's trainings as two CSV files: a row a training, and a row a validation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from transfergrid.commands.export_runs import runs_of
from transfergrid.planning.planned import PlannedStudy
from transfergrid.reporting.tables.files import write_table
from transfergrid.runtime.atomic import replacing_directory


def write_csv(study: PlannedStudy, results: Path, folder: Path) -> int:
    """Write ``runs.csv`` and ``history.csv``; return the number of trainings.

    Raises:
        UserError: A file is not what was written.
    """
    runs = list(runs_of(study, results))
    told = [{"cell": run.cell, **run.settings, **run.results} for run in runs]
    history = [{"cell": run.cell, **line} for run in runs for line in run.course]
    with replacing_directory(folder) as made:
        write_table(pd.DataFrame(told), made / "runs.csv")
        write_table(pd.DataFrame(history), made / "history.csv")
    return len(runs)
