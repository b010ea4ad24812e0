"""What a training leaves behind about itself: train.json and its receipt."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from transfergrid.runtime.atomic import read_json, write_json
from transfergrid.runtime.hashing import as_recorded, sha256_file
from transfergrid.training.checkpoints import Kept, rank
from transfergrid.training.job import Job
from transfergrid.training.progress import Progress

FINISHED = "finished.json"


def summary(job: Job, progress: Progress, status: str, reason: str | None = None) -> dict[str, Any]:
    """Return what train.json tells about a training that has ended.

    Args:
        job: The training.
        progress: How far it came.
        status: "finished" or "diverged".
        reason: Why it diverged.
    """
    lines = job.history.lines()
    best = min(lines, key=_rank, default={}) if status == "finished" else {}
    return {
        "status": status,
        "reason": reason,
        "steps": progress.step,
        "examples": progress.examples,
        "epochs": progress.examples / len(job.plan.rows),
        "micro_batch": job.micro_batch,
        "train_images": len(job.plan.rows),
        "train_seconds": progress.total_seconds(),
        "images_per_second": progress.examples / max(progress.step_seconds, 1e-9),
        "best_step": best.get("step"),
        "best_valid_auroc": best.get("valid_auroc"),
        "last_valid_auroc": lines[-1]["valid_auroc"] if lines else None,
        "valid_accuracy": best.get("valid_accuracy"),
    }


def inherited() -> dict[str, Any]:
    """Return what train.json tells about a cell whose source cell diverged."""
    return {
        "status": "diverged",
        "reason": "the cell that it starts from diverged",
        **dict.fromkeys(("steps", "examples", "train_images"), 0),
        **dict.fromkeys(("epochs", "train_seconds"), 0.0),
        "micro_batch": None,
        "images_per_second": None,
        **dict.fromkeys(("best_step", "best_valid_auroc", "last_valid_auroc", "valid_accuracy")),
    }


def _rank(line: dict[str, Any]) -> tuple[float, int]:
    return rank(Kept("", line["step"], line["valid_auroc"]))


def write_records(folder: Path, record: Mapping[str, Any], stamp: str) -> None:
    """Write train.json, then the receipt that evaluation waits for.

    The receipt names the status and the SHA-256 of what evaluation reads. It holds no time and no
    machine, so equal trainings have equal receipts. `FINISHED`, of which Snakemake does not know,
    keeps both; `stamp` is the SHA-256 of the spec.
    """
    paths = [*sorted((folder / "checkpoints").iterdir()), folder / "proof.json"]
    files = {str(path.relative_to(folder)): sha256_file(path) for path in paths if path.exists()}
    receipt = {"status": record["status"], "files": files}
    write_json(folder / FINISHED, {"stamp": stamp, "record": dict(record), "receipt": receipt})
    _publish(folder, record, receipt)


def restore_records(folder: Path, stamp: str) -> dict[str, Any] | None:
    """Write the records of a training that had ended, if all that it made is still as it was.

    A run of Snakemake that is killed while its jobs end on a cluster takes their outputs for
    incomplete, and the next run removes them: the training itself need not be done again.

    Args:
        folder: The cell's folder.
        stamp: SHA-256 of the cell's spec.

    Returns:
        The content of train.json, or None where the cell has to be trained.
    """
    try:
        finished = read_json(folder / FINISHED)
        record, receipt = finished["record"], finished["receipt"]
        whole = finished["stamp"] == stamp and as_recorded(folder, receipt["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole:
        return None
    _publish(folder, record, receipt)
    return dict(record)


def _publish(folder: Path, record: Mapping[str, Any], receipt: Mapping[str, Any]) -> None:
    # The receipt last: evaluation waits for it.
    write_json(folder / "train.json", record)
    write_json(folder / "receipts" / "train.json", receipt)


def peak_memory_mb(device: torch.device) -> float:
    """Return the most memory held so far, in MiB: of the GPU by PyTorch, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
