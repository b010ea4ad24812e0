"""Which other cells a job may train once its own is trained: those that the run is to train.

A run lists them beside its notes as it begins; see `planning.listed`. Cells that have left the
studies since, or that were not asked for, are in no list, whatever lies in their folders.
"""

from __future__ import annotations

import json
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
from transfergrid.planning.records import RECEIPT, TRAINED, is_whole
from transfergrid.runtime.hashing import sha256_text

NOTES = Path(".snakemake") / "transfergrid"
"""Where a run leaves what its jobs have to know, relative to the folder it runs in."""


def read_neighbours(spec: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the cells that a cell's job may go on with, in an order of this cell's own.

    They share its data set and a study. Where something starts when this cell is trained, it must
    not wait for others: then they are only those for which the same thing waits, such as the other
    trials of a learning rate.

    In the order of the plan, which is about that of the jobs, every job that begins beside a
    process would be for the cell that this process has just taken, and would have to wait for it.

    Args:
        spec: The cell's specification.
        folder: The folder of notes.
    """
    own = cell_name(spec)
    try:
        text = (folder / list_name(spec["dataset"]["id"])).read_text(encoding="utf-8")
        parts = [(set(starts), set(among), names) for starts, among, names in json.loads(text)]
        starts, studies = next((starts, among) for starts, among, names in parts if own in names)
        names = [
            str(name)
            for theirs, among, names in parts
            if (starts & theirs if starts else studies & among)
            for name in names
            if name != own
        ]
    except (OSError, ValueError, TypeError, StopIteration):
        return []  # it is not of the plan, or there is no list
    return sorted(names, key=lambda name: sha256_text(own + name))


def has_needs(spec: Mapping[str, Any], results: Path) -> bool:
    """Tell whether all that a cell is trained from is there, so that nothing has to be made."""
    weights = spec["weights"]
    files = [cache_directory(spec["dataset"]["id"], results) / RECEIPT]
    if weights["source_cell"]:
        files.append(cell_directory(weights["source_cell"], results) / TRAINED)
    if "tuning" in spec:
        files.append(tuning_file(spec["tuning"]["id"], results))
    folders = [features_directory(name, results) for name in spec.get("features", {}).values()]
    if weights["id"]:
        folders.append(weights_directory(weights["id"], results))
    return all(file.is_file() for file in files) and all(map(is_whole, folders))


def list_name(dataset_id: str) -> str:
    """Return the name of the list of a data set's cells; "*" stands for all of them."""
    return f"untrained.{dataset_id}.json"
