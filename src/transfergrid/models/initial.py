"""A cell's network at the start of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from transfergrid.models.matching import match
from transfergrid.models.normalise import Preprocessing
from transfergrid.models.proof import compare, probe, probe_px
from transfergrid.models.redrawn import redrawn
from transfergrid.models.trained import Trained
from transfergrid.models.zoo import (
    build,
    default_preprocessing,
    head_keys,
    label_of,
    padding_of,
    shapes,
)
from transfergrid.planning.paths import cell_directory, weights_directory
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.sealed import read_sealed
from transfergrid.runtime.verified import load_verified, read_verified


class SourceDiverged(UserError):  # noqa: N818 - named after what happened
    """The cell to start from diverged and has no checkpoint; so this cell counts as diverged."""


@dataclass(frozen=True)
class _Start:
    state: Mapping[str, Tensor]
    preprocessing: Preprocessing
    record: dict[str, Any]


def initial_model(
    spec: Mapping[str, Any], results: Path, outputs: int
) -> tuple[nn.Module, Preprocessing, dict[str, Any]]:
    """Build a cell's network with its initial weights and a new head.

    The whole network and its head are drawn from the cell's seed; then everything but the head is
    replaced by weights from another source, or by weights drawn with their statistics; or a part of
    it is, as the specification's ``derive`` says. The tensors that the truncation removes are
    checked all the same.

    Args:
        spec: The cell's specification; ``architecture``, ``weights``, ``seed`` and the truncation
            in ``cell`` are read.
        results: Root of all outputs, under which ``weights/<id>`` or ``cells/<source cell>`` is
            read.
        outputs: Number of logits.

    Returns:
        The network in training mode on the CPU, the input that it expects, and proof of what was
        loaded as plain JSON values.

    Raises:
        SourceDiverged: The source cell has no checkpoint.
        UserError: The initial weights are missing, were altered, or do not fit.
    """
    architecture, weights = spec["architecture"], spec["weights"]
    truncation, seed = int(spec["cell"]["truncation"]), int(spec["seed"])
    model = build(architecture, outputs, truncation, seed)
    proof: dict[str, Any] = {
        "format": 1,
        "kind": weights["kind"],
        "network": label_of(architecture),
        "truncation": truncation,
        "seed": seed,
        "padding": padding_of(model),
    }
    source = weights.get("source_cell")
    if not (source or weights.get("id")):
        preprocessing = default_preprocessing(architecture).replaced_by(weights.get("input"))
        missing = list(model.state_dict())
        proof |= {"source": "random", "matched": 0, "missing": missing, "unexpected": []}
        return model, preprocessing, {**proof, "preprocessing": preprocessing.to_dict()}
    start = _from_cell(weights, results) if source else _from_weights(weights, results)
    derivation = weights.get("derive")
    if derivation:
        # By name, so that how weights are derived is code of the cells alone that have such.
        derived = import_module("transfergrid.models.derived")
        loaded = derived.load(model, start.state, architecture, derivation, seed)
    else:
        draw = seed if weights.get("keep") == "statistics" else None
        loaded = _load(model, start.state, architecture, draw)
    proof |= start.record | loaded
    return model, start.preprocessing, {**proof, "preprocessing": start.preprocessing.to_dict()}


def headless(
    made_from: Mapping[str, Any], truncation: int, results: Path
) -> tuple[nn.Module, Preprocessing]:
    """Build a network with its initial weights for what it computes before its head.

    Args:
        made_from: ``architecture`` and ``weights`` of a specification, and ``seed``, or None where
            nothing is drawn but the head, so that any seed gives the same network.
        truncation: Blocks that it lacks.
        results: Root of all outputs.

    Returns:
        The network, with a head that means nothing, and the input that it expects.

    Raises:
        SourceDiverged, UserError: As `initial_model`.
    """
    spec = {
        "architecture": made_from["architecture"],
        "weights": made_from["weights"],
        "cell": {"truncation": truncation},
        "seed": made_from["seed"] or 0,
    }
    network, preprocessing, _ = initial_model(spec, results, outputs=1)
    return network, preprocessing


def is_drawn(proof: Mapping[str, Any]) -> bool:
    """Tell by the proof of initial weights whether they are just drawn, all or some of them."""
    return proof["source"] == "random" or proof.get("keep", "all") != "all"


def source_sha256(weights: Mapping[str, Any], results: Path) -> str | None:
    """Return the SHA-256 of the checkpoint that `initial_model` would load of a source cell.

    It is None if there is no such cell, or if it diverged.
    """
    if not weights.get("source_cell"):
        return None
    source = Trained.of(cell_directory(str(weights["source_cell"]), results))
    best = source.best()
    return source.files[f"checkpoints/{best}"] if best else None


def _load(
    model: nn.Module,
    state: Mapping[str, Tensor],
    architecture: Mapping[str, Any],
    draw: int | None,
) -> dict[str, Any]:
    """Fill everything but the head from `state`; return what was matched and a probe.

    With a seed in `draw`, only the tensors' statistics are used.
    """
    whole, _ = shapes(architecture)
    own, head = model.state_dict(), head_keys(model)
    body = [name for name in own if name not in head]
    target = label_of(architecture)
    found = match(state, {**whole, **own}, head, "the initial weights", target, needed=body)
    px = probe_px(model, architecture)
    before = probe(model, px)
    values = {name: state[name] for name in body}
    if draw is not None:
        values = redrawn(model, values, draw)
    model.load_state_dict({**own, **values})
    return {
        "keep": "all" if draw is None else "statistics",
        "matched": len(body),
        "missing": head,
        "left_out": len(found.matched) - len(body),
        "unexpected": found.unexpected,
        "probe": compare(probe(model, px), before, px).to_dict(),
    }


def _from_weights(weights: Mapping[str, Any], results: Path) -> _Start:
    folder = weights_directory(str(weights["id"]), results)
    mend = f"remove {folder} and run snakemake again, which prepares the weights again"
    try:
        files = read_sealed(folder / "receipt.json", mend)["files"]
    except OSError:
        raise UserError(
            f"{folder / 'receipt.json'} is missing; prepare the initial weights first."
        ) from None
    proof = read_verified(folder / "proof.json", files.get("proof.json"), _json, mend)
    declared = weights.get("sha256")
    if declared and declared != proof["sha256"]:
        raise UserError(
            f"{folder} was prepared from a file with SHA-256 {proof['sha256']}, but the cell "
            f"declares {declared}; remove the folder and prepare the weights again."
        )
    state = load_verified(folder / "init.safetensors", proof["init_sha256"], load_file, mend)
    keys = ("source", "tag", "file", "package", "sha256", "init_sha256")
    record = {key: proof[key] for key in keys if key in proof} | {"weights": weights["id"]}
    return _Start(state, Preprocessing.from_dict(proof["preprocessing"]), record)


def _json(data: bytes) -> dict[str, Any]:
    return dict(json.loads(data))


def _encoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a network that had a decoder, as they were called before it had one."""
    parts = {name.partition(".")[0] for name in state}
    if parts != {"encoder", "steps", "head"}:
        return state
    prefix = "encoder."
    return {n.removeprefix(prefix): tensor for n, tensor in state.items() if n.startswith(prefix)}


def _from_cell(weights: Mapping[str, Any], results: Path) -> _Start:
    name = str(weights["source_cell"])
    source = Trained.of(cell_directory(name, results))
    best = source.best()
    if best is None:
        raise SourceDiverged(f"cell {name} diverged and has no checkpoint to start from.")
    preprocessing = Preprocessing.from_dict(source.json("proof.json")["preprocessing"])
    state = _encoder(source.tensors(best))
    sha256 = source.files[f"checkpoints/{best}"]
    record = {"source": "cell", "cell": name, "file": best, "sha256": sha256}
    return _Start(state, preprocessing, record)
