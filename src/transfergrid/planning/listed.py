"""The lists of cells that a run is to train, among which its jobs find others to go on with.

Apart from what reads them, which is part of what names a cell, as this is not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.planning.neighbours import list_name
from transfergrid.planning.plan import Plan
from transfergrid.runtime.atomic import write_text


@dataclass(frozen=True)
class Listed:
    """A cell that a run is to train.

    Attributes:
        dataset_id: Its data set's id.
        starts: What cannot begin before it is trained, though it is to be trained in this run: the
            choice of a learning rate, or cells that are fine-tuned from it.
        studies: The studies that it is part of.
    """

    dataset_id: str
    starts: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()


def of_plan(plan: Plan, names: Collection[str]) -> dict[str, Listed]:
    """Return the cells that a run is to train.

    Args:
        plan: The plan.
        names: Their names.
    """
    starts: dict[str, dict[str, None]] = defaultdict(dict)
    studies: dict[str, list[str]] = defaultdict(list)
    for study in plan.studies.values():
        for cell in study.cells:
            studies[cell.name].append(study.name)
    for name in names:
        cell = plan.cells[name]
        if cell.source_cell:
            starts[cell.source_cell][cell.source_cell] = None
        if cell.tuning:
            for trial in cell.tuning.trials.values():
                starts[trial][cell.tuning.id] = None
    return {
        name: Listed(plan.cells[name].dataset_id, tuple(starts[name]), tuple(studies[name]))
        for name in names
    }


def write_neighbours(cells: Mapping[str, Listed], folder: Path) -> None:
    """Write lists of cells by data set to `folder`, and forget earlier lists.

    Args:
        cells: The cells that the run is to train, by name; none where a training is forced.
        folder: The folder of notes.
    """
    groups: dict[Listed, list[str]] = defaultdict(list)
    for name, cell in cells.items():
        groups[cell].append(name)
    lists: dict[str, list[Any]] = defaultdict(list)
    for cell, names in groups.items():
        lists[cell.dataset_id].append([cell.starts, cell.studies, names])
    for path in folder.glob(list_name("*")):
        path.unlink(missing_ok=True)
    for dataset_id, parts in lists.items():
        write_text(folder / list_name(dataset_id), json.dumps(parts))
