"""Batch norms that take their statistics from the images that a cell is trained on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transfergrid.evaluation.inference import BATCH_SIZE
from transfergrid.models.norms import NotFiniteError, calibrate
from transfergrid.planning.recipe import CALIBRATE
from transfergrid.runtime.atomic import write_json
from transfergrid.training.batches import pieces
from transfergrid.training.job import Job, keeps_function
from transfergrid.training.position import Position
from transfergrid.training.subsets import Rows

REPORT_SECONDS = 5.0
"""Seconds between progress reports."""


def calibrate_once(job: Job, position: Position) -> str | None:
    """Calibrate the network before the first step of the first phase that asks for it.

    What was done is part of the training's state, so that a resumed training does not do it again,
    and of proof.json, beside the proof of the weights from before.

    Returns:
        Why the training diverged, or None.
    """
    assert position.running is not None
    if position.calibration is None and position.running.phase.norms == CALIBRATE:
        try:
            position.calibration = _calibrate(job)
        except NotFiniteError as error:
            return f"{error} on the training images"
    if position.calibration is not None:
        # A resumed training has written the proof of its weights anew.
        write_json(job.folder / "proof.json", {**job.proof, "calibration": position.calibration})
    return None


def _calibrate(job: Job) -> dict[str, Any]:
    keep = keeps_function(job.recipe, job.proof)
    job.watcher.say(f"batch norms take their statistics from {len(job.rows)} training images")
    done = calibrate(job.model, _inputs(job), keep)
    about = {"phase": job.recipe.calibrated_phase, "keeps_function": keep}
    return {**about, **asdict(done), "norms": list(done.norms)}


def _inputs(job: Job) -> Iterator[Tensor]:
    """Yield the images that are trained on as the network sees them, unaugmented and in order."""
    rows, told = Rows(job.train.images, job.rows), time.monotonic()
    for part in pieces(len(rows), BATCH_SIZE):
        job.watcher.check()
        yield job.normalise(torch.from_numpy(np.array(rows[part])).to(job.device))
        if time.monotonic() - told >= REPORT_SECONDS:
            told = time.monotonic()
            job.watcher.say(f"calibrating: {part.stop} of {len(rows)} training images")
