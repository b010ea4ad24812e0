"""What a training leaves behind about itself: train.json and its receipt."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from transfergrid.metrics.estimate import Estimator
from transfergrid.planning.records import (
    FINISHED,
    RECORD,
    SPEC,
    TRAINED,
    kept_texts,
    write_finished,
)
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.hashing import as_recorded, sha256_file, sha256_text
from transfergrid.runtime.sealed import read_sealed, write_sealed
from transfergrid.training.checkpoints import Kept, rank
from transfergrid.training.job import Job
from transfergrid.training.position import Position


def summary(job: Job, position: Position, status: str, reason: str | None = None) -> dict[str, Any]:
    """Return what train.json says about a training that has ended.

    Args:
        job: The training.
        position: How far it came.
        status: "finished" or "diverged".
        reason: Why it diverged.
    """
    lines = job.history.lines()
    best = min(lines, key=partial(_rank, job.metric.sign), default={})
    best = best if status == "finished" else {}
    return {
        "status": status,
        "reason": reason,
        "steps": position.step,
        "examples": position.examples,
        "epochs": position.examples / len(job.rows),
        "phases": position.ended,
        "micro_batch": job.micro_batch,
        "train_images": len(job.rows),
        "train_seconds": position.total_seconds(),
        "images_per_second": position.examples / max(position.step_seconds, 1e-9),
        "best_step": best.get("step"),
        **_metric(job.metric),
        "best_valid_score": best.get("valid_score"),
        "last_valid_score": lines[-1]["valid_score"] if lines else None,
    }


def inherited(metric: Estimator) -> dict[str, Any]:
    """Return what train.json says about a cell whose source cell diverged."""
    return {
        "status": "diverged",
        "reason": "the cell that it starts from diverged",
        **dict.fromkeys(("steps", "examples", "train_images"), 0),
        **dict.fromkeys(("epochs", "train_seconds"), 0.0),
        "phases": [],
        "micro_batch": None,
        "images_per_second": None,
        **_metric(metric),
        **dict.fromkeys(("best_step", "best_valid_score", "last_valid_score")),
    }


def _metric(metric: Estimator) -> dict[str, Any]:
    return {"metric": metric.name, "higher_is_better": metric.higher_is_better}


def _rank(sign: float, line: dict[str, Any]) -> tuple[float, int]:
    return rank(Kept("", line["step"], line["valid_score"]), sign)


def write_records(folder: Path, record: Mapping[str, Any], stamp: str) -> dict[str, Any]:
    """Write train.json, then the receipt that evaluation waits for; return train.json's content.

    train.json receives the SHA-256 of the spec and of the files that only training can make. The
    receipt holds the status and the SHA-256 of what evaluation reads, but no time and no machine,
    so equal trainings have equal receipts. finished.json, unknown to Snakemake, keeps all of them;
    `stamp` is the SHA-256 of the spec.
    """
    kept = kept_texts(folder)
    told = {name: sha256_text(text) for name, text in kept.items()}
    if (folder / SPEC).exists():
        told[SPEC] = sha256_file(folder / SPEC)
    record = {**record, "files": told}
    files = {
        str(path.relative_to(folder)): sha256_file(path)
        for path in sorted((folder / "checkpoints").iterdir())
    }
    files["proof.json"] = told["proof.json"]
    receipt = {"status": record["status"], "files": files}
    write_finished(folder, {"stamp": stamp, "record": record, "receipt": receipt}, kept)
    _publish(folder, record, receipt, kept)
    return record


def restore_records(folder: Path, stamp: str) -> dict[str, Any] | None:
    """Write the records of a training that had ended, if its checkpoints are still as they were.

    If a Snakemake run is killed while its jobs end on a cluster, their outputs count as incomplete,
    and the next run removes them: the training itself need not be repeated.

    Args:
        folder: The cell's folder.
        stamp: SHA-256 of the cell's spec.

    Returns:
        The content of train.json, or None if the cell has to be trained.
    """
    try:
        finished = read_sealed(folder / FINISHED)
        record, receipt, kept = finished["record"], finished["receipt"], finished["kept"]
        files = {name: digest for name, digest in receipt["files"].items() if name not in kept}
        whole = finished["stamp"] == stamp and as_recorded(folder, files)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole:
        return None
    _publish(folder, record, receipt, kept)
    return dict(record)


def _publish(
    folder: Path, record: Mapping[str, Any], receipt: Mapping[str, Any], kept: Mapping[str, str]
) -> None:
    for name, text in kept.items():
        if not (folder / name).exists() or sha256_file(folder / name) != record["files"][name]:
            write_text(folder / name, text)
    # The receipt comes last: evaluation waits for it.
    write_sealed(folder / RECORD, record)
    write_sealed(folder / TRAINED, receipt)


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
