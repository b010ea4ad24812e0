"""What a training says about itself in train.json."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from transfergrid.metrics.estimate import Estimator
from transfergrid.training.checkpoints import Kept, rank
from transfergrid.training.job import Job
from transfergrid.training.numerics import forget
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


def forget_peak(device: torch.device) -> bool:
    """Free what an earlier training of this process left, and begin a new peak of memory.

    Returns:
        Whether `peak_memory_mb` tells the peak since this call. Only Linux forgets an earlier one.
    """
    forget(device)
    if device.type == "cuda":
        return True
    try:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # glibc keeps freed memory
        Path("/proc/self/clear_refs").write_text("5")  # see proc(5)
    except OSError:
        return False
    return True


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
