"""scores.csv: every metric of every cell, for each task and as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables.cells import CellTask, score_tasks
from transfergrid.reporting.tables.pool import entries_of, map_many, processes
from transfergrid.runtime.progress import progress

GIVEN = "operating points from validation scores"
"""What the interval of a metric with a threshold takes as given."""
WHOLE = {"n": "Int64", "n_pos": "Int64", "n_patients": "Int64", "n_folds": "Int64"}


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return scores.csv: a row a cell, selection, metric and task; task is empty for the whole.

    Args:
        study: The stamp's content (name, cells, evaluation, metrics).
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    selections = tuple(study["evaluation"]["selections"])
    alpha = 1 - study["evaluation"]["confidence"]
    work = [
        (
            CellTask(entry, study["name"], selections, alpha, score_tasks(entry, results), results),
            _metrics(study, entry, results),
        )
        for entry in entries_of(study, "target")
    ]
    mapped = map_many(score_rows, work, processes(workers, work))
    rows = [row for part in progress(mapped, len(work), "scores") for row in part]
    table = pd.DataFrame(rows, columns=study["columns"]["scores"])
    return {"scores": table.astype(WHOLE)}


def _metrics(
    study: Mapping[str, Any], entry: Mapping[str, Any], results: Path
) -> list[Mapping[str, Any]]:
    kind = (read_card(entry, results) or {}).get("task_kind")
    names = dict.fromkeys([study["primary_metric"][entry["dataset"]], *study["extra_metrics"]])
    found = (study["metrics"][name] for name in names)
    return [metric for metric in found if kind in metric["task_kinds"]]


def score_rows(work: tuple[CellTask, list[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return one cell's rows; none where it has not been scored."""
    task, metrics = work
    fold = task.entry.get("fold")
    head = {"cell": task.entry["cell"], "fold": "all" if fold is None else str(fold)}
    found = []
    for selection in task.selections:
        place = ensemble_directory(task.study, task.entry["cell"], selection, task.results)
        if not (place / "test.parquet").exists():
            continue
        test = _cases(read_ensemble(place / "test.parquet"), task)
        for metric in metrics:
            scorer, points, given = Scorer.of(metric), None, ""
            if metric["operating_point"]:
                points = scorer.points(_cases(read_ensemble(place / "valid.parquet"), task))
                given = GIVEN
            for row in scorer.rows(test, points, task.alpha):
                numbers = {**vars(row), "flags": ";".join(row.flags)}
                found.append({**head, **numbers, "selection": selection, "conditional_on": given})
    return found


def _cases(table: Ensemble, task: CellTask) -> Cases:
    return Cases(
        table.probabilities,
        table.labels,
        table.patient_id,
        table.tasks,
        task.score_tasks or table.tasks,
    )
