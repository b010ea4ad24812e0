"""How far a training has come, and how that is saved and restored."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from transfergrid.planning.records import STATE
from transfergrid.training.checkpoints import Kept
from transfergrid.training.history import History
from transfergrid.training.job import Job
from transfergrid.training.phase import Running, open_phase
from transfergrid.training.resume import save_state

_VALUES = (
    "phase",
    "began_step",
    "began_examples",
    "began_seconds",
    "step",
    "due",
    "best",
    "stale",
    "examples",
    "seconds",
    "step_seconds",
    "line_examples",
    "line_seconds",
    "calibration",
)
_TENSORS = ("loss_sum", "loss_count")


@dataclass
class Position:
    """What changes from step to step besides weights and optimiser.

    Attributes:
        running: The phase under way; None only between two of them.
        phase: Its number, from 0.
        ended: What train.json says about each phase that has ended.
        calibration: What proof.json says about batch norms that were calibrated; None before.
        began_step: `step` where the phase began.
        began_examples: `examples` where the phase began.
        began_seconds: `step_seconds` where the phase began.
        step: Optimiser steps done, of all phases.
        due: Whether the validation of that step is still to come.
        examples: Images seen, in all phases.
        loss_sum: () float64 on the device: loss since the last history line, summed.
        loss_count: () float64 on the device: known entries in that sum.
        best: Best validation score in this phase so far, times the metric's sign; minus infinity
            before the first.
        stale: Validations since the best one.
        seconds: Wall time of training before `started`, including validations and writing.
        step_seconds: Wall time of the steps only.
        line_examples: `examples` at the last history line.
        line_seconds: `step_seconds` at the last history line.
        started: Monotonic time of this process's start of training.
        lap: Monotonic time from which `step_seconds` is counted, None while it is not.
        saved: Monotonic time of the last state on disk.
        told: Monotonic time of the last line to the user.
    """

    loss_sum: Tensor
    loss_count: Tensor
    running: Running | None = None
    phase: int = 0
    ended: list[dict[str, Any]] = field(default_factory=list)
    calibration: dict[str, Any] | None = None
    began_step: int = 0
    began_examples: int = 0
    began_seconds: float = 0.0
    step: int = 0
    due: bool = False
    examples: int = 0
    best: float = -math.inf
    stale: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    line_examples: int = 0
    line_seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    lap: float | None = None
    saved: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)

    @classmethod
    def fresh(cls, device: torch.device) -> Position:
        """Return the position of a training that has not begun."""
        zero = torch.zeros((), dtype=torch.float64, device=device)
        return cls(loss_sum=zero, loss_count=zero.clone())

    @property
    def phase_step(self) -> int:
        """Optimiser steps done in this phase."""
        return self.step - self.began_step

    def steps(self, job: Job) -> int:
        """Return the most steps that the training will have taken at its end."""
        return self.began_step + sum(order.steps for order in job.orders[self.phase :])

    def progress(self, job: Job) -> str:
        """Say which step was the last, and of how many if that is known."""
        known = not job.recipe.open_ended_from(self.phase)
        return f"step {self.step}" + (f" of {self.steps(job)}" if known else "")

    def rate(self) -> float:
        """Return images per second of the steps of this phase."""
        seconds = self.step_seconds - self.began_seconds
        return (self.examples - self.began_examples) / max(seconds, 1e-9)

    def seconds_left(self, job: Job) -> float | None:
        """Return the most seconds to come at this phase's rate; None if only patience ends one."""
        if job.recipe.open_ended_from(self.phase):
            return None
        most = sum(order.examples for order in job.orders[self.phase :])
        return (most - (self.examples - self.began_examples)) / self.rate()

    def mean_loss(self) -> float:
        """Return the mean loss since the last history line; waits for the device."""
        return (self.loss_sum / self.loss_count.clamp(min=1)).item()

    def start_clock(self) -> None:
        """Begin counting time as time of steps, if it is not yet counted."""
        self.lap = self.lap or time.monotonic()

    def stop_clock(self) -> None:
        """Stop counting; exact after `mean_loss`, which waits for the steps to end."""
        if self.lap is not None:
            self.step_seconds += time.monotonic() - self.lap
            self.lap = None

    def total_seconds(self) -> float:
        """Return the wall time of training so far, over all processes that took part."""
        return self.seconds + time.monotonic() - self.started

    def note(self, score: float) -> None:
        """Count a validation: a new best resets the count of stale ones; NaN is never best.

        Args:
            score: Its score, times the metric's sign.
        """
        better = score > self.best
        self.best, self.stale = (score, 0) if better else (self.best, self.stale + 1)

    def end_phase(self, ended_by: str) -> None:
        """Note how the phase went; the next one is not begun yet."""
        assert self.running is not None
        running = self.running
        examples = self.examples - self.began_examples
        self.ended.append(
            {
                "train_layers": running.phase.train_layers,
                "learning_rate": running.phase.learning_rate,
                "steps": self.phase_step,
                "epochs": examples / len(running.order.rows),
                "ended_by": ended_by,
            }
        )
        self.running, self.phase = None, self.phase + 1
        self.began_step, self.began_examples = self.step, self.examples
        self.began_seconds, self.best, self.stale = self.step_seconds, -math.inf, 0

    def line_rate(self) -> float:
        """Return images per second of the steps since the last history line."""
        seconds = self.step_seconds - self.line_seconds
        return (self.examples - self.line_examples) / max(seconds, 1e-9)

    def begin_line(self) -> None:
        """Begin a new mean loss and rate."""
        self.loss_sum.zero_()
        self.loss_count.zero_()
        self.line_examples, self.line_seconds = self.examples, self.step_seconds


def save_position(job: Job, position: Position, stamp: str) -> None:
    """Write what a resumed training needs, then remove the files that it does not need."""
    values = {
        **{name: getattr(position, name) for name in (*_VALUES, *_TENSORS)},
        "seconds": position.total_seconds(),
        "micro_batch": job.micro_batch,
        "model": job.model.state_dict(),
        "optimizer": position.running and position.running.optimizer.state_dict(),
        "ended": position.ended,
        "history_bytes": job.history.size(),
        "kept": [vars(kept) for kept in job.checkpoints.kept],
    }
    save_state(job.folder / STATE, stamp, values)
    job.checkpoints.prune()
    position.saved = time.monotonic()


def usable(values: Mapping[str, Any], folder: Path) -> bool:
    """Tell whether the files that a state refers to are still there."""
    size = History(folder / "history.jsonl").size()
    kept = [folder / "checkpoints" / kept["file"] for kept in values["kept"]]
    return size >= values["history_bytes"] and all(path.exists() for path in kept)


def load_position(job: Job, values: Mapping[str, Any] | None) -> Position:
    """Put a training where its state says, or at its beginning, and clear what came after."""
    position = Position.fresh(job.device)
    if values is not None:
        job.model.load_state_dict(values["model"])
        for name in _VALUES:
            setattr(position, name, values[name])
        for name in _TENSORS:
            setattr(position, name, values[name].to(job.device))
        position.ended = list(values["ended"])
    position.running = open_phase(job, position.phase)
    if values is not None:
        if values["optimizer"] is not None:
            position.running.optimizer.load_state_dict(values["optimizer"])
        job.checkpoints.kept = [Kept(**kept) for kept in values["kept"]]
    job.history.cut(values["history_bytes"] if values is not None else 0)
    job.checkpoints.prune()
    return position
