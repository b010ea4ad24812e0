"""Which cells have their selections' masks compared anew, from checkpoints, and how.

Scoring counts pixels of masks at the size of the cache. What needs more (distances of outlines,
films at their own size) goes through the network once more, for the checkpoints that a study's
selections choose. That is a measurement of a trained cell, stored as those of its weights are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfergrid.planning.cells import Cell
from transfergrid.planning.distances import tolerances_of
from transfergrid.planning.heads import opened
from transfergrid.planning.metrics import Declaration
from transfergrid.planning.study import Study, location
from transfergrid.planning.tasks import holds_masks
from transfergrid.planning.weighings import Weighing, name_of
from transfergrid.runtime.errors import UserError, listed, suggest

OUTLINES = "outlines"
"""The stage that measures."""
SCORED_AT, SPACING = "scored_at", "spacing"
"""Settings of a data set with masks that decide how these are compared, and nothing before."""


def outlines_of(
    study: Study, cells: Iterable[Cell], metrics: Mapping[str, Declaration]
) -> tuple[Weighing, ...]:
    """Return what is measured of the masks that a study's cells mark.

    Args:
        study: The study.
        cells: Its targets.
        metrics: The declarations of all metrics that it computes.
    """
    tolerances = tolerances_of(metrics.values())
    selections = sorted(study.config["evaluation"]["selections"])
    found = []
    for cell in cells:
        settings = study.config["datasets"][cell.point.dataset]
        how = compared_as(settings, metrics.values())
        if not holds_masks(settings) or (tolerances is None and SCORED_AT not in how):
            continue
        made_from = {"cell": cell.name, "selections": selections, "tolerances": tolerances, **how}
        name = name_of(cell, OUTLINES, made_from)
        images = cell.dataset_id
        found.append(Weighing(name, OUTLINES, cell.name, images, None, None, made_from))
    return tuple(found)


def compared_as(settings: Mapping[str, Any], metrics: Iterable[Declaration]) -> dict[str, Any]:
    """Return how a data set's masks are compared, where it is not as scoring does.

    Args:
        settings: The data set's settings in the study.
        metrics: The declarations of all metrics that are computed; how far pixels are apart matters
            to those of outlines alone.
    """
    asked = {SCORED_AT: settings.get(SCORED_AT)}
    if tolerances_of(metrics) is not None:
        asked[SPACING] = settings.get(SPACING)
    return {key: value for key, value in asked.items() if value not in (None, "cache")}


def check_spacing(study: Study, metrics: Iterable[Declaration]) -> None:
    """Refuse a column of spacing that is not in a data set's table, or not a length for every film.

    Tables of Parquet are not opened here; the job that measures distances refuses theirs.

    Args:
        study: The study.
        metrics: The declarations of all metrics that it computes; without one of outlines no length
            is needed.

    Raises:
        UserError: The sentence names the column and those that there are, or the first bad row.
    """
    needed = tolerances_of(metrics) is not None
    for name, settings in study.config["datasets"].items():
        declared = settings.get(SPACING)
        both = declared if isinstance(declared, list) else [declared]
        columns = [column.strip() for column in both if isinstance(column, str)]
        if not columns or not settings.get("table"):
            continue
        table = location(settings["root"], f"root of data set '{name}'") / settings["table"]
        with opened(table, settings.get("separator")) as found:
            if found is None:
                continue
            there, rows = found
            lost = [column for column in columns if column not in there]
            if lost:
                raise UserError(
                    f"{study.source}: spacing of data set '{name}' is '{lost[0]}', which is no "
                    f"column of {table}{suggest(lost[0], there)}; its columns are {listed(there)}."
                )
            if needed:
                _check_lengths(rows, {column: there.index(column) for column in columns}, table)


def _check_lengths(rows: Iterable[Sequence[str]], places: Mapping[str, int], table: Path) -> None:
    for number, row in enumerate(rows, start=1):
        for column, place in places.items():
            cell = row[place].strip() if place < len(row) else ""
            if not _is_length(cell):
                told = f"'{cell}'" if cell else "nothing"
                raise UserError(
                    f"{table} has {told} in column '{column}' of row {number}, and spacing must be "
                    "millimetres above 0 for every film; distances in mm and in pixels have no "
                    "mean, so give that of all, or leave spacing out."
                )


def _is_length(cell: str) -> bool:
    try:
        return 0 < float(cell) < math.inf
    except ValueError:
        return False


def numbers_of(tolerances: Sequence[float] | None) -> int:
    """Return how many numbers are stored of a film and structure."""
    return 4 if tolerances is None else 8 + 3 * len(tolerances)
