"""Everything that a training needs, made from its spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from transfergrid.data.store import (
    Card,
    Images,
    Split,
    file_of_test,
    open_split,
    read_card,
    verify_pixels,
)
from transfergrid.evaluation.features import Features
from transfergrid.evaluation.inference import to_device
from transfergrid.metrics.estimate import Estimator
from transfergrid.models.initial import initial_model, is_drawn
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.norms import check_calibration
from transfergrid.models.prefix import Tail, as_input
from transfergrid.models.zoo import new_layers
from transfergrid.planning.naming import fold_of
from transfergrid.planning.prefix import Prefix
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.verified import Verification, Verifications
from transfergrid.runtime.watcher import Watcher
from transfergrid.tasks.learn.kind import LearnHalf, learn_half
from transfergrid.training.batches import Order, orders_of
from transfergrid.training.checkpoints import Checkpoints
from transfergrid.training.freezing import never_learned
from transfergrid.training.history import History
from transfergrid.training.numerics import keep_float32
from transfergrid.training.subsets import (
    held_out,
    split_off,
    used_rows,
)
from transfergrid.training.view import View


@dataclass(frozen=True)
class Stored:
    """What frozen layers made of a job's images.

    Attributes:
        prefix: The layers.
        train: The training split's, row for row.
        valid: The validation split's.
    """

    prefix: Prefix
    train: Images
    valid: Images


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
        train: The training split.
        target: What is learned, a row for each image of `train`.
        redrawn_from: The range from which uncertain labels are drawn anew in each epoch; None where
            all labels stay as they are.
        valid: The validation split.
        stored: What is stored of the images for a phase, by its number; others see the pixels.
        truncation: Blocks that the network lacks.
        pixels: Compares pixels and stored features with what was written, while they are used.
        orders: The order of the steps of each phase.
        model: The network on `device`.
        proof: Of its initial weights, as in proof.json.
        normalise: From stored images to the network's input.
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
    train: Split
    target: NDArray[Any]
    redrawn_from: tuple[float, float] | None
    valid: Split
    stored: Mapping[int, Stored]
    truncation: int
    pixels: Verifications
    orders: tuple[Order, ...]
    model: nn.Module
    proof: Mapping[str, Any]
    normalise: Normalise
    checkpoints: Checkpoints
    history: History
    watcher: Watcher

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) rows of the training split that are used, rising."""
        return self.orders[0].rows

    def view(self, index: int) -> tuple[View, View]:
        """Return what a phase is shown of the training and of the validation split."""
        stored = self.stored.get(index)
        if stored is not None:
            tail = Tail(self.model, stored.prefix, self.truncation)
            return View(stored.train, as_input, tail), View(stored.valid, as_input, tail)
        return (
            View(self.train.images, self.normalise, self.model),
            View(self.valid.images, self.normalise, self.model),
        )


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
    cache, fold = results / "cache" / spec["dataset"]["id"], fold_of(spec)
    card = read_card(cache, fold)
    train, valid = open_split(cache, "train", fold), open_split(cache, "valid", fold)
    held = held_out(train.patient_id, recipe.holdout) if recipe.holdout else None
    valid = valid if held is None else split_off(train, held)
    task, seed = learn_half(card.task_kind, spec), spec["seed"]
    if recipe.train_patients is not None and card.patients == "unknown":
        each = "image" if card.studies == "unknown" else "study"
        watcher.say(f"patients are unknown: each {each} counts as one of train_patients")
    model, preprocessing, proof = _network(spec, results, folder, task, len(card.tasks))
    if recipe.calibrated_phase is not None:
        check_calibration(model, keeps_function(recipe, proof))
    frozen = never_learned(model, recipe.phases)  # refuses before the first step, not after hours
    to_device(model, device)
    stored, verifications = _open_stored(spec, results, card, train, valid, held, proof)
    if len(stored) < len(recipe.phases):
        verifications.append(verify_pixels(cache, train, valid))
    return Job(
        folder=folder,
        seed=seed,
        recipe=recipe,
        device=device,
        micro_batch=micro_batch,
        card=card,
        task=task,
        metric=metric,
        train=train,
        target=task.target(train),
        redrawn_from=_redrawn_from(spec, recipe),
        valid=valid,
        stored=stored,
        truncation=int(spec["cell"]["truncation"]),
        pixels=Verifications(verifications),
        orders=orders_of(recipe, used_rows(recipe.to_dict(), train.patient_id, held, seed), seed),
        model=model,
        proof=proof,
        normalise=Normalise(preprocessing, device),
        checkpoints=Checkpoints(
            folder / "checkpoints", recipe.keep_checkpoints, metric.name, metric.sign, frozen
        ),
        history=History(folder / "history.jsonl"),
        watcher=watcher,
    )


def keeps_function(recipe: Recipe, proof: Mapping[str, Any]) -> bool:
    """Tell whether a network goes on computing what it does when its norms are calibrated.

    There is nothing to keep of what it computes with weights that are drawn and never trained.

    Args:
        recipe: How it is trained.
        proof: Of its initial weights.
    """
    return recipe.calibrated_phase != 0 or not is_drawn(proof)


def _redrawn_from(spec: Mapping[str, Any], recipe: Recipe) -> tuple[float, float] | None:
    if not recipe.redraw_uncertain:
        return None
    low, high = spec["dataset"]["smooth_range"]
    return float(low), float(high)


def _network(
    spec: Mapping[str, Any], results: Path, folder: Path, task: LearnHalf, tasks: int
) -> tuple[nn.Module, Preprocessing, dict[str, Any]]:
    """Return the network, what its input is, and proof of its weights, which is written."""
    model, preprocessing, proof = initial_model(spec, results, task.outputs(tasks))
    write_json(folder / "proof.json", proof)
    model = task.complete(model, tasks, spec["seed"])
    keep_float32(new_layers(model)[-1])
    return model, preprocessing, proof


def _open_stored(
    spec: Mapping[str, Any],
    results: Path,
    card: Card,
    train: Split,
    valid: Split,
    held: NDArray[np.bool_] | None,
    proof: Mapping[str, Any],
) -> tuple[dict[int, Stored], list[Verification]]:
    """Open the stored features that phases have in place of pixels, and start to compare them.

    Args:
        spec: The cell's specification.
        results: Root of all outputs.
        card: The data set's card.
        train: The training split.
        valid: What validation uses.
        held: Which training images these are; None if they are the validation split.
        proof: Of the cell's initial weights.

    Returns:
        What is stored by number of the phase, and the verifications.

    Raises:
        UserError: Features are missing, or are not for these images and weights.
    """
    closed = file_of_test(fold_of(spec))
    stored, verifications = {}, []
    for phase, features_id in spec.get("features", {}).items():
        features = Features.of(features_id, results, card)
        features.check(proof)
        images = features.rows_of(train, closed)
        validated = (
            features.rows_of(valid, closed)
            if held is None
            else split_off(replace(train, images=images), held).images
        )
        stored[int(phase)] = Stored(features.prefix, images, validated)
        verifications.append(features.verify([*train.files, *valid.files]))
    return stored, verifications
