"""From the scores of all checkpoints to one probability per study and task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from transfergrid.evaluation.auroc import auroc
from transfergrid.evaluation.combine import (
    combine_views,
    probabilities,
    study_index,
    study_labels,
)
from transfergrid.evaluation.scores import Scores, patient_of_study
from transfergrid.evaluation.selection import select
from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.errors import UserError, listed


@dataclass(frozen=True)
class Ensemble:
    """The mean probability over the chosen checkpoints of one cell on one split.

    Attributes:
        study_id: (S,) str, in the order of the studies' first images.
        patient_id: (S,) str.
        tasks: T names.
        probabilities: (S, T) float64 in [0, 1]; NaN for a diverged cell. A multiclass row sums to
            one unless tasks chose their own checkpoints.
        labels: (S, T) float32, 0, 1 or NaN.
    """

    study_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    tasks: tuple[str, ...]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.float32]


def study_probabilities(scores: Scores) -> NDArray[np.float64]:
    """Return probabilities per checkpoint: views combined on the logit, then sigmoid or softmax.

    Args:
        scores: Scores of one split.

    Returns:
        (C, S, T) float64 in [0, 1], studies in the order of their first images.
    """
    index, _ = study_index(scores.study_id)
    return probabilities(combine_views(scores.logits, index, scores.aggregate), scores.task_kind)


def task_aurocs(scores: Scores) -> NDArray[np.float64]:
    """Return the AUROC over studies of every checkpoint and task, for selecting checkpoints.

    Args:
        scores: Scores of the validation split.

    Returns:
        (C, T) float64 in [0, 1]; NaN where a task is single-class.
    """
    values = study_probabilities(scores)
    labels = study_labels(scores.labels, study_index(scores.study_id)[0])
    areas = [auroc(values[:, :, t], labels[:, t]) for t in range(values.shape[2])]
    return np.stack(areas, axis=1)


def choose_checkpoints(name: str, valid: Scores) -> NDArray[np.int64]:
    """Choose the checkpoints of an ensemble from validation scores alone.

    Args:
        name: A selection, see `selection.select`.
        valid: Scores of the validation split.

    Returns:
        (T, n) int64 checkpoint numbers, a row per task.

    Raises:
        UserError: The name is unknown, or no checkpoint has the score that it needs.
    """
    return select(name, valid.step, valid.valid_score, task_aurocs(valid))


def ensemble(scores: Scores, chosen: NDArray[np.int64]) -> Ensemble:
    """Average the probabilities of the chosen checkpoints.

    Views of a study are combined on the logit per checkpoint, then turned into probabilities,
    then averaged over checkpoints.

    Args:
        scores: Scores of any split of the cell.
        chosen: (T, n) checkpoint numbers, as `choose_checkpoints` gives them; n = 0 gives NaN.

    Returns:
        The ensemble.

    Raises:
        UserError: A study has two classes although a case has one.
    """
    index, studies = study_index(scores.study_id)
    labels = study_labels(scores.labels, index)
    if scores.task_kind == "multiclass":
        torn = np.nansum(labels, axis=1) > 1
        if torn.any():
            raise UserError(
                f"A study of a multiclass data set has one class, but these have several: "
                f"{listed(studies[torn])}; give each image its own study or correct the labels."
            )
    values = study_probabilities(scores)
    if chosen.shape[1] == 0:
        means = np.full(labels.shape, np.nan)
    else:
        picked = [values[rows, :, t].mean(axis=0) for t, rows in enumerate(chosen)]
        means = np.stack(picked, axis=1)
    patients = patient_of_study(scores.study_id, scores.patient_id)
    return Ensemble(studies, patients, tuple(map(str, scores.task)), means, labels)


def write_ensemble(path: str | Path, table: Ensemble) -> None:
    """Write an ensemble as parquet, atomically.

    Columns: study_id, patient_id (text), prob_<task> (float64), label_<task> (float32).

    Args:
        path: Where to.
        table: What to write.
    """
    columns: dict[str, pa.Array] = {
        "study_id": pa.array(table.study_id.tolist(), pa.string()),
        "patient_id": pa.array(table.patient_id.tolist(), pa.string()),
    }
    for t, task in enumerate(table.tasks):
        columns[f"prob_{task}"] = pa.array(table.probabilities[:, t], pa.float64())
    for t, task in enumerate(table.tasks):
        columns[f"label_{task}"] = pa.array(table.labels[:, t], pa.float32())
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def read_ensemble(path: str | Path) -> Ensemble:
    """Read an ensemble that `write_ensemble` wrote.

    Args:
        path: A parquet file.

    Returns:
        The ensemble.

    Raises:
        UserError: A column of the contract is missing.
    """
    table = pq.read_table(path)
    tasks = tuple(
        name.removeprefix("prob_") for name in table.column_names if name.startswith("prob_")
    )
    needed = ["study_id", "patient_id", *(f"label_{task}" for task in tasks)]
    missing = [name for name in needed if name not in table.column_names]
    if missing or not tasks:
        raise UserError(
            f"{path}: not an ensemble, it lacks {listed(missing or ['prob_<task>'])}; "
            "make it again from the cell's scores."
        )

    def text(name: str) -> NDArray[np.str_]:
        return np.array(table[name].to_pylist(), dtype=np.str_)

    def stack(prefix: str) -> NDArray:
        return np.stack([table[f"{prefix}_{task}"].to_numpy() for task in tasks], axis=1)

    return Ensemble(text("study_id"), text("patient_id"), tasks, stack("prob"), stack("label"))
