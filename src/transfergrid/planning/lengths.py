"""Names that file systems can hold: a component has 255 bytes nearly everywhere, a path 4,096."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from transfergrid.catalog.axes import AXES
from transfergrid.planning.cells import Cell
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.study import Study
from transfergrid.runtime.errors import UserError

USUAL_NAME, USUAL_PATH = 255, 4096
_INSIDE = "/checkpoints/.tmp-0123456789abcdef-00000000000000000000.safetensors.old"
"""At least as long as any path under a cell's folder."""


def check_lengths(study: Study, cells: Iterable[Cell]) -> None:
    """Refuse names that the results' file system cannot hold, before anything is written.

    Raises:
        UserError: A cell's name, or the path of its files, would be too long.
    """
    cell = max(cells, key=lambda cell: len(cell.name))
    suffix = max(len(f".{rule}.log") for rule in study.config["evaluation"]["selections"])
    name_limit, path_limit = _limits(RESULTS)
    if len(cell.name) + suffix > name_limit:
        names = {
            axis: value for axis in AXES if isinstance(value := getattr(cell.point, axis), str)
        }
        axis = max(names, key=lambda axis: len(names[axis]))
        raise UserError(
            f"{study.source}: the cell {cell.name[:40]}... has a name of {len(cell.name)} "
            f"characters, but the file system leaves room for {name_limit - suffix}; shorten "
            f"names, first of all {axis} '{names[axis]}'."
        )
    root = len(os.fsencode(RESULTS.absolute()))
    path = root + len(f"/{study.name}/ensemble/{cell.name}{_INSIDE}")
    if path > path_limit:
        raise UserError(
            f"{study.source}: paths of {path} bytes would be needed under {RESULTS.absolute()}, "
            f"but the file system takes {path_limit}; work in a folder with a shorter path."
        )


def _limits(folder: Path) -> tuple[int, int]:
    """Return the longest name and path where `folder` is or will be."""
    there = next(
        place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir()
    )
    try:
        name, path = os.pathconf(there, "PC_NAME_MAX"), os.pathconf(there, "PC_PATH_MAX")
    except (OSError, ValueError):
        return USUAL_NAME, USUAL_PATH
    return min(name, USUAL_NAME), min(path, USUAL_PATH)
