"""Which weights a pretraining names: what is hashed of them, and where their file lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.architectures import SLIM, Architecture
from transfergrid.planning.fingerprint import kind_fingerprint, plugin_fingerprint
from transfergrid.planning.foreign import check_foreign
from transfergrid.planning.padding import SYMMETRIC
from transfergrid.planning.releases import find_release
from transfergrid.planning.remembered import remembered_sha256
from transfergrid.planning.study import location
from transfergrid.planning.weight_notes import FOLDED, UNTOLD, weight_notes
from transfergrid.planning.wheels import known_wheels
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.regular import check_regular

Identified = tuple[dict[str, Any], Path | None]


def of_file(name: str, settings: Mapping[str, Any], architecture: Architecture) -> Identified:
    """Identify a weight file by its content."""
    path = location(settings["path"], f"path of pretraining '{name}'")
    check_foreign(path)
    if not path.exists():
        raise UserError(f"pretraining '{name}' names the file {path}, which does not exist.")
    check_regular(path)
    notes = weight_notes(path)
    declared = settings.get("padding")
    if declared and notes.padding and declared != notes.padding:
        raise UserError(
            f"pretraining '{name}' says padding: {declared}, but the metadata of its file {path} "
            f"say {notes.padding}; remove padding, or correct it."
        )
    known = {"padding": declared or notes.padding} | ({"norms": FOLDED} if notes.folded else {})
    if notes.folded and known["padding"] is None:
        raise UserError(f"pretraining '{name}': weight file {path} {UNTOLD}")
    return {"sha256": remembered_sha256(path), **known}, path


def of_timm(name: str, settings: Mapping[str, Any], architecture: Architecture) -> Identified:
    """Identify released weights by their name in timm."""
    if architecture.timm is None:
        what = f"timm has no network '{architecture.name}'"
        if not architecture.of:
            what = f"architecture '{architecture.name}' is a factory"
        raise UserError(
            f"pretraining '{name}' takes timm's weights, but {what}; use kind file or cell, or "
            "leave the pair out with exclude."
        )
    if architecture.base:
        raise UserError(
            f"pretraining '{name}' takes the weights of {architecture.base}, but architecture "
            f"'{architecture.name}' has half the channels in its later blocks, so they do not fit; "
            f"keep the blocks that both have, {{ of: {name}, derive: [{{ keep: {{ through: "
            f"{architecture.options[SLIM]} }} }}] }}, or leave the pair out with exclude."
        )
    tag = settings["tag"]
    found = f"{architecture.timm.split('.')[0]}.{tag}" if tag else architecture.timm
    # timm's weights were trained in timm's network as it is without options.
    return {"tag": found, "padding": architecture.own_padding}, None


def of_wheel(name: str, settings: Mapping[str, Any], architecture: Architecture) -> Identified:
    """Identify the weights in a Python package by its entry in resources/weights.yaml."""
    package = settings["package"]
    entry = known_wheels().get(package)
    if entry is None:
        raise UserError(
            f"pretraining '{name}' names the package '{package}'; resources/weights.yaml lists "
            f"{listed(known_wheels())}."
        )
    if entry["architecture"] not in (architecture.name, architecture.of):
        raise UserError(
            f"pretraining '{name}' (package {package}) fits architecture "
            f"'{entry['architecture']}', not '{architecture.name}'; give it a block of its own."
        )
    return _read_as(entry), None


def wheel_again(declaration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what resources/weights.yaml says now of declared weights."""
    return _read_as(known_wheels().get(declaration["package"], {}))


def of_release(name: str, settings: Mapping[str, Any], architecture: Architecture) -> Identified:
    """Identify a released file by its content, and by how it is read."""
    where = f"pretraining '{name}': "
    path = location(settings["path"], f"path of pretraining '{name}'")
    file = find_release(settings["release"], where)
    if file.architecture not in (architecture.name, architecture.of):
        raise UserError(
            f"{where}release '{file.name}' fits architecture '{file.architecture}', not "
            f"'{architecture.name}'; give it a block of its own."
        )
    check_foreign(path)
    if not path.exists():
        raise UserError(f"pretraining '{name}' names the file {path}, which does not exist.")
    check_regular(path)
    found = {"sha256": remembered_sha256(path), "padding": SYMMETRIC}
    return found | release_again(settings), path


def release_again(declaration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what resources/weights.yaml says now of a release, and the code that reads it."""
    return {
        "read_as": find_release(declaration["release"]).read_as,
        "read_by": kind_fingerprint(declaration["kind"]),
    }


def of_function(name: str, settings: Mapping[str, Any], architecture: Architecture) -> Identified:
    """Identify weights that a function of the study's own returns, by its module's code."""
    return {"code": plugin_fingerprint(settings["kind"])}, None


def _read_as(entry: Mapping[str, Any]) -> dict[str, Any]:
    # How a file is read is part of what it is: padding and preprocessing change the features.
    read_as = ("sha256", "padding", "key_rule", "mean", "std", "channel_order", "interpolation")
    return {key: entry.get(key) for key in read_as}
