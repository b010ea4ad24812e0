"""The score file that evaluation leaves: every kept checkpoint, every image, every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.archives import read_arrays, write_arrays
from transfergrid.planning.records import SCORED
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.sealed import read_sealed
from transfergrid.runtime.verified import read_verified
from transfergrid.tasks.score.kind import stored_numbers
from transfergrid.tasks.score.units import study_index

_AXES = {
    "logits": ("checkpoint", "image", "task"),
    "labels": ("image", "task"),
    "image_id": ("image",),
    "study_id": ("image",),
    "patient_id": ("image",),
    "task": ("task",),
    "step": ("checkpoint",),
    "valid_score": ("checkpoint",),
}
_TOPS = ("rank", "image", "task", "number")
_TYPES = {
    "tops": np.float32,
    "logits": np.float32,
    "labels": np.float32,
    "step": np.int64,
    "valid_score": np.float64,
}


@dataclass(frozen=True)
class Scores:
    """The scores of one cell on one split.

    Attributes:
        logits: (checkpoint, image, task) float32; no checkpoints when training diverged. Of masks,
            (checkpoint, image, task, 4): counts of pixels, see `transfergrid.tasks.score`.
        labels: (image, task) float32, 0, 1 or NaN (not scored); one-hot when multiclass.
        image_id: (image,) str, unique.
        study_id: (image,) str.
        patient_id: (image,) str, the same for all images of a study.
        task: (task,) str, unique.
        step: (checkpoint,) int64, increasing.
        valid_score: (checkpoint,) float64, the validation score that training recorded, of the
            cell's primary metric, or NaN.
        task_kind: A name of `transfergrid.catalog.tasks`.
        aggregate: How views of a study are combined on the logit, "max" or "mean".
        tops: (rank, image, task, 4) float32 of masks: counts of what the mean probability of the
            best checkpoints by `valid_score` marks, of the best one, the best two and so on; None
            of labels, whose logits give the mean.
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.float32]
    image_id: NDArray[np.str_]
    study_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    task: NDArray[np.str_]
    step: NDArray[np.int64]
    valid_score: NDArray[np.float64]
    task_kind: str
    aggregate: str
    tops: NDArray[np.float32] | None = None


def validate(scores: Scores, name: str = "scores") -> None:
    """Check shapes, types and values of scores.

    Args:
        scores: What to check.
        name: What an error calls them, such as a path.

    Raises:
        UserError: The contract that `Scores` states does not hold.
    """
    _check_arrays(scores, name)
    for field, values in (("image_id", scores.image_id), ("task", scores.task)):
        if len(np.unique(values)) != len(values):
            raise UserError(f"{name}: {field} holds a name twice; each must occur once.")
    if np.any(np.diff(scores.step) <= 0):
        raise UserError(f"{name}: step must increase from checkpoint to checkpoint.")
    if not np.isin(scores.labels[~np.isnan(scores.labels)], (0, 1)).all():
        raise UserError(f"{name}: labels must be 0, 1 or NaN; write the unsmoothed labels.")
    if np.isnan(scores.logits).any() or np.isnan(0 if scores.tops is None else scores.tops).any():
        raise UserError(
            f"{name}: a logit is NaN; a diverged training is recorded with no checkpoints."
        )
    if np.isinf(scores.valid_score).any():
        raise UserError(f"{name}: valid_score must be a finite number or NaN.")
    if scores.aggregate not in ("max", "mean"):
        raise UserError(f"{name}: aggregate is 'max' or 'mean', not {scores.aggregate!r}.")
    patient_of_study(scores.study_id, scores.patient_id)


def _check_arrays(scores: Scores, name: str) -> None:
    numbers = stored_numbers(scores.task_kind)  # which refuses a kind that is not there
    sizes: dict[str, int] = {"number": len(numbers)} if numbers else {}
    for field, axes in (*_AXES.items(), *([("tops", _TOPS)] if numbers else [])):
        array = getattr(scores, field)
        if array is None:
            raise UserError(f"{name} lacks {field}, which masks need; score the cell again.")
        if field == "logits" and numbers:
            axes = (*axes, "number")
        if field in _TYPES and array.dtype != _TYPES[field]:
            wanted = np.dtype(_TYPES[field]).name
            raise UserError(f"{name}: {field} must be {wanted}, not {array.dtype}.")
        if field not in _TYPES and array.dtype.kind != "U":
            raise UserError(f"{name}: {field} must hold text, not {array.dtype}.")
        if array.ndim != len(axes) or any(
            sizes.setdefault(axis, size) != size
            for axis, size in zip(axes, array.shape, strict=True)
        ):
            raise UserError(
                f"{name}: {field} has shape {array.shape}, which does not fit "
                f"({', '.join(axes)}) of the other arrays, {sizes}."
            )


def patient_of_study(study_id: NDArray[np.str_], patient_id: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the patient of each study, in the order of the studies' first images.

    Args:
        study_id: (N,) one per image.
        patient_id: (N,) one per image.

    Returns:
        (S,) patient identifiers.

    Raises:
        UserError: A study has images of two patients.
    """
    index, studies = study_index(study_id)
    patients = np.empty(len(studies), dtype=patient_id.dtype)
    patients[index] = patient_id
    mixed = np.unique(study_id[patients[index] != patient_id])
    if mixed.size:
        raise UserError(
            f"Each study must belong to one patient, but these hold images of several: "
            f"{listed(mixed)}; make study_id unique across patients."
        )
    return patients


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write scores as an .npz file, atomically; equal scores give equal bytes.

    Args:
        path: Where to, ending in .npz.
        scores: What to write.

    Raises:
        UserError: The scores break their contract.
    """
    validate(scores, str(path))
    values = {field.name: getattr(scores, field.name) for field in fields(Scores)}
    write_arrays(path, {name: value for name, value in values.items() if value is not None})


def scores_receipt(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a cell's scores, by its name in the cell's folder.

    Raises:
        UserError: The cell is not scored, or evaluation's receipt is damaged.
    """
    receipt = folder / SCORED
    try:
        files: Mapping[str, str] = read_sealed(receipt, _mend(receipt))["files"]
    except OSError:
        raise UserError(f"{receipt} is missing: score the cell first, with snakemake.") from None
    return dict(files)


def _mend(receipt: Path) -> str:
    return f"remove {receipt} and run snakemake again, which scores the cell again"


def read_cell_scores(folder: Path, split: str) -> Scores:
    """Read a cell's scores for one split, compared with evaluation's receipt.

    Args:
        folder: The cell's folder.
        split: "valid" or "test".

    Raises:
        UserError: They are missing, not what evaluation wrote, or break the contract.
    """
    path, name = folder / "scores" / f"{split}.npz", f"scores/{split}.npz"
    expected = scores_receipt(folder).get(name)
    mend = _mend(folder / SCORED)
    return read_verified(path, expected, lambda data: _read(path, mend, data), mend)


def read_scores(path: str | Path, mend: str = "score the cell again") -> Scores:
    """Read and check a file of scores.

    Args:
        path: An .npz file that `write_scores` made.
        mend: What the user can do about a damaged file, as the end of a sentence.

    Returns:
        The scores.

    Raises:
        FileNotFoundError: There is none.
        UserError: The file is damaged, or an array is missing or breaks the contract.
    """
    return _read(path, mend)


def _read(path: str | Path, mend: str, data: bytes | None = None) -> Scores:
    arrays = read_arrays(path, mend, None, data)
    needed = [field.name for field in fields(Scores) if field.name != "tops"]
    if missing := [name for name in needed if name not in arrays]:
        raise UserError(f"{path} lacks {listed(missing)}; {mend}.")
    arrays = {name: arrays[name] for name in (*needed, "tops") if name in arrays}
    task_kind, aggregate = (str(arrays.pop(name)) for name in ("task_kind", "aggregate"))
    scores = Scores(**arrays, task_kind=task_kind, aggregate=aggregate)
    validate(scores, str(path))
    return scores
