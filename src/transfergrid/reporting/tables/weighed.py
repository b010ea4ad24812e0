"""What the tables of measured weights share: the cells, and why a cell has nothing to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from transfergrid.evaluation.weighing_files import Measured
from transfergrid.reporting.tables.gathering import fold_of
from transfergrid.runtime.progress import progress

_AXES = ("cell", "dataset", "architecture", "pretraining", "truncation", "protocol", "seed")
FINISHED = "finished"
BODY = "body"


def measured(
    study: Mapping[str, Any], key: str, results: Path
) -> Iterator[tuple[Mapping[str, Any], dict[str, Any], Measured]]:
    """Yield each measurement of a study with its place in the grid.

    Args:
        study: The stamp's content.
        key: Where it lists them.
        results: Root of all outputs.

    Raises:
        UserError: A measurement is missing or damaged.
    """
    entries = {entry["cell"]: entry for entry in study["cells"]}
    listed = study[key]
    for one in progress(listed, len(listed), "cells"):
        entry = entries[one["cell"]]
        place = {axis: entry[axis] for axis in _AXES} | {"fold": fold_of(entry)}
        yield one, place, Measured.of(one["id"], results)


def depths_of(layers: Iterable[str]) -> dict[str, int]:
    """Return the number of each layer, from the stem to the head; the body has none.

    Args:
        layers: Their names in the network's order, each once or more.
    """
    names = [name for name in dict.fromkeys(layers) if name not in ("", BODY)]
    return {name: number for number, name in enumerate(names)}
