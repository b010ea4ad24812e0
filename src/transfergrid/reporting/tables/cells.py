"""One cell's rows of the tables; numpy only, so that worker processes start fast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.summary import summarise
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.records import read_kept, read_train
from transfergrid.reporting.records import read_card

AXES = ("dataset", "architecture", "family", "pretraining", "truncation", "protocol", "seed")
COST = ("train_seconds", "images_per_second", "peak_memory_mb", "device")
MISSING = "missing"


@dataclass(frozen=True)
class CellTask:
    """What a worker needs for one cell's rows of cells.csv.

    Attributes:
        entry: The cell in the study's JSON.
        study: Name of the study.
        selections: Selection rules, a row for each.
        alpha: 1 minus the coverage of the intervals.
        score_tasks: Tasks of the macro AUROC, or None for all.
        results: Root of all outputs.
    """

    entry: Mapping[str, Any]
    study: str
    selections: tuple[str, ...]
    alpha: float
    score_tasks: tuple[str, ...] | None
    results: Path


def score_tasks(entry: Mapping[str, Any], results: Path) -> tuple[str, ...] | None:
    """Return the tasks of a cell's macro AUROC, as its card says; None means all."""
    card = read_card(entry, results)
    return None if card is None else tuple(card["score_tasks"])


def cell_rows(task: CellTask) -> list[dict[str, Any]]:
    """Return one row of cells.csv per selection, in the order of `CellTask.selections`.

    A cell that has not been trained or scored has status ``missing`` and no numbers.

    Raises:
        UserError: A file of the cell breaks its contract.
    """
    folder = cell_directory(task.entry["cell"], task.results)
    trained = read_train(folder)
    spec = json.loads(read_kept(folder, "spec.json")) if trained else {}
    head = {"cell": task.entry["cell"], **{axis: task.entry[axis] for axis in AXES}}
    data_flags = _data_flags(read_card(task.entry, task.results) or {})
    rows = []
    for selection in task.selections:
        place = ensemble_directory(task.study, task.entry["cell"], selection, task.results)
        scored = trained is not None and (place / "test.parquet").exists()
        row = {**head, "status": trained["status"] if scored and trained else MISSING}
        row |= {"input_size": spec.get("architecture", {}).get("input_px")}
        row |= {"selection": selection}
        row |= {key: (trained or {}).get(key) for key in ("micro_batch", *COST)}
        if scored:
            row |= _scores(task, place / "test.parquet")
            row["flags"] = ";".join(filter(None, [*data_flags, row["flags"]]))
        rows.append(row)
    return rows


def _data_flags(card: Mapping[str, Any]) -> list[str]:
    """Return what holds for every number on this data set."""
    flags = {
        "synthetic": bool(card.get("synthetic")),
        "patients_unknown": card.get("patients") == "unknown",
    }
    return [flag for flag, holds in flags.items() if holds]


def _scores(task: CellTask, path: Path) -> dict[str, Any]:
    table = read_ensemble(path)
    summary = summarise(
        table.probabilities,
        table.labels,
        table.patient_id,
        table.study_id,
        table.tasks,
        task.score_tasks or table.tasks,
        task.alpha,
    )
    return {**summary, "n_checkpoints": table.n_checkpoints, "n_images": table.n_images}
