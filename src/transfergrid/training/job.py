"""Everything that a training needs, made from its spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from transfergrid.data.store import Card, Split, open_split, read_card, verify_pixels
from transfergrid.evaluation.inference import to_device
from transfergrid.metrics.estimate import Estimator
from transfergrid.models.initial import initial_model
from transfergrid.models.normalise import Normalise
from transfergrid.models.zoo import head_of
from transfergrid.planning.naming import fold_of
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.verified import Verification
from transfergrid.runtime.watcher import Watcher
from transfergrid.tasks.learn.kind import LearnHalf, learn_half
from transfergrid.training.batches import Batch, Feed, Order
from transfergrid.training.checkpoints import Checkpoints
from transfergrid.training.freezing import freeze
from transfergrid.training.history import History
from transfergrid.training.numerics import keep_float32
from transfergrid.training.optimisation import build_optimizer
from transfergrid.training.subsets import held_out, split_off, training_rows


@dataclass(frozen=True)
class Job:
    """One training, ready to run.

    Attributes:
        folder: The cell's folder.
        seed: The cell's seed.
        recipe: How to train.
        device: Where to train.
        micro_batch: Images per forward and backward pass.
        card: What the data set holds.
        task: The half of its task kind that training needs.
        metric: Its primary metric, which ranks checkpoints.
        valid: The validation split.
        pixels: Compares the caches' pixels with what was written, while they are being used.
        feed: The training images and labels.
        order: The order of all steps.
        model: The network on `device`.
        normalise: From stored images to the network's input.
        optimizer: For the layers that learn.
        checkpoints: The cell's folder of checkpoints.
        history: The cell's history.jsonl.
        watcher: Who is told about the training, and may stop it.
    """

    folder: Path
    seed: int
    recipe: Recipe
    device: torch.device
    micro_batch: int
    card: Card
    task: LearnHalf
    metric: Estimator
    valid: Split
    pixels: Verification
    feed: Feed
    order: Order
    model: nn.Module
    normalise: Normalise
    optimizer: Optimizer
    checkpoints: Checkpoints
    history: History
    watcher: Watcher

    def last(self, batch: Batch) -> bool:
        """Tell whether training ends with this batch."""
        return batch.step + 1 == self.order.steps

    def validates(self, batch: Batch) -> bool:
        """Tell whether a validation follows this batch: after N more examples, or at the end."""
        every = self.recipe.validate_every_examples or len(self.order.rows)
        before = batch.examples - len(batch.rows)
        return self.last(batch) or batch.examples // every > before // every


def open_job(
    spec: Mapping[str, Any],
    recipe: Recipe,
    results: Path,
    folder: Path,
    device: torch.device,
    micro_batch: int,
    metric: Estimator,
    watcher: Watcher,
) -> Job:
    """Open the caches, build the network with its initial weights, and write proof.json.

    Raises:
        UserError: Cache, weights, network or recipe cannot be used; the sentence says which.
    """
    cache = results / "cache" / spec["dataset"]["id"]
    fold = fold_of(spec)
    card, train = read_card(cache, fold), open_split(cache, "train", fold)
    valid = open_split(cache, "valid", fold)
    kept = np.arange(len(train.images))
    if recipe.holdout:
        held = held_out(train.patient_id, recipe.holdout)
        valid, kept = split_off(train, held), np.flatnonzero(~held)
    chosen = training_rows(len(kept), recipe.train_share, recipe.train_count, spec["seed"])
    rows = kept[chosen]
    task, outputs = learn_half(card.task_kind), len(card.tasks)
    model, preprocessing, proof = initial_model(spec, results, task.outputs(outputs))
    write_json(folder / "proof.json", proof)
    model = task.complete(model, outputs, spec["seed"])
    keep_float32(head_of(model))
    freeze(model, recipe.train_layers)
    to_device(model, device)
    return Job(
        folder=folder,
        seed=spec["seed"],
        recipe=recipe,
        device=device,
        micro_batch=micro_batch,
        card=card,
        task=task,
        metric=metric,
        valid=valid,
        pixels=verify_pixels(cache, train, valid),
        feed=Feed(train.images, task.target(train), rows, device),
        order=Order(rows, recipe.batch_size, recipe.epochs, spec["seed"]),
        model=model,
        normalise=Normalise(preprocessing, device),
        optimizer=build_optimizer(model, recipe),
        checkpoints=Checkpoints(
            folder / "checkpoints", recipe.keep_checkpoints, metric.name, metric.sign
        ),
        history=History(folder / "history.jsonl"),
        watcher=watcher,
    )
