"""Which data sets networks have learned before the one that they are tested on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from transfergrid.planning.grid import ALL


class Passed(NamedTuple):
    """A data set on which networks are tested that have learned another one before.

    Attributes:
        target: Id of the data set.
        source: Id of the other one.
        folds: Where both are cut into folds, the fold that is tested on and that of the training
            before, of each cell; empty where one of them is not.
    """

    target: str
    source: str
    folds: tuple[tuple[str, str], ...] = ()


def passed_on(entries: Iterable[Mapping[str, Any]]) -> list[Passed]:
    """Return the data sets on which networks are tested that have learned another one before.

    Every training of a chain counts, and not the last one alone.

    Args:
        entries: A study's cells: cell, role, dataset_id and source_cell of each, and the fold where
            it has one.

    Returns:
        Each pair of data sets once, in the order of the cells.
    """
    cells = {entry["cell"]: entry for entry in entries}
    found: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
    for entry in cells.values():
        before = cells.get(entry["source_cell"])
        while entry["role"] == "target" and before is not None:
            if before["dataset_id"] != entry["dataset_id"]:
                folds = (entry.get("fold", ALL), before.get("fold", ALL))
                found.setdefault((entry["dataset_id"], before["dataset_id"]), {})[folds] = None
            before = cells.get(before["source_cell"])
    return [
        Passed(*pair, tuple(folds) if ALL not in {one for both in folds for one in both} else ())
        for pair, folds in found.items()
    ]
