"""What is measured on trained cells' weights, against what they started from.

A weighing is one cell and one measurement: how far its weights have moved (`DRIFT`), or how it
scores with single layers put back (`RESET`). It is named after the cell, which stands for all that
decides both ends of its training, and after its own settings and code. Masks that are compared anew
(`transfergrid.planning.outlined`) are stored as a weighing is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transfergrid.planning.cells import Cell
from transfergrid.planning.ends import INITIAL, SOURCE, underived
from transfergrid.planning.stored import check_planned, hash_of
from transfergrid.planning.study import Study
from transfergrid.runtime.errors import UserError

DRIFT, RESET = "drift", "reset"
"""The stages that measure."""


@dataclass(frozen=True)
class Weighing:
    """One measurement on one trained cell.

    Attributes:
        id: ``<dataset>-<arch>-<pretraining>-drop<k>-<stage>-<hash8>``, its folder.
        stage: `DRIFT`, `RESET` or another stage that measures trained cells.
        cell: Name of the cell.
        dataset_id: The cache whose images it sees, or None.
        weights_id: Folder of the prepared weights that the cell started from, or None.
        source_cell: Name of the cell that it started from, or None.
        made_from: Everything that decides it beside the code.
    """

    id: str
    stage: str
    cell: str
    dataset_id: str | None
    weights_id: str | None
    source_cell: str | None
    made_from: Mapping[str, Any]

    @property
    def mark(self) -> str:
        """The file that shows that it is made, relative to the folder of results."""
        return f"weighings/{self.id}/receipt.json"

    @property
    def note(self) -> dict[str, Any]:
        """What the job that makes it must know."""
        return {"id": self.id, "made_from": dict(self.made_from)}


def weighings_of(study: Study, cells: Iterable[Cell]) -> tuple[Weighing, ...]:
    """Return what a study measures on its cells' weights.

    Args:
        study: The study.
        cells: Its cells that take part; none if it has no ``weights``.
    """
    settings = study.config["weights"] or {}
    found = []
    for cell in cells:
        if settings["drift"] or settings["filters"]:
            found.append(_weighing(cell, DRIFT, {}))
        if (reset := settings["reset"]) is not None:
            to = [end for end in reset["to"] if end == INITIAL or _is_derived(cell)]
            if to:
                found.append(_weighing(cell, RESET, {"images": reset["images"], "to": to}))
    return tuple(found)


def _weighing(cell: Cell, stage: str, settings: Mapping[str, Any]) -> Weighing:
    made_from = {"cell": cell.name, **settings}
    name = name_of(cell, stage, made_from)
    images = cell.dataset_id if stage == RESET else None
    return Weighing(name, stage, cell.name, images, cell.weights_id, cell.source_cell, made_from)


def name_of(cell: Cell, stage: str, made_from: Mapping[str, Any]) -> str:
    """Return the id of a measurement on a cell."""
    point = cell.point
    axes = [point.dataset, point.architecture, point.pretraining, f"drop{point.truncation}"]
    return "-".join([*axes, stage, hash_of(made_from, stage)])


def _is_derived(cell: Cell) -> bool:
    return underived(json.loads(cell.spec)["weights"]) is not None


def check_weights(study: Study, cells: Iterable[Cell]) -> None:
    """Check that a study's cells have what their layers are to be put back to.

    Args:
        study: The study.
        cells: The cells that take part.

    Raises:
        UserError: No key asks for anything, or no cell has weights that are derived from others
            of its own network.
    """
    settings = study.config["weights"]
    if settings is None:
        return
    if not (settings["drift"] or settings["filters"] or settings["reset"]):
        raise UserError(
            f"{study.source}: weights asks for neither drift, filters nor reset; ask for one, or "
            "leave the key out."
        )
    whole = not any(study.config["only"].values())
    to = settings["reset"]["to"] if settings["reset"] else []
    if whole and to == [SOURCE] and not any(map(_is_derived, cells)):
        raise UserError(
            f"{study.source}: weights.reset.to is {SOURCE} alone, and no cell's initial weights "
            "are derived from others of its own network, so that none has a source beside its "
            f"start; write {INITIAL}."
        )


def check_weighing(weighing_id: str, made_from: Mapping[str, Any], stage: str) -> None:
    """Stop a job if what it would measure is no longer what was planned.

    Raises:
        UserError: The code that measures was edited since.
    """
    check_planned(weighing_id, made_from, stage, "measures trained cells")
