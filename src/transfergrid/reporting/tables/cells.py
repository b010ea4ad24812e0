"""One cell's rows of the tables; numpy only, so that worker processes start fast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.combine import study_index, study_labels
from transfergrid.evaluation.ensemble import choose_checkpoints, read_ensemble, study_probabilities
from transfergrid.evaluation.scores import read_cell_scores
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


def source_row(entry: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """Return a source cell's row of sources.csv: whether it learned its own task.

    The checkpoint is the best by validation score. Accuracy is the share of studies whose class
    of largest probability is right; for several labels, the mean over tasks of the share on the
    right side of one half. Chance is the same for the commonest class.

    Args:
        entry: The cell in the study's JSON.
        results: Root of all outputs.
    """
    axes = ("cell", "dataset", "architecture", "pretraining", "protocol", "seed")
    row: dict[str, Any] = {axis: entry[axis] for axis in axes}
    folder = cell_directory(entry["cell"], results)
    trained = read_train(folder)
    if trained is None or not (folder / "scores" / "valid.npz").exists():
        return {**row, "status": MISSING}
    row["status"] = trained["status"]
    scores = read_cell_scores(folder, "valid")
    index, studies = study_index(scores.study_id)
    labels = study_labels(scores.labels, index)
    row |= {"chance_accuracy": chance(labels, scores.task_kind), "n_valid": len(studies)}
    best = choose_checkpoints("best", scores)
    if best.shape[1] == 0:
        return row
    checkpoint = int(best[0, 0])
    row["valid_auroc"] = float(scores.valid_score[checkpoint])
    prob = study_probabilities(replace(scores, logits=scores.logits[[checkpoint]]))[0]
    row["valid_accuracy"] = accuracy(prob, labels, scores.task_kind)
    return row


def accuracy(prob: NDArray[np.float64], labels: NDArray[np.float32], task_kind: str) -> float:
    """Return the accuracy of probabilities (S, T) against labels (S, T); NaN labels are left out.

    Returns:
        A share in [0, 1], or NaN without a known label.
    """
    if task_kind == "multiclass":
        known = ~np.isnan(labels).any(axis=1)
        right = prob[known].argmax(axis=1) == labels[known].argmax(axis=1)
        return float(right.mean()) if known.any() else float("nan")
    known = ~np.isnan(labels)
    right = ((prob > 0.5) == (labels == 1)) & known
    return _mean_share(right.sum(axis=0), known.sum(axis=0))


def chance(labels: NDArray[np.float32], task_kind: str) -> float:
    """Return the accuracy of always answering the commonest class, in [0, 1] or NaN."""
    if task_kind == "multiclass":
        known = labels[~np.isnan(labels).any(axis=1)]
        return float(known.mean(axis=0, dtype=np.float64).max()) if len(known) else float("nan")
    known = (~np.isnan(labels)).sum(axis=0)
    positive = np.nansum(labels, axis=0)
    return _mean_share(np.maximum(positive, known - positive), known)


def _mean_share(part: NDArray, whole: NDArray) -> float:
    shares = part[whole > 0] / whole[whole > 0]
    return float(shares.mean()) if len(shares) else float("nan")
