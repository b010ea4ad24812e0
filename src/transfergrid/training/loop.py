"""The training of one cell, from its spec to its receipt."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from transfergrid.metrics.estimate import Estimator
from transfergrid.models.initial import SourceDiverged
from transfergrid.planning.naming import cell_name
from transfergrid.planning.recipe import Augmentation, Recipe
from transfergrid.planning.records import STATE
from transfergrid.runtime.errors import Stopped
from transfergrid.runtime.watcher import Watcher
from transfergrid.training.augmentation import augment, move
from transfergrid.training.batches import Batch, pieces
from transfergrid.training.calibrating import calibrate_once
from transfergrid.training.checkpoints import Checkpoints
from transfergrid.training.finished import remove_state, restore_trained, stamp_of, write_records
from transfergrid.training.freezing import train_mode
from transfergrid.training.job import Job, open_job
from transfergrid.training.numerics import autocast, forget, precision_used, seed_step, settings
from transfergrid.training.optimisation import learning_rate
from transfergrid.training.phase import Running, open_phase
from transfergrid.training.position import Position, load_position, save_position, usable
from transfergrid.training.receipts import device_name, inherited, peak_memory_mb, summary
from transfergrid.training.redrawing import redrawn
from transfergrid.training.resume import load_state
from transfergrid.training.tuning import recipe_of
from transfergrid.training.validation import Validation, validate

CHECK_STEPS = 50
"""Steps between checks of the loss for divergence; a check waits for the device."""
STATE_SECONDS = 60.0
"""Seconds between states on disk: at most what a killed training loses, besides a validation."""
REPORT_SECONDS = 5.0
"""Seconds between progress reports."""


def train(
    spec: Mapping[str, Any],
    results: str | Path,
    device: str = "cpu",
    threads: int | None = None,
    environment: Mapping[str, Any] | None = None,
    watcher: Watcher | None = None,
    fresh: bool = False,
    publish: bool = True,
) -> dict[str, Any]:
    """Train one cell and leave checkpoints, history, proof, train.json and the receipt.

    A killed training goes on from its last state and ends with the same weights, scores and
    history (times aside) as one never interrupted; bit for bit on the CPU. A training whose loss or
    validation logits stop being finite numbers is recorded as diverged, without checkpoints. When
    memory runs out, training starts over with half the micro-batch. A training that had ended
    before is not done again, unless its files have changed.

    Args:
        spec: The content of spec.json.
        results: The folder of all outputs, with the cell's cache and initial weights.
        device: "cpu", "cuda" or "cuda:<n>".
        threads: Threads of the CPU's kernels, or None for PyTorch's choice.
        environment: What ran this, recorded in train.json as it is.
        watcher: Is told of progress, and may stop the training.
        fresh: Whether to train even if this cell was trained before.
        publish: Whether to leave train.json and the receipt. Without, finished.json holds them for
            the cell's own job, and running out of memory is an error, for which an earlier
            training of this process may be to blame.

    Returns:
        The content of train.json.

    Raises:
        UserError: The spec, cache or weights cannot be used; the sentence says what to do.
        Stopped: The watcher stopped the training; its state is on disk.
    """
    results, where = Path(results), torch.device(device)
    cell = cell_name(spec)
    folder = results / "cells" / cell
    recipe, watcher = recipe_of(spec, results), watcher or Watcher()
    metric = Estimator.of(spec["metric"])
    stamp = stamp_of(spec, recipe)
    done = None if fresh else restore_trained(spec, results)
    if done is not None:
        watcher.say("this cell was trained before, and its files are as they were")
        return done
    with settings(where, threads, recipe.deterministic):
        try:
            opening = (spec, recipe, results, folder, where)
            outcome = _train_in_memory(*opening, stamp, metric, watcher, shrink=publish)
        except SourceDiverged:
            Checkpoints(folder / "checkpoints", 0).prune()
            for name in ("history.jsonl", "proof.json"):  # from an earlier attempt
                (folder / name).unlink(missing_ok=True)
            outcome = inherited(metric)
        made_with = _circumstances(recipe, where)
    record = {"cell": cell, **outcome, **made_with, "environment": dict(environment or {})}
    record = write_records(folder, record, stamp, publish)
    remove_state(folder)
    return record


def _circumstances(recipe: Recipe, device: torch.device) -> dict[str, Any]:
    """Return what train.json says about how a training ran, whatever its outcome."""
    return {
        "peak_memory_mb": peak_memory_mb(device),
        "device": device_name(device),
        "learning_rate": recipe.learning_rate,
        "precision": precision_used(device, recipe.precision),
        "threads": torch.get_num_threads(),
    }


def _train_in_memory(
    spec: Mapping[str, Any],
    recipe: Recipe,
    results: Path,
    folder: Path,
    device: torch.device,
    stamp: str,
    metric: Estimator,
    watcher: Watcher,
    shrink: bool,
) -> dict[str, Any]:
    """Train in the recipe's micro-batches, or (`shrink`) in the largest half, quarter that fits."""
    state = load_state(folder / STATE, stamp, watcher.say)
    if state is not None and not usable(state, folder):
        watcher.say(f"{folder / STATE} names files that are gone: training starts anew")
        state = None
    # A resumed training keeps its micro-batch: batch statistics depend on it.
    micro_batch = state["micro_batch"] if state else recipe.micro_batch
    while True:
        try:
            # The job has no name here, so that its tensors are freed before the next is opened.
            return _run(
                open_job(spec, recipe, results, folder, device, micro_batch, metric, watcher),
                state,
                stamp,
            )
        except torch.OutOfMemoryError:
            if micro_batch <= 2 or not shrink:
                raise
        # Outside the handler, whose traceback would keep the tensors alive.
        state, micro_batch = None, -(-micro_batch // 2)
        remove_state(folder)
        forget(device)
        watcher.say(f"out of memory: training starts over in micro-batches of {micro_batch}")


def _run(job: Job, state: Mapping[str, Any] | None, stamp: str) -> dict[str, Any]:
    """Do the rest of a training; save its state if it is stopped."""
    position = load_position(job, state)
    if position.step:
        job.watcher.say(f"continuing at {position.progress(job)}")
    try:
        reason = _take_phases(job, position, stamp)
    except Stopped:
        position.stop_clock()
        save_position(job, position, stamp)
        raise Stopped(f"state saved at {position.progress(job)}") from None
    job.pixels.wait()  # before anything is published
    if reason is not None:
        return _diverged(job, position, reason)
    job.checkpoints.prune()
    return summary(job, position, "finished")


def _take_phases(job: Job, position: Position, stamp: str) -> str | None:
    """Take all remaining steps; return why the training diverged, or None."""
    while position.phase < len(job.orders):
        position.running = position.running or open_phase(job, position.phase)
        if len(job.orders) > 1:
            layers = position.running.phase.train_layers
            job.watcher.say(f"phase {position.phase + 1} of {len(job.orders)}: training {layers}")
        reason = calibrate_once(job, position)
        reason = reason or _take_steps(job, position, position.running, stamp)
        if reason is not None:
            position.end_phase("diverged")
            return reason
        over = position.phase_step == position.running.order.steps
        position.end_phase("epochs" if over else "patience")
        if position.phase < len(job.orders):
            job.watcher.check()
    return None


def _take_steps(job: Job, position: Position, running: Running, stamp: str) -> str | None:
    """Take a phase's remaining steps, validating between them; return why it diverged, or None."""
    if position.due:
        batch = next(running.order.batches(position.phase_step - 1))
        reason = _validate(job, position, running, batch)
        if reason is not None or _has_ended(running, position):
            return reason
    train_mode(running.train.network, running.phase.norms)
    position.start_clock()
    for batch, images, target in running.feed.stream(running.order.batches(position.phase_step)):
        _take_step(job, position, running, batch, images, target)
        position.due = running.validates(batch)
        if position.due or position.step % CHECK_STEPS == 0:
            finite = math.isfinite(position.mean_loss())
            position.stop_clock()
            if not finite:
                return f"the loss was not finite by step {position.step}"
        if position.due:
            reason = _validate(job, position, running, batch)
            if reason is not None or _has_ended(running, position):
                return reason
            train_mode(running.train.network, running.phase.norms)
        if not running.last(batch):
            job.watcher.check()
        _report_and_save(job, position, stamp)
        position.start_clock()
    return None


def _has_ended(running: Running, position: Position) -> bool:
    """Tell whether the validation score has not improved for as long as the phase waits."""
    return running.phase.patience is not None and position.stale >= running.phase.patience


def _validate(job: Job, position: Position, running: Running, batch: Batch) -> str | None:
    """Validate after a batch and record it; return why the training diverged, or None."""
    job.pixels.poll()
    validation = validate(
        running.valid,
        job.valid,
        job.card,
        job.task,
        job.metric,
        job.device,
        job.watcher.check,
    )
    if not validation.finite:
        return f"a validation logit was not finite at step {position.step}"
    position.note(job.metric.sign * validation.score)
    _record(job, position, running, batch, position.mean_loss(), validation)
    position.due = False
    return None


def _take_step(
    job: Job, position: Position, running: Running, batch: Batch, images: Tensor, target: Tensor
) -> None:
    """Take one optimiser step; nothing here waits for the device.

    The loss is the mean over the known entries in the whole batch, so each micro-batch counts by
    its own known entries, and accumulation only changes batch statistics.
    """
    seed_step(job.device, job.seed, running.order.first_step + batch.step)
    rows = torch.from_numpy(batch.rows)
    if job.redrawn_from is not None:
        target = redrawn(target, rows, batch.epoch, job.seed, job.redrawn_from)
    count = job.task.known(target).sum()
    running.optimizer.zero_grad(set_to_none=True)
    for part in pieces(len(rows), job.micro_batch):
        drawn = (rows[part], batch.epoch, job.seed, job.recipe.augmentation)
        shown = images[part]
        if shown.dtype == torch.uint8:  # pixels, and not what frozen layers made of them
            shown = augment(shown, *drawn)
        with autocast(job.device, job.recipe.precision):
            output = running.train.network(running.train.normalise(shown))
        followed = job.task.follow(target[part], partial(_move, drawn))
        loss = job.task.loss_sum(output.float(), followed)
        (loss / count.clamp(min=1)).backward()
        position.loss_sum += loss.detach()
    position.loss_count += count
    if job.recipe.clip_grad_norm is not None:
        clip_grad_norm_(job.model.parameters(), job.recipe.clip_grad_norm)
    rate = learning_rate(job.recipe, running.phase.rate, batch.step, running.order.steps)
    for group in running.optimizer.param_groups:
        group["lr"] = rate
    running.optimizer.step()
    position.step += 1
    position.examples = position.began_examples + batch.examples


def _move(drawn: tuple[Tensor, int, int, Augmentation], maps: Tensor) -> Tensor:
    return move(maps, *drawn)


def _record(
    job: Job,
    position: Position,
    running: Running,
    batch: Batch,
    loss: float,
    validation: Validation,
) -> None:
    """Keep the checkpoint if it is good enough, write a line of history, and begin a new mean."""
    ends = running.last(batch) or _has_ended(running, position)
    last = ends and running.index + 1 == len(job.orders)
    job.checkpoints.offer(job.model.state_dict(), position.step, validation.score, last)
    line = {
        "phase": running.index,
        "step": position.step,
        "examples": position.examples,
        "epoch": position.examples / len(job.rows),
        "train_loss": loss,
        "learning_rate": learning_rate(
            job.recipe, running.phase.rate, batch.step, running.order.steps
        ),
        "valid_loss": validation.loss,
        "metric": job.metric.name,
        "valid_score": validation.score,
        "valid_score_tasks": validation.score_tasks,
        "images_per_second": position.line_rate(),
        "seconds": position.total_seconds(),
    }
    job.history.append(line)
    position.begin_line()


def _report_and_save(job: Job, position: Position, stamp: str) -> None:
    now = time.monotonic()
    steps = position.steps(job)
    if now - position.told >= REPORT_SECONDS:
        loss = position.mean_loss()
        position.stop_clock()
        job.watcher.report(
            {
                "event": "step",
                "step": position.step,
                "steps": steps,
                "loss": loss if position.examples > position.line_examples else None,
                "images_per_second": position.rate(),
                "seconds_left": position.seconds_left(job),
            }
        )
        position.told = now
    if now - position.saved >= STATE_SECONDS and position.step < steps:
        position.stop_clock()
        save_position(job, position, stamp)


def _diverged(job: Job, position: Position, reason: str) -> dict[str, Any]:
    job.watcher.say(f"diverged: {reason}")
    job.checkpoints.kept = []
    job.checkpoints.prune()
    return summary(job, position, "diverged", reason)
