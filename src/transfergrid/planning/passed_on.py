"""Which data sets networks have learned before the one that they are tested on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def passed_on(entries: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the data sets on which networks are tested that have learned another one before.

    Args:
        entries: A study's cells: cell, role, dataset_id and source_cell of each.

    Returns:
        Ids of a data set and of the other one, each pair once, in the order of the cells.
    """
    cells = {entry["cell"]: entry for entry in entries}
    found: dict[tuple[str, str], None] = {}
    for entry in cells.values():
        before = cells.get(entry["source_cell"])
        while entry["role"] == "target" and before is not None:
            if before["dataset_id"] != entry["dataset_id"]:
                found[entry["dataset_id"], before["dataset_id"]] = None
            before = cells.get(before["source_cell"])
    return list(found)
