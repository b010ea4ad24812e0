"""Which other data sets networks have learned than those that they are tested on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
        for before in trained_before(entry, cells) if entry["role"] == "target" else ():
            if before["dataset_id"] != entry["dataset_id"]:
                folds = (entry.get("fold", ALL), before.get("fold", ALL))
                found.setdefault((entry["dataset_id"], before["dataset_id"]), {})[folds] = None
    return [
        Passed(*pair, tuple(folds) if ALL not in {one for both in folds for one in both} else ())
        for pair, folds in found.items()
    ]


def scored_elsewhere(
    entries: Iterable[Mapping[str, Any]], externals: Iterable[Mapping[str, Any]]
) -> list[Passed]:
    """Return the data sets of other hospitals with all that networks tested on them have learned.

    Args:
        entries: A study's cells, as in `passed_on`.
        externals: Cells that are scored on other data sets: ``cell`` and ``dataset``, the id.

    Returns:
        Each pair of data sets once, all images of one against all of the other.
    """
    cells = {entry["cell"]: entry for entry in entries}
    found: dict[Passed, None] = {}
    for one in externals:
        own = cells.get(one["cell"])
        for learned in (own, *trained_before(own, cells)) if own is not None else ():
            if learned["dataset_id"] != one["dataset"]:
                found[Passed(one["dataset"], learned["dataset_id"])] = None
    return list(found)


def trained_before(
    entry: Mapping[str, Any], cells: Mapping[str, Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield the cells that came before one, the last training first."""
    before = cells.get(entry["source_cell"])
    while before is not None:
        yield before
        before = cells.get(before["source_cell"])
