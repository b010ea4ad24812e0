"""Which other cells a job may train once its own is trained: those planned and untrained.

A run lists them beside its notes, by data set, as it begins. Cells that have left the studies since
are in no list, whatever lies in their folders.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import (
    cache_directory,
    cell_directory,
    features_directory,
    tuning_file,
    weights_directory,
)
from transfergrid.planning.records import TRAINED, is_whole
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.hashing import sha256_text

NOTES = Path(".snakemake") / "transfergrid"
"""Where a run leaves what its jobs have to know, relative to the folder it runs in."""


def write_neighbours(cells: Mapping[str, str], folder: Path) -> None:
    """List cells by data set in `folder`, and forget earlier lists.

    Args:
        cells: The data set's id by the name of each cell that is not trained; none where a training
            is forced.
        folder: The folder of notes.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name, dataset_id in cells.items():
        groups[dataset_id].append(name)
    for path in folder.glob(_file("*")):
        path.unlink(missing_ok=True)
    for dataset_id, names in groups.items():
        if len(names) > 1:
            write_text(folder / _file(dataset_id), json.dumps(names))


def read_neighbours(spec: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the other listed cells of a cell's data set, in an order of this cell's own.

    In the order of the plan, which is about that of the jobs, every job that begins beside a
    process would be for the cell that this process has just taken, and would have to wait for it.

    Args:
        spec: The cell's specification.
        folder: The folder of notes.
    """
    try:
        text = (folder / _file(spec["dataset"]["id"])).read_text(encoding="utf-8")
        names, own = [str(name) for name in json.loads(text)], cell_name(spec)
        names.remove(own)
    except (OSError, ValueError, TypeError):
        return []  # it is not of the plan, or there is no list
    return sorted(names, key=lambda name: sha256_text(own + name))


def has_needs(spec: Mapping[str, Any], results: Path) -> bool:
    """Tell whether all that a cell is trained from is there, so that nothing has to be made."""
    weights = spec["weights"]
    files = [cache_directory(spec["dataset"]["id"], results) / "receipt.json"]
    if weights["source_cell"]:
        files.append(cell_directory(weights["source_cell"], results) / TRAINED)
    if "tuning" in spec:
        files.append(tuning_file(spec["tuning"]["id"], results))
    folders = [features_directory(name, results) for name in spec.get("features", {}).values()]
    if weights["id"]:
        folders.append(weights_directory(weights["id"], results))
    return all(file.is_file() for file in files) and all(map(is_whole, folders))


def _file(dataset_id: str) -> str:
    return f"untrained.{dataset_id}.json"
