"""From a trained cell's checkpoints to its score files."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.store import Card, Split, open_split, read_card, verify_pixels
from transfergrid.data.unmapped import let_go
from transfergrid.evaluation.features import Features
from transfergrid.evaluation.inference import batch_of, predict_each, to_device
from transfergrid.evaluation.lent import Lent
from transfergrid.evaluation.scores import Scores, write_scores
from transfergrid.evaluation.selection import ranked
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.prefix import Tail, as_input, is_linear, linear
from transfergrid.models.trained import Trained
from transfergrid.models.zoo import build
from transfergrid.planning.naming import cell_name, fold_of
from transfergrid.planning.paths import features_directory
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import SCORED, is_whole
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed
from transfergrid.runtime.watcher import Watcher
from transfergrid.tasks.learn.kind import LearnHalf, learn_half
from transfergrid.tasks.score.kind import stored_numbers

WEIGHTS_BYTES = 2**32
"""Checkpoints held in memory at once; they share one pass over the images."""
MASK_BYTES = 2**24
"""The same of a CPU that scores masks; what is beyond it is loaded at each batch."""
LARGE_PX, LARGE_PIXELS = 256, 512**2
"""Above this side, a CPU that scores masks takes no more pixels a pass: a U-Net's maps of one film
of 512 px are 100 to 200 MB."""
REPORT_SECONDS = 5.0
"""Seconds between reports of progress."""


def score_cell(
    spec: Mapping[str, Any],
    results: str | Path,
    device: str = "cpu",
    splits: Sequence[str] = ("valid", "test"),
    watcher: Watcher | None = None,
    into: Path | None = None,
    receipt: Mapping[str, Any] | None = None,
) -> None:
    """Score every kept checkpoint of a cell on whole splits, and write the receipt.

    Writes ``scores/<split>.npz`` for each split, with no checkpoints if training diverged, and
    ``receipts/evaluate.json`` with the status, the kind of device, the number of the CPU's threads
    and the SHA-256 of each file.

    Args:
        spec: The content of the cell's spec.json.
        results: The folder of all outputs.
        device: "cpu", "cuda" or "cuda:<n>".
        splits: Which splits to score.
        watcher: Is told of progress.
        into: Folder to write to, laid out like the cell's; by default the cell's own.
        receipt: The training's receipt; by default the one in the cell's folder.

    Raises:
        UserError: The cell is not trained, or its files do not match its receipt.
    """
    results = Path(results)
    folder = results / "cells" / cell_name(spec)
    cell = Trained.of(folder) if receipt is None else Trained.by(folder, receipt)
    cache = results / "cache" / spec["dataset"]["id"]
    fold = fold_of(spec)
    card = read_card(cache, fold)
    checkpoints = cell.checkpoints()
    rows = {split: open_split(cache, split, fold) for split in splits}
    features = _features_for(spec, cell, results, card) if checkpoints else None
    bytes_read = (
        verify_pixels(cache, *rows.values())
        if features is None
        else features.verify(name for split in rows.values() for name in split.files)
    )
    where, watcher = torch.device(device), watcher or Watcher()
    logits = _logits(spec, cell, rows, card, features, where, watcher)
    bytes_read.wait()
    files, into = {}, into or cell.folder
    for split in splits:
        name = f"scores/{split}.npz"
        write_scores(into / name, _scores(rows[split], card, logits[split], checkpoints))
        files[name] = sha256_file(into / name)
    # Both may decide the last bits of a score.
    made_with = {"device": where.type, "threads": torch.get_num_threads()}
    write_sealed(into / SCORED, {"status": cell.status, **made_with, "files": files})


def _features_for(
    spec: Mapping[str, Any], cell: Trained, results: Path, card: Card
) -> Features | None:
    """Return the stored features of what is frozen in all phases of a training, if there are.

    If they were removed, or made again with other weights, the whole network computes them as it
    goes.
    """
    phase = Recipe.from_dict(spec["recipe"]).frozen_phase
    found = spec.get("features", {}).get(str(phase))
    if not found or not is_whole(features_directory(found, results)):
        return None
    features = Features.of(found, results, card)
    return features if features.made_with(cell.json("proof.json")) else None


def _logits(
    spec: Mapping[str, Any],
    cell: Trained,
    splits: Mapping[str, Split],
    card: Card,
    features: Features | None,
    device: torch.device,
    watcher: Watcher,
) -> dict[str, NDArray[np.float32]]:
    """Return (checkpoint, image, task) logits by split, or what is stored in their place.

    Of a kind whose stored numbers have no mean, those of the best checkpoints together follow.
    """
    stored = len(stored_numbers(card.task_kind))
    numbers = (stored,) if stored else ()
    names = [checkpoint["file"] for checkpoint in cell.checkpoints()]
    ranking = ranking_of(spec, cell.checkpoints())
    if not names:
        return {
            name: np.zeros((0, len(split.images), len(card.tasks), *numbers), np.float32)
            for name, split in splits.items()
        }
    load, normalise = networks_of(spec, cell, card, features, device)
    task = learn_half(card.task_kind, spec)
    together = max(1, WEIGHTS_BYTES // max(map(cell.bytes_of, names)))
    if stored:  # a mean over checkpoints needs the outputs of all of them
        together = len(names)
    passes = -(-len(names) // together)
    batch = films_a_pass(task, device) if stored else batch_of(task)
    tick = _ticker(watcher, passes * sum(len(split.images) for split in splits.values()), batch)
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in splits}
    for start in range(0, len(names), together):
        own = names[start : start + together]
        models = lent(cell, own, load, device) if stored else [load(name) for name in own]
        for name, split in splits.items():
            free: Callable[[], None] = partial(_free, split, tick) if stored else tick
            keep, settings = task.keep(split), (batch, device, free)
            images = split.images if features is None else features.rows_of(split)
            every = cast(Any, task).keep_together(split, ranking) if stored else None
            parts[name].append(predict_each(models, normalise, images, *settings, keep, every))
        del models  # otherwise they would stay in memory beside the next ones
    return {name: np.concatenate(part) for name, part in parts.items()}


def networks_of(
    spec: Mapping[str, Any],
    cell: Trained,
    card: Card,
    features: Features | None,
    device: torch.device,
) -> tuple[Callable[[str], nn.Module], Callable[[Tensor], Tensor]]:
    """Return what loads a checkpoint's network, and what makes its input of what is stored."""
    pooled = features is not None and features.prefix.pooled
    # A network of one's own may have buffers beside its classifier.
    if pooled and is_linear(cell.learned(cell.checkpoints()[0]["file"])):
        return (lambda file: linear(cell.learned(file)).to(device)), as_input
    proof = cell.json("proof.json")
    normalise = Normalise(Preprocessing.from_dict(proof["preprocessing"]), device)
    truncation, seed = spec["cell"]["truncation"], spec["seed"]
    tasks, task = len(card.tasks), learn_half(card.task_kind, spec)
    network = build(spec["architecture"], task.outputs(tasks), truncation, seed)
    network = task.complete(network, tasks, seed)
    if features is None:
        return (lambda file: _load(network, cell, file, device)), normalise
    prefix = features.prefix
    return (lambda file: Tail(_load(network, cell, file, device), prefix, truncation)), as_input


def lent(
    cell: Trained, files: Sequence[str], load: Callable[[str], nn.Module], device: torch.device
) -> Lent:
    """Return the networks of checkpoints whose outputs are needed together.

    Args:
        cell: The cell.
        files: Its checkpoints.
        load: Makes the network of one.
        device: Where they compute.
    """
    room = MASK_BYTES if device.type == "cpu" else WEIGHTS_BYTES
    sizes = [cell.bytes_of(file) for file in files]
    return Lent(load, lambda net, file: net.load_state_dict(cell.tensors(file)), files, sizes, room)


def films_a_pass(task: LearnHalf, device: torch.device) -> int:
    """Return how many films with masks go through a network at once when cells are scored."""
    batch, px = batch_of(task), int(getattr(task, "px", 0))
    if device.type != "cpu" or px <= LARGE_PX:
        return batch
    return max(1, min(batch, LARGE_PIXELS // px**2))


def _free(split: Split, tick: Callable[[], None]) -> None:
    """Give back what was read of films and masks, then report."""
    let_go(split.images, split.masks)
    tick()


def ranking_of(spec: Mapping[str, Any], checkpoints: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the numbers of the checkpoints, the best one by validation score first."""
    sign = 1.0 if spec["metric"]["higher_is_better"] else -1.0
    scores = sign * np.asarray([c["valid_score"] for c in checkpoints], dtype=np.float64)
    return ranked(scores, np.asarray([c["step"] for c in checkpoints])).tolist()


def _ticker(watcher: Watcher, images: int, batch: int) -> Callable[[], None]:
    """Return a function to call before each batch, which reports how far scoring has come."""
    start = told = time.monotonic()
    batches = 0

    def tick() -> None:
        nonlocal told, batches
        watcher.check()
        now = time.monotonic()
        if now - told >= REPORT_SECONDS:
            told, done = now, min(batches * batch, images)
            rate = max(done, 1) / (now - start)
            step = {"event": "step", "step": done, "steps": images, "images_per_second": rate}
            watcher.report({**step, "seconds_left": (images - done) / rate})
        batches += 1

    return tick


def _load(network: nn.Module, cell: Trained, file: str, device: torch.device) -> nn.Module:
    model = copy.deepcopy(network)
    model.load_state_dict(cell.tensors(file), strict=True)
    return to_device(model, device)


def _scores(
    rows: Split,
    card: Card,
    logits: NDArray[np.float32],
    checkpoints: Sequence[Mapping[str, Any]],
) -> Scores:
    count = len(checkpoints)
    return Scores(
        logits=logits[:count],
        tops=logits[count:] if stored_numbers(card.task_kind) else None,
        labels=rows.labels,
        image_id=rows.image_id,
        study_id=rows.study_id,
        patient_id=rows.patient_id,
        task=np.asarray(card.tasks, dtype=np.str_),
        step=np.asarray([c["step"] for c in checkpoints], dtype=np.int64),
        valid_score=np.asarray([c["valid_score"] for c in checkpoints], dtype=np.float64),
        task_kind=card.task_kind,
        aggregate=card.aggregate,
    )
