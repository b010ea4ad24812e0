"""Score a finished cell's checkpoints on the films of another hospital."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from transfergrid.data.store import (
    SPLITS,
    Card,
    Split,
    image_files,
    open_split,
    read_card,
    verify_pixels,
)
from transfergrid.evaluation.external_files import External, write_external
from transfergrid.evaluation.inference import batch_of, predict_each
from transfergrid.evaluation.kept_card import card_of
from transfergrid.evaluation.predict import WEIGHTS_BYTES, networks_of
from transfergrid.evaluation.scores import Scores
from transfergrid.models.trained import Trained
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.paths import cache_directory, cell_directory
from transfergrid.planning.records import read_kept
from transfergrid.planning.task_names import common_tasks
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.progress import progress
from transfergrid.tasks.learn.kind import learn_half

_EVERY = "all"


def record_external(
    external_id: str,
    made_from: Mapping[str, Any],
    spec: Mapping[str, Any],
    results: Path,
    device: str = "cpu",
    check: Callable[[], None] = lambda: None,
) -> None:
    """Score every kept checkpoint of a cell on another data set; write scores and receipt.

    Args:
        external_id: Id of the measurement.
        made_from: What `transfergrid.planning.external` says of it.
        spec: The content of the cell's spec.json.
        results: The folder of all outputs; the other data set's cache must be there.
        device: "cpu", "cuda" or "cuda:<n>".
        check: Called before every batch; may raise to end the work.

    Raises:
        UserError: The cell is not trained, the data sets have no task in common, their films were
            not brought to one form, or a file is not what was written.
    """
    folder = cell_directory(made_from["cell"], results)
    cell, own = Trained.of(folder), card_of(read_kept(folder, "card.json"))
    cache = cache_directory(made_from["dataset"], results)
    card, splits = open_films(cache, made_from["split"])
    tasks = common_tasks(own, card, made_from)
    _check_form(own, card, made_from)
    pixels = verify_pixels(cache, *splits)
    logits = _logits(spec, cell, own, splits, torch.device(device), check)
    pixels.wait()
    scores = _scores(cell, own, card, splits, logits, tasks)
    told = {"synthetic": card.synthetic, "patients": card.patients}
    left_out = tuple(task for task in own.score_tasks if task not in tasks)
    write_external(weighings_directory(external_id, results), External(scores, told, left_out))


def open_films(cache: Path, split: str) -> tuple[Card, list[Split]]:
    """Open the films of a data set that are tested on.

    Args:
        cache: Folder of its cache.
        split: "test", or "all" for every film; the parts of folds are then films like any other.

    Returns:
        Its card, and its films in parts.

    Raises:
        UserError: The cache is incomplete or damaged, or its folds have no test split.
    """
    if split != _EVERY:
        return read_card(cache), [open_split(cache, split)]
    folds = sum(name.startswith("part") for name in image_files(cache))
    if not folds:
        return read_card(cache), [open_split(cache, name) for name in SPLITS]
    # What a fold tests on has its true labels, whatever others learn from them.
    return read_card(cache, 0), [open_split(cache, "test", fold) for fold in range(folds)]


def _check_form(own: Card, card: Card, made_from: Mapping[str, Any]) -> None:
    """Refuse films that were not brought to the form in which the cell learned its own."""
    for key in ("image_px", "resize", "channels", "aggregate"):
        if getattr(own, key) != getattr(card, key):
            raise UserError(
                f"cell {made_from['cell']} learned films with {key} {getattr(own, key)}, and "
                f"'{made_from['tested_on']}' was prepared with {getattr(card, key)}; give both "
                "data sets the same and run snakemake again."
            )


def _logits(
    spec: Mapping[str, Any],
    cell: Trained,
    own: Card,
    splits: Sequence[Split],
    device: torch.device,
    check: Callable[[], None],
) -> NDArray[np.float32]:
    """Return (checkpoint, image, task) logits on all films, one part after the other."""
    names = [str(checkpoint["file"]) for checkpoint in cell.checkpoints()]
    if not names:
        return np.zeros((0, sum(len(one.images) for one in splits), len(own.tasks)), np.float32)
    load, normalise = networks_of(spec, cell, own, None, device)
    task = learn_half(own.task_kind, spec)
    together = max(1, WEIGHTS_BYTES // max(map(cell.bytes_of, names)))
    starts = range(0, len(names), together)
    passes = []
    for start in progress(starts, len(starts), "passes"):
        models = [load(name) for name in names[start : start + together]]
        parts = [
            predict_each(
                models, normalise, films.images, batch_of(task), device, check, task.keep(films)
            )
            for films in splits
            if len(films.images)
        ]
        passes.append(np.concatenate(parts, axis=1))
        del models  # otherwise they would stay in memory beside the next ones
    return np.concatenate(passes)


def _scores(
    cell: Trained,
    own: Card,
    card: Card,
    splits: Sequence[Split],
    logits: NDArray[np.float32],
    tasks: Sequence[str],
) -> Scores:
    labels = np.concatenate([one.labels for one in splits])
    labels = labels[:, [card.tasks.index(task) for task in tasks]]
    checkpoints = cell.checkpoints()
    return Scores(
        logits=np.ascontiguousarray(logits[:, :, [own.tasks.index(task) for task in tasks]]),
        # A label that training softens is one that nobody knew.
        labels=np.where(np.isin(labels, (0, 1)), labels, np.nan).astype(np.float32),
        image_id=np.concatenate([one.image_id for one in splits]),
        study_id=np.concatenate([one.study_id for one in splits]),
        patient_id=np.concatenate([one.patient_id for one in splits]),
        task=np.asarray(tasks, dtype=np.str_),
        step=np.asarray([one["step"] for one in checkpoints], dtype=np.int64),
        valid_score=np.asarray([one["valid_score"] for one in checkpoints], dtype=np.float64),
        task_kind=card.task_kind,
        aggregate=card.aggregate,
    )
