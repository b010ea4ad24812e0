"""Class activation maps of a cell's best checkpoint, and how well they point at signs.

A network that ends in average pooling and a linear layer gives its map exactly: the last feature
map times the layer's weights (CAM, Zhou et al. 2016). Its mean plus the bias is the logit, and it
equals Grad-CAM (Selvaraju et al. 2017) times the number of pixels, before that is rectified.
Whether a network is of that kind is found by computing its logits both ways, not by its name.

Regions are taken from the rectified map. The highest point is not: even a map that says no to the
whole film, as may happen for a rare sign, has a place where it says so least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from transfergrid.data.regions import Regions, true_regions
from transfergrid.data.store import Card, Split, open_split, read_card, verify_pixels
from transfergrid.evaluation.cam_record import CamRecord, empty_record
from transfergrid.evaluation.inference import to_device
from transfergrid.evaluation.localisation import first_positives, overlap, points_inside, region
from transfergrid.evaluation.selection import select
from transfergrid.metrics.estimate import Estimator
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.trained import Trained
from transfergrid.models.zoo import build, head_of
from transfergrid.planning.naming import cell_name, fold_of
from transfergrid.planning.task_names import mapped_tasks
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded
from transfergrid.tasks.score.kind import score_half

BATCH_SIZE = 16
"""Images processed at once: their maps are enlarged to the images' size, for every task."""
RANDOM_MAPS = 5
"""Number of random maps with which every mark is compared."""
TOLERANCE = 1e-3
"""Largest difference between logits, relative to their spread, that counts as rounding."""


@dataclass(frozen=True)
class Maps:
    """Class activation maps of some images.

    Attributes:
        maps: (B, T, h, w) float32, not rectified.
        logits: (B, outputs) float32.
        method: "CAM" or "Grad-CAM".
    """

    maps: Tensor
    logits: Tensor
    method: str


@dataclass(frozen=True)
class Film:
    """The map shown for one film: rectified and scaled, with its peak and the probability."""

    values: NDArray[np.float16]
    peak: tuple[int, int]
    chance: float


def class_maps(model: nn.Module, inputs: Tensor, tasks: Sequence[int]) -> Maps:
    """Return the class activation maps of a network's last feature map.

    Both methods use CAM's scale: Grad-CAM's weights are summed over pixels, not averaged.

    Args:
        model: A network in evaluation mode.
        inputs: (B, 3, H, W) float32.
        tasks: Outputs that get a map.

    Raises:
        UserError: The network has no feature map (B, C, h, w).
    """
    with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
        features, rest = _last_map(model, inputs)
        head: nn.Linear = head_of(model)
        logits = rest(features).float()
        if features.shape[1] == head.in_features:
            by_head = head(features.float().mean((2, 3)))
            error = (by_head - logits).abs().max()
            if error <= TOLERANCE * (logits.abs().max() + 1e-6):
                weights = head.weight[list(tasks)].float()
                maps = torch.einsum("bchw,tc->bthw", features.float(), weights)
                return Maps(maps, logits, "CAM")
    return Maps(_by_gradients(features, rest, tasks), logits, "Grad-CAM")


def _by_gradients(
    features: Tensor, rest: Callable[[Tensor], Tensor], tasks: Sequence[int]
) -> Tensor:
    leaf = features.detach().float().requires_grad_()
    with torch.enable_grad():
        logits = rest(leaf)
        gradients = [
            torch.autograd.grad(logits[:, task].sum(), leaf, retain_graph=True)[0] for task in tasks
        ]
    weights = torch.stack(gradients, dim=1).sum((3, 4))
    return torch.einsum("bchw,btc->bthw", leaf.detach(), weights)


def _last_map(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the last feature map (B, C, h, w), and the function that turns it into logits."""
    body, end = (getattr(model, name, None) for name in ("forward_features", "forward_head"))
    if body is not None and end is not None:
        features: Tensor = body(inputs)
        if features.ndim == 4:
            return features, end
        raise _without_map(model)
    found: list[tuple[nn.Module, Tensor]] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            found.append((module, output))

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise _without_map(model)
    last, features = found[-1]

    def rest(replaced: Tensor) -> Tensor:
        hook = last.register_forward_hook(lambda *_: replaced)
        try:
            logits: Tensor = model(inputs)
            return logits
        finally:
            hook.remove()

    return features, rest


def _without_map(model: nn.Module) -> UserError:
    return UserError(
        f"{type(model).__name__} has no last feature map (channels, height, width), so it has no "
        "class activation map; leave it out with cams.where."
    )


def cam_cell(
    spec: Mapping[str, Any],
    results: Path,
    settings: Mapping[str, Any],
    device: str = "cpu",
    regions: Path | None = None,
) -> CamRecord:
    """Make the maps of one cell's best checkpoint on the test split.

    Args:
        spec: The content of the cell's spec.json.
        results: The folder of all outputs.
        settings: ``films``, how many are shown per task; ``tasks``, names, or None for the scored.
        device: "cpu" or "cuda".
        regions: The file of the data set's true regions, if the user has one.

    Returns:
        The record; without maps if the cell diverged or no checkpoint has a score.

    Raises:
        UserError: A task that the data set lacks, a checkpoint that is missing or was changed, or
            a network without a feature map.
    """
    cell = Trained.of(results / "cells" / cell_name(spec))
    cache = results / "cache" / spec["dataset"]["id"]
    fold = fold_of(spec)
    card = read_card(cache, fold)
    tasks = mapped_tasks(settings.get("tasks"), card)
    index = cell.checkpoints()
    if not index:
        return empty_record("diverged")
    scores = [c["valid_score"] for c in index]
    if all(score is None or np.isnan(score) for score in scores):
        return empty_record("no checkpoint has a validation score")
    steps = [c["step"] for c in index]
    sign = Estimator.of(spec["metric"]).sign
    best = index[int(select("best", steps, scores, np.zeros((len(steps), 1)), sign)[0, 0])]
    where = torch.device(device)
    model = _load(spec, cell, best["file"], len(card.tasks), where)
    proof = cell.json("proof.json")
    normalise = Normalise(Preprocessing.from_dict(proof["preprocessing"]), where)
    split = open_split(cache, "test", fold)
    pixels = verify_pixels(cache, split)
    truth = true_regions(spec["dataset"], regions)
    if truth is not None:
        truth.check(split.image_id)
    films = int(settings["films"])
    record = _record(model, normalise, split, card, truth, tasks, films, best, where)
    pixels.wait()
    return record


def _load(
    spec: Mapping[str, Any], cell: Trained, file: str, outputs: int, device: torch.device
) -> nn.Module:
    model = build(spec["architecture"], outputs, spec["cell"]["truncation"], spec["seed"])
    model.load_state_dict(cell.tensors(file), strict=True)
    return to_device(model, device).eval()


def _record(
    model: nn.Module,
    normalise: Normalise,
    split: Split,
    card: Card,
    truth: Regions | None,
    tasks: Sequence[str],
    count: int,
    best: Mapping[str, Any],
    device: torch.device,
) -> CamRecord:
    columns = [card.tasks.index(task) for task in tasks]
    positive = split.labels[:, columns] == 1
    regions = _regions(split, tasks, positive, truth)
    shown: set[tuple[int, int]] = set()
    for t in range(len(tasks)):
        # If regions are known, a film that hides the sign has nothing to be judged by.
        pool = [(i, t) in regions for i in range(len(positive))] if regions else positive[:, t]
        shown |= {(int(i), t) for i in first_positives(pool, split.image_id, count)}
    rows = sorted({i for i, _ in shown | regions.keys()})
    px = card.image_px
    films: dict[tuple[int, int], Film] = {}
    marks: list[tuple[Any, ...]] = []
    size, method = (0, 0), ""
    for start in range(0, len(rows), BATCH_SIZE):
        batch = rows[start : start + BATCH_SIZE]
        found = class_maps(
            model, normalise(torch.from_numpy(split.images[batch]).to(device)), columns
        )
        size, method = (int(found.maps.shape[2]), int(found.maps.shape[3])), found.method
        rectified = found.maps.clamp(min=0)
        raw, high = _enlarged(found.maps, px), _enlarged(rectified, px)
        chances = score_half(card.task_kind).probabilities(found.logits.cpu().numpy())
        for b, i in enumerate(batch):
            for t in range(len(tasks)):
                if (i, t) in shown:
                    peak = np.unravel_index(int(np.argmax(raw[b, t])), (px, px))
                    chance = float(chances[b, columns[t]])
                    films[i, t] = Film(
                        _scaled(rectified[b, t]), (int(peak[0]), int(peak[1])), chance
                    )
            true = {t: regions[i, t] for t in range(len(tasks)) if (i, t) in regions}
            if true:
                noise = _random_maps(str(split.image_id[i]), size, px)
                marks += [
                    (i, t, *_mark(raw[b, t], high[b, t], noise, mask)) for t, mask in true.items()
                ]
    order = sorted(films, key=lambda pair: (pair[1], split.image_id[pair[0]]))
    return _assembled(split, tasks, regions, films, order, marks, size, method, int(best["step"]))


def _regions(
    split: Split, tasks: Sequence[str], positive: NDArray, truth: Regions | None
) -> dict[tuple[int, int], NDArray[np.bool_]]:
    """Return the true region of each (image, task) that has one."""
    if truth is None:
        return {}
    pairs = [(int(i), int(t)) for i, t in np.argwhere(positive)]
    found = {(i, t): truth.find(str(split.image_id[i]), tasks[t]) for i, t in pairs}
    return {pair: mask for pair, mask in found.items() if mask is not None}


def _enlarged(maps: Tensor, px: int) -> NDArray[np.float32]:
    large: NDArray[np.float32] = (
        interpolate(maps, (px, px), mode="bilinear", align_corners=False).cpu().numpy()
    )
    return large


def _scaled(values: Tensor) -> NDArray[np.float16]:
    array = values.cpu().numpy()
    return (array / max(float(array.max()), 1e-12)).astype(np.float16)


def _random_maps(image_id: str, size: tuple[int, int], px: int) -> list[NDArray]:
    """Return random maps of a resolution, the same for every cell that has it."""
    draw = np.random.default_rng(seeded("cam", image_id))
    noise = torch.from_numpy(draw.random((1, RANDOM_MAPS, *size), dtype=np.float32))
    return list(_enlarged(noise, px)[0])


def _mark(
    raw: NDArray, rectified: NDArray, noise: Sequence[NDArray], true: NDArray[np.bool_]
) -> tuple[float, ...]:
    return (
        float(points_inside(raw, true)),
        overlap(region(rectified), true),
        float(rectified.max() <= 0),
        float(np.mean([points_inside(other, true) for other in noise])),
        float(np.mean([overlap(region(other), true) for other in noise])),
    )


def _assembled(
    split: Split,
    tasks: Sequence[str],
    regions: Mapping[tuple[int, int], NDArray[np.bool_]],
    films: Mapping[tuple[int, int], Film],
    order: Sequence[tuple[int, int]],
    marks: Sequence[tuple[Any, ...]],
    size: tuple[int, int],
    method: str,
    step: int,
) -> CamRecord:
    names = np.asarray(tasks, dtype=np.str_)
    shown = [i for i, _ in order]
    pixels = split.images[shown]
    nothing = np.zeros(pixels.shape[1:3], dtype=np.bool_)
    images = np.asarray([mark[0] for mark in marks], dtype=np.int64)
    numbers = np.asarray([mark[2:] for mark in marks], dtype=np.float32).reshape(-1, 5)
    return CamRecord(
        status="finished",
        method=method,
        step=step,
        film_image=split.image_id[shown],
        film_task=names[[t for _, t in order]],
        film_pixels=np.asarray(pixels),
        film_truth=np.asarray([regions.get(pair, nothing) for pair in order], dtype=np.bool_),
        film_map=np.asarray([films[pair].values for pair in order], dtype=np.float16),
        film_peak=np.asarray([films[pair].peak for pair in order], dtype=np.int64).reshape(-1, 2),
        film_probability=np.asarray([films[pair].chance for pair in order], dtype=np.float32),
        mark_image=split.image_id[images],
        mark_patient=split.patient_id[images],
        mark_task=names[np.asarray([mark[1] for mark in marks], dtype=np.int64)],
        hit=numbers[:, 0],
        iou=numbers[:, 1],
        blank=numbers[:, 2],
        random_hit=numbers[:, 3],
        random_iou=numbers[:, 4],
        map_px=np.asarray(size, dtype=np.int64),
    )
