"""What the intervals of contrasts take as given, by how the cells came to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.statistics.made_up_ensembles import write_spec

from transfergrid.planning.paths import cell_directory
from transfergrid.runtime.atomic import write_json
from transfergrid.statistics.conditions import (
    RELEASED,
    UNKNOWN_PATIENTS,
    Arm,
    conditions,
)
from transfergrid.statistics.reader import Reader

FIXED = "source cells trained with one seed (7)"


class Grid:
    """Cells that nobody trained, each with what it started from."""

    def __init__(self, results: Path) -> None:
        self.results, self.cells = results, []

    def cell(self, name: str, seed: int, source: str | None = None, **spec: Any) -> dict[str, Any]:
        folder = cell_directory(name, self.results)
        write_json(folder / "card.json", {"patients": spec.pop("patients", "known")})
        write_spec(folder, {"weights": {"id": spec.pop("weights", None)}, **spec})
        entry = {"cell": name, "role": "target", "dataset": "films", "seed": seed}
        entry |= {"source_cell": source}
        self.cells.append(entry)
        return entry

    def arm(self, name: str, sources: list[str | None], **spec: Any) -> Arm:
        return {s: self.cell(f"{name}{s}", s, source, **spec) for s, source in enumerate(sources)}

    def conditions(self, *arms: Arm) -> tuple[str, ...]:
        study = {"cells": self.cells, "evaluation": {"primary": "best"}}
        return conditions(arms, Reader(study, self.results))


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return Grid(tmp_path)


def test_a_source_of_each_seed_is_not_given(grid: Grid) -> None:
    for seed in (0, 1):
        grid.cell(f"source{seed}", seed)
    arms = grid.arm("a", ["source0", "source1"]), grid.arm("b", [None, None])
    assert grid.conditions(*arms) == ()


def test_one_run_of_the_source_for_all_seeds_is_given(grid: Grid) -> None:
    grid.cell("source", 7)
    arms = grid.arm("a", ["source", "source"]), grid.arm("b", [None, None])
    assert grid.conditions(*arms) == (FIXED,)
    # Of a single seed nothing could be told apart, and the row says "conditional on this seed".
    assert grid.conditions({0: arms[0][0]}, {0: arms[1][0]}) == ()
    # Two networks may each have a source of their own.
    grid.cell("other", 9)
    more = grid.arm("c", ["other", "other"])
    assert grid.conditions(*arms, more) == ("source cells trained with one seed (7, 9)",)


def test_a_fixed_source_at_the_beginning_of_a_chain_is_given(grid: Grid) -> None:
    grid.cell("first", 7, weights="w")
    for seed in (0, 1):
        grid.cell(f"middle{seed}", seed, "first")
    arms = grid.arm("a", ["middle0", "middle1"]), grid.arm("b", [None, None])
    # The weights that the chain began with are given too.
    assert grid.conditions(*arms) == (RELEASED, FIXED)


def test_trials_of_one_seed_are_given(grid: Grid) -> None:
    tuned = {"tuning": {"rates": []}, "recipe": {"tune": {"seed": 3}}}
    arms = grid.arm("a", [None, None], **tuned), grid.arm("b", [None, None], patients="unknown")
    assert grid.conditions(*arms) == (
        "learning rates from trials of one seed (3)",
        UNKNOWN_PATIENTS,
    )
