"""Studies of the repository, planned: what tests of several of them ask."""

from __future__ import annotations

import json
from typing import Any

from transfergrid.planning.cells import Cell
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.recipe import Recipe

STUDIES = PROJECT / "studies"


def planned(name: str, changes: dict[str, Any] | None = None) -> PlannedStudy:
    return plan_run([STUDIES / f"{name}.yaml"], changes or {}).studies[name]


def header(name: str) -> str:
    lines = (STUDIES / f"{name}.yaml").read_text().splitlines()
    return " ".join(line.lstrip("# ") for line in lines[: lines.index(f"name: {name}")])


def recipe_of(cell: Cell) -> Recipe:
    return Recipe.from_dict(json.loads(cell.spec)["recipe"])
