"""The AUROC columns of one row of the table of cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.errors import UserError, listed


def summarise(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patient_id: ArrayLike,
    study_id: ArrayLike,
    tasks: Sequence[str],
    score_tasks: Sequence[str],
    alpha: float = 0.05,
) -> dict[str, float | int | str]:
    """Return the AUROC of every task and their mean, with intervals, counts and flags.

    Args:
        probabilities: (S, T) one row per study; all NaN for a diverged cell.
        labels: (S, T) values 0, 1 or NaN.
        patient_id: (S,) identifiers.
        study_id: (S,) identifiers, each once.
        tasks: T names.
        score_tasks: The tasks of the macro AUROC, at least one.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        n_studies, n_patients; auroc, auroc_low, auroc_high; for each task auroc_<task>,
        auroc_<task>_low, auroc_<task>_high, n_pos_<task>; flags, joined by ";", each
        "<flag>:<task>" (see `intervals.Interval`). A number that is undefined is NaN.

    Raises:
        UserError: A scored task is not among the tasks, a study stands twice, or shapes differ.
    """
    unknown = [task for task in score_tasks if task not in tasks]
    if unknown:
        raise UserError(f"score_tasks names {listed(unknown)}, but the tasks are {listed(tasks)}.")
    study_id, patient_id = np.asarray(study_id), np.asarray(patient_id)
    if len(set(study_id.tolist())) != len(study_id):
        raise UserError("A study stands twice in an ensemble; each must have one row.")
    cases = Cases(
        np.asarray(probabilities),
        np.asarray(labels),
        patient_id,
        tuple(tasks),
        tuple(score_tasks),
    )
    parts, macro = Scorer.of(built_in("auroc")).intervals(cases, None, alpha)
    row: dict[str, float | int | str] = {
        "n_studies": len(study_id),
        "n_patients": len(set(patient_id.tolist())),
        "auroc": macro.estimate,
        "auroc_low": macro.low,
        "auroc_high": macro.high,
    }
    for task, part in zip(tasks, parts, strict=True):
        row[f"auroc_{task}"] = part.estimate
        row[f"auroc_{task}_low"] = part.low
        row[f"auroc_{task}_high"] = part.high
        row[f"n_pos_{task}"] = part.n_pos
    row["flags"] = ";".join(
        f"{flag}:{task}" for task, part in zip(tasks, parts, strict=True) for flag in part.flags
    )
    return row
