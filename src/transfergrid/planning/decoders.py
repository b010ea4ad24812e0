"""Decoders of one's own, tried on all networks that they are put on before anything is trained.

Planning has no torch, so a process of its own tries them; what was found to be right is remembered,
because every job on a cluster plans again.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from transfergrid.planning.architectures import own_code
from transfergrid.planning.cells import Cell
from transfergrid.planning.fingerprint import modules_fingerprint, plugin_source
from transfergrid.planning.study import Study
from transfergrid.planning.trials import tried_apart
from transfergrid.runtime.environment import packages_behind
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, sha256_text
from transfergrid.runtime.sealed import read_sealed, write_sealed

TRIAL = "transfergrid.models.mask_trial"
MEMORY = Path(".snakemake") / "transfergrid" / "decoders.json"
"""In the working directory; deleting it only costs time."""
MOST_SECONDS = 600
"""All trials of a study: each takes about a second."""


def check_decoders(study: Study, cells: Iterable[Cell], memory: Path = MEMORY) -> None:
    """Refuse decoders that cannot be put on a network of the study.

    Without torch where planning runs, the first training says the same before its first step.

    Args:
        study: The study.
        cells: All of its cells.
        memory: Where to remember; nothing is written if Snakemake has never run there.

    Raises:
        UserError: A decoder fails, takes more maps than a cut network has, leaves out the encoder
            or puts a copy in its place, or makes maps of another size.
    """
    if not study.decoders or importlib.util.find_spec("torch") is None:
        return
    networks: dict[str, Cell] = {}
    for cell in cells:
        network = _network(cell)
        if network["architecture"].get("decoder"):
            networks.setdefault(canonical_json(network), cell)
    code = f"{modules_fingerprint([TRIAL])} torch {metadata.version('torch')}"
    known = _remembered(memory, code)
    keys = {sha256_text(text + _packages(text)): text for text in networks}
    new = [text for key, text in keys.items() if key not in known]
    for text, fault in zip(new, _tried(tuple(new)) if new else (), strict=True):
        if fault:
            point = networks[text].point
            raise UserError(
                f"{study.source}: protocol '{point.protocol}' with architecture "
                f"'{point.architecture}', {point.truncation} of its blocks removed: {fault}"
            )
    if new and memory.parents[1].is_dir():
        with suppress(OSError):  # they are tried again
            write_sealed(memory, {"by": code, "right": sorted({*known, *keys})})


def _network(cell: Cell) -> dict[str, Any]:
    spec = json.loads(cell.spec)
    return {
        "architecture": spec["architecture"],
        "truncation": cell.point.truncation,
        "outputs": _structures(spec["dataset"]) + bool(spec["dataset"].get("exclusive")),
    }


def _structures(dataset: Mapping[str, Any]) -> int:
    """Return how many structures a data set has; 1 if only its reader knows."""
    layers = dataset.get("layers") or ({"structures": dataset.get("structures") or ("one",)},)
    return sum(len(layer["structures"]) for layer in layers)


def _packages(network: str) -> str:
    """Return what a network's own code imports, which no name of a cell tells, as text."""
    return _packages_of(tuple(own_code(json.loads(network)["architecture"])))


@cache
def _packages_of(references: tuple[str, ...]) -> str:
    found = packages_behind(plugin_source(reference).code.code for reference in references)
    return canonical_json(found)


def _remembered(memory: Path, code: str) -> frozenset[str]:
    try:
        value = read_sealed(memory)
        return frozenset(value["right"]) if value["by"] == code else frozenset()
    except (OSError, KeyError, TypeError, UserError):
        return frozenset()


@cache
def _tried(networks: tuple[str, ...]) -> tuple[str | None, ...]:
    try:
        return tuple(tried_apart(TRIAL, f"[{','.join(networks)}]", MOST_SECONDS))
    except subprocess.TimeoutExpired:
        fault = f"took more than {MOST_SECONDS} seconds"
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        fault = f"failed ({error})"
    raise UserError(f"trying this study's decoders {fault}; see what it printed above.")
