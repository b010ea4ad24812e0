"""Whether networks have the maps and the layers that a study asks for after training.

Of those in resources/architectures.csv this is known when a study is planned; others are built.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

from transfergrid.commands.remarks import Remark
from transfergrid.commands.tables_read import TablesRead
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.cells import Cell
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.trials import tried_apart
from transfergrid.runtime.hashing import canonical_json

_TRIAL = "transfergrid.commands.network_trial"
_MOST_SECONDS = 600


def check_networks(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Try the networks of activation maps, and those that are compared layer by layer."""
    trials = _trials(planned)
    faults = _tried([json.loads(trial) for trial in trials]) if trials else []
    if faults is None:
        told = f"{len(trials)} network(s) cannot be tried for the maps and layers asked for."
        yield Remark("warning", "networks", told, "see what is said of torch")
        return
    for cell, fault in zip(trials.values(), faults, strict=True):
        if fault:
            point = cell.point
            where = f"architecture '{point.architecture}', {point.truncation} of its blocks removed"
            yield Remark("error", "networks", f"{planned.study.source}: {where}: {fault}")


def _trials(planned: PlannedStudy) -> dict[str, Cell]:
    """Return what is tried, as JSON that `network_trial.fault_of` reads, with a cell of each."""
    config, known = planned.study.config, known_architectures()
    layers = (config["similarity"] or {}).get("layers", "stages")
    asked = {
        "maps": (planned.cam_cells, None),
        "layers": (planned.compared if planned.states else (), layers),
    }
    found: dict[str, Cell] = {}
    for what, (cells, names) in asked.items():
        for cell in cells:
            network = cell.point.architecture
            if network in known and network not in config["architectures"]:
                continue
            spec = json.loads(cell.spec)
            trial = {
                "architecture": spec["architecture"],
                "truncation": cell.point.truncation,
                "px": spec["dataset"]["image_px"],
                "asked": what,
                "layers": None if names == "stages" else names,
            }
            found.setdefault(canonical_json(trial), cell)
    return found


def _tried(trials: Sequence[Any]) -> list[str | None] | None:
    """Return what is wrong with each network; None if they cannot be tried here."""
    try:
        given = json.dumps(trials)
        return list(tried_apart(_TRIAL, given, _MOST_SECONDS, errors=subprocess.DEVNULL))
    except (subprocess.SubprocessError, OSError, ValueError):
        return None  # what is wrong with torch is told by the check of it
