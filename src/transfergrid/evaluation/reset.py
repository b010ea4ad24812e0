"""Score a trained network with one layer at a time put back to its start."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.store import Card, Split, open_split, read_card, verify_pixels
from transfergrid.evaluation.inference import BATCH_SIZE, predict_each, to_device
from transfergrid.evaluation.retraced import FINISHED, START_LOST, Retraced, retrace
from transfergrid.evaluation.scores import Scores, write_scores
from transfergrid.evaluation.weighing_files import RESETS, write_measured
from transfergrid.models.initial import SourceDiverged
from transfergrid.models.normalise import Normalise
from transfergrid.models.parts import HEAD, Parts
from transfergrid.planning.ends import INITIAL, SOURCE, calibrated_start, weighings_directory
from transfergrid.planning.naming import fold_of
from transfergrid.planning.paths import cache_directory
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.progress import progress

WEIGHTS_BYTES = 2**32
"""Networks held in memory at once; they share one pass over the images."""
UNTOUCHED = ""
"""In the place of a layer: the network as it was trained."""

Start = Callable[[nn.Module, Normalise, Mapping[str, Any], Path, Callable[[], None]], None]
Variant = tuple[str, str]
"""The layer that is put back (`UNTOUCHED` for none), and to what."""


def record_reset(
    weighing_id: str,
    made_from: Mapping[str, Any],
    results: Path,
    device: str,
    check: Callable[[], None] = lambda: None,
    start: Start = lambda *_: None,
) -> None:
    """Score a cell's best checkpoint whole and with each layer put back; write the receipt.

    A layer is put back whole: its weights, and the running statistics of its norms. The others
    stay as they were trained. Where drawn weights took statistics of the training images before
    they learned, these are what a layer is put back to.

    Args:
        weighing_id: Its id.
        made_from: What `transfergrid.planning.weighings.Weighing` holds.
        results: The folder of all outputs; the cache and the initial weights must be there.
        device: "cpu", "cuda" or "cuda:<n>".
        check: Called before every batch; may raise to end the work.
        start: What a training does to initial weights before its first step, such as
            `transfergrid.training.starts.calibrate_start`.

    Raises:
        UserError: The split has no images, or a file is not what was written.
    """
    folder, where = weighings_directory(weighing_id, results), torch.device(device)
    ends = _begun(retrace(made_from["cell"], results), results, where, start, check)
    if isinstance(ends, str):
        write_measured(folder, {"status": ends, "variants": [], "not_finite": [], "files": {}})
        return
    cache, fold = cache_directory(ends.spec["dataset"]["id"], results), fold_of(ends.spec)
    card, split = read_card(cache, fold), open_split(cache, made_from["images"], fold)
    if not len(split.images):
        raise UserError(
            f"data set {ends.spec['dataset']['id']} has no {made_from['images']} images to score "
            "networks on; name another split in weights.reset.images."
        )
    pixels = verify_pixels(cache, split)
    variants = variants_of(ends, made_from["to"], results)
    logits = _logits(ends, list(variants.values()), split, where, check)
    finite = np.array([bool(np.isfinite(one).all()) for one in logits])
    write_scores(folder / RESETS, _scores(logits[finite], split, card))
    pixels.wait()
    done = {"status": FINISHED, "checkpoint": ends.checkpoint, "device": where.type}
    lost = [name for name, whole in zip(variants, finite, strict=True) if not whole]
    made = {"variants": list(variants), "not_finite": lost}
    files = {RESETS: sha256_file(folder / RESETS)}
    write_measured(folder, {**done, **made, "files": files})


def _begun(
    ends: Retraced | str,
    results: Path,
    device: torch.device,
    start: Start,
    check: Callable[[], None],
) -> Retraced | str:
    """Return both ends, the start as the first step found it: with calibrated batch norms."""
    used = None if isinstance(ends, str) else calibrated_start(ends.spec["recipe"])
    if isinstance(ends, str) or used is None:
        return ends
    about = {"dataset": ends.spec["dataset"]["id"], "fold": fold_of(ends.spec)}
    seen = {**about, "seed": ends.spec["seed"], "calibrated": used, "proof": ends.proof}
    network = to_device(copy.deepcopy(ends.network), device).eval()
    try:
        start(network, Normalise(ends.preprocessing, device), seen, results, check)
    except SourceDiverged:
        return START_LOST
    return replace(ends, start={name: one.cpu() for name, one in network.state_dict().items()})


def _logits(
    ends: Retraced,
    variants: Sequence[Mapping[str, Tensor]],
    split: Split,
    device: torch.device,
    check: Callable[[], None],
) -> NDArray[np.float32]:
    """Return (variant, image, task) logits; as many variants as fit into memory share a pass."""
    normalise, keep = Normalise(ends.preprocessing, device), ends.task.keep(split)
    together = max(1, WEIGHTS_BYTES // sum(4 * tensor.numel() for tensor in ends.end.values()))
    parts = []
    starts = range(0, len(variants), together)
    for start in progress(starts, len(starts), "passes"):
        models = [_network(ends.network, one, device) for one in variants[start : start + together]]
        settings = (BATCH_SIZE, device, check, keep)
        parts.append(predict_each(models, normalise, split.images, *settings))
        del models  # otherwise they would stay in memory beside the next ones
    return np.concatenate(parts)


def _scores(logits: NDArray[np.float32], split: Split, card: Card) -> Scores:
    """Return variants' logits as those of checkpoints, in their order."""
    count = len(logits)
    return Scores(
        logits=logits,
        labels=split.labels,
        image_id=split.image_id,
        study_id=split.study_id,
        patient_id=split.patient_id,
        task=np.asarray(card.tasks, dtype=np.str_),
        step=np.arange(count, dtype=np.int64),
        valid_score=np.full(count, np.nan),
        task_kind=card.task_kind,
        aggregate=card.aggregate,
    )


def variants_of(
    ends: Retraced, to: list[str], results: Path
) -> dict[Variant, Mapping[str, Tensor]]:
    """Return the tensors of the trained network and of each layer put back, by variant.

    Args:
        ends: The network at both ends.
        to: What layers are put back to: `INITIAL`, `SOURCE`, or both.
        results: Root of all outputs.
    """
    layers = Parts.of(ends.network).layers
    found: dict[Variant, Mapping[str, Tensor]] = {(UNTOUCHED, ""): ends.end}
    for end, tensors in _ends(ends, to, results):
        for layer, names in layers.items():
            if layer != HEAD or end == INITIAL:  # no source has this classifier
                found[(layer, end)] = {**ends.end, **{name: tensors[name] for name in names}}
    return found


def _ends(
    ends: Retraced, to: list[str], results: Path
) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    if INITIAL in to:
        yield INITIAL, ends.start
    source = ends.source(results) if SOURCE in to else None
    if source is not None:
        yield SOURCE, source


def _network(network: nn.Module, tensors: Mapping[str, Tensor], device: torch.device) -> nn.Module:
    model = copy.deepcopy(network)
    model.load_state_dict(tensors, strict=True)
    return to_device(model, device)
