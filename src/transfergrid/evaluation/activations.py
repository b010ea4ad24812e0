"""Store activations of one state of a network: few positions of many images, all layers at once.

All states of a place see the same images at the same positions, each with the preprocessing that
its weights expect. The receipt is written last; a job that was killed starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.stacked import Stacked
from transfergrid.data.store import Images, Split, open_split, read_card, verify_pixels
from transfergrid.evaluation.activation_files import ROWS, Layer, write_receipt
from transfergrid.evaluation.archives import write_arrays
from transfergrid.evaluation.inference import BATCH_SIZE, outputs_of, to_device
from transfergrid.models.initial import SourceDiverged, initial_model, source_sha256
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.taps import Shape, Taps
from transfergrid.models.trained import Trained
from transfergrid.models.zoo import build
from transfergrid.planning.layers import ROWS_PER_CHANNEL, positions_per_image
from transfergrid.planning.naming import cell_name, fold_of
from transfergrid.planning.paths import (
    activations_directory,
    cache_directory,
    cell_directory,
)
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded, sha256_file
from transfergrid.runtime.progress import progress
from transfergrid.tasks.learn.kind import learn_half

_TRIED = 2
Start = Callable[[nn.Module, Normalise, Mapping[str, Any], Path, Callable[[], None]], None]


def record_activations(
    state_id: str,
    made_from: Mapping[str, Any],
    results: Path,
    device: str,
    check: Callable[[], None] = lambda: None,
    start: Start = lambda *_: None,
) -> None:
    """Compute and store the activations of a state.

    If the cell whose weights are asked for diverged, there are none, and the receipt says so.

    Args:
        state_id: Its id.
        made_from: What `transfergrid.planning.states.State` holds.
        results: The folder of all outputs; the cache and the weights must be there.
        device: "cpu", "cuda" or "cuda:<n>".
        check: Called before every batch; may raise to end the work.
        start: What a training does to initial weights before its first step, such as
            `transfergrid.training.starts.calibrate_start`.

    Raises:
        UserError: The split has no images, the network lacks a layer, or cache or weights cannot
            be used.
    """
    folder, where = activations_directory(state_id, results), torch.device(device)
    spec = _spec_of(made_from, results)
    fold = fold_of(spec) if spec else _number(made_from["fold"])
    probe, cache = made_from["probe"], cache_directory(made_from["dataset"], results)
    about = {"images": probe["images"], "content_sha256": read_card(cache, fold).content_sha256}
    try:
        network, normalise, weights = _opened(spec, made_from, results, where, start, check)
    except SourceDiverged:
        write_receipt(folder, {**about, "status": "diverged", "layers": [], "files": {}})
        return
    split = open_split(cache, probe["images"], fold)
    if not len(split.images):
        raise UserError(
            f"data set {made_from['dataset']} has no {probe['images']} images, so no activations "
            "can be stored; name another split in similarity.images."
        )
    pixels = verify_pixels(cache, split)
    chosen = _chosen(len(split.images), int(probe["rows"]), int(probe["seed"]))
    names = None if probe["layers"] == "stages" else tuple(probe["layers"])
    layers = _fill(folder, network, normalise, split, chosen, probe, names, where, check)
    # What is published was made of the bytes that were written.
    pixels.wait()
    files = {name: sha256_file(folder / name) for name in (ROWS, *(one.file for one in layers))}
    done = {"status": "finished", "weights": weights, "layers": [vars(one) for one in layers]}
    write_receipt(folder, {**about, **done, "device": where.type, "files": files})


def _spec_of(made_from: Mapping[str, Any], results: Path) -> dict[str, Any] | None:
    """Return the specification of the cell whose checkpoint the state is; None if initial."""
    cell = made_from.get("cell")
    return read_spec(cell_directory(cell, results) / SPEC) if cell else None


def _number(fold: Any) -> int | None:
    return None if fold is None else int(fold)


def _opened(
    spec: Mapping[str, Any] | None,
    made_from: Mapping[str, Any],
    results: Path,
    device: torch.device,
    start: Start,
    check: Callable[[], None],
) -> tuple[nn.Module, Normalise, str | None]:
    """Return a state's network, its input, and the SHA-256 of the checkpoint that was loaded."""
    if spec:
        return _final(spec, results, device)
    network, normalise, proof = _initial(made_from, results, device)
    start(network, normalise, {**made_from, "proof": proof}, results, check)
    return network, normalise, source_sha256(made_from["weights"], results)


def _initial(
    made_from: Mapping[str, Any], results: Path, device: torch.device
) -> tuple[nn.Module, Normalise, dict[str, Any]]:
    """Return a network with initial weights, its input, and the proof of what was loaded."""
    spec = {
        **{key: made_from[key] for key in ("architecture", "weights")},
        "cell": {"truncation": made_from["truncation"]},
        "seed": made_from["seed"] or 0,
    }
    network, preprocessing, proof = initial_model(spec, results, outputs=1)
    return to_device(network, device).eval(), Normalise(preprocessing, device), proof


def _final(
    spec: Mapping[str, Any], results: Path, device: torch.device
) -> tuple[nn.Module, Normalise, str | None]:
    """Return a cell's network with its best checkpoint, its input, and the file's SHA-256.

    Raises:
        SourceDiverged: The cell diverged.
    """
    name = cell_name(spec)
    cell = Trained.of(cell_directory(name, results))
    best = cell.best()
    if best is None:
        raise SourceDiverged(f"cell {name} diverged and has no checkpoint.")
    cache = cache_directory(spec["dataset"]["id"], results)
    card = read_card(cache, fold_of(spec))
    tasks, task = len(card.tasks), learn_half(card.task_kind, spec)
    network = build(
        spec["architecture"], task.outputs(tasks), spec["cell"]["truncation"], spec["seed"]
    )
    network = task.complete(network, tasks, spec["seed"])
    network.load_state_dict(cell.tensors(best), strict=True)
    preprocessing = Preprocessing.from_dict(cell.json("proof.json")["preprocessing"])
    digest = cell.files[f"checkpoints/{best}"]
    return to_device(network, device).eval(), Normalise(preprocessing, device), digest


def _chosen(count: int, rows: int, seed: int) -> NDArray[np.int64]:
    """Return which images are seen, in order: all, or as many as rows may be stored."""
    if count <= rows:
        return np.arange(count)
    draw = np.random.default_rng(seeded("activations", seed, "images"))
    return np.sort(draw.choice(count, rows, replace=False))


def _fill(
    folder: Path,
    network: nn.Module,
    normalise: Callable[[Tensor], Tensor],
    split: Split,
    chosen: NDArray[np.int64],
    probe: Mapping[str, Any],
    names: tuple[str, ...] | None,
    device: torch.device,
    check: Callable[[], None],
) -> list[Layer]:
    """Write a file for each layer, and one of the rows' images and positions."""
    whole = len(chosen) == len(split.images)
    images: Images = split.images if whole else Stacked([split.images], [chosen])  # type: ignore[list-item]
    with Taps(network, names) as taps:
        shapes = taps.shapes(normalise(torch.from_numpy(np.array(images[:_TRIED])).to(device)))
        layers = [
            _layer(name, shape, len(images), int(probe["rows"])) for name, shape in shapes.items()
        ]
        places = {one.name: _positions(one, len(images), int(probe["seed"])) for one in layers}
        into = {
            one.name: np.empty((len(images) * one.positions, one.channels), np.float32)
            for one in layers
        }
        on_device = {name: torch.from_numpy(one).to(device) for name, one in places.items()}
        taps.fill(on_device, into)

        def passed(output: Tensor, rows: slice) -> Tensor:
            # Called once these rows have passed: the next batch, or half of one, starts there.
            taps.first = rows.stop
            return output[:, :0]

        batches = outputs_of([network], normalise, images, BATCH_SIZE, device, check, passed)
        for _ in progress(batches, -(-len(images) // BATCH_SIZE), "activations"):
            pass
    for one in layers:
        with replacing(folder / one.file) as temporary, open(temporary, "wb") as file:
            np.save(file, into[one.name], allow_pickle=False)
    _write_rows(folder, split, chosen, layers, places)
    return layers


def _layer(name: str, shape: Shape, images: int, rows: int) -> Layer:
    channels, height, width = shape
    positions = positions_per_image(images, channels, height * width, rows)
    short = images * positions < ROWS_PER_CHANNEL * channels
    return Layer(name, channels, height, width, positions, short)


def _positions(layer: Layer, images: int, seed: int) -> NDArray[np.int64]:
    """Return (images, positions) of a layer's map, those of an image rising and different.

    They depend on the layer's name and size alone, so that all states of a place share them.
    """
    area = layer.height * layer.width
    draw = np.random.default_rng(seeded("activations", seed, layer.name, area))
    if layer.positions == 1:
        return draw.integers(0, area, (images, 1))
    rows = [draw.choice(area, layer.positions, replace=False) for _ in range(images)]
    return np.sort(np.stack(rows), axis=1)


def _write_rows(
    folder: Path,
    split: Split,
    chosen: NDArray[np.int64],
    layers: list[Layer],
    places: Mapping[str, NDArray[np.int64]],
) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "image_row": chosen,
        "image_id": split.image_id[chosen],
        "patient_id": split.patient_id[chosen],
    }
    for one in layers:
        arrays[f"{one.name}_y"], arrays[f"{one.name}_x"] = np.divmod(places[one.name], one.width)
    write_arrays(folder / ROWS, arrays)
