"""A study's trainings as runs of MLflow, in an SQLite store, written by its own package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from transfergrid.commands.export_runs import Run, runs_of, scalars
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.atomic import replacing_directory

STORE = "mlflow.db"
_MOST = 100
"""Settings that are handed over at once, which MLflow limits."""


def write_mlflow(study: PlannedStudy, results: Path, folder: Path) -> int:
    """Write an experiment with a run for each training.

    Read it with ``mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db``. What an earlier
    export has left there is replaced.

    Returns:
        The number of trainings.

    Raises:
        UserError: A file is not what was written.
    """
    runs = list(runs_of(study, results))
    with replacing_directory(folder) as made:
        client = _client(made)
        place = f"{folder.absolute().as_uri()}/artifacts"
        experiment = client.create_experiment(study.name, place)
        for run in runs:
            _write(client, experiment, run)
    return len(runs)


def _client(folder: Path) -> Any:
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # MLflow would look for git
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{folder.absolute() / STORE}")


def _write(client: Any, experiment: str, run: Run) -> None:
    from mlflow.entities import Metric, Param

    made = client.create_run(experiment, start_time=0, run_name=run.cell)
    settings = [Param(name, str(value)) for name, value in run.settings.items()]
    course = [Metric(name, value, 0, step) for name, value, step in scalars(run)]
    course += [Metric(name, value, 0, 0) for name, value in run.results.items()]
    for start in range(0, max(len(settings), len(course)), _MOST):
        part = slice(start, start + _MOST)
        client.log_batch(made.info.run_id, metrics=course[part], params=settings[part])
    client.set_terminated(made.info.run_id, end_time=0)
