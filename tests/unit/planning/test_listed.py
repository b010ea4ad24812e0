"""What a run is to train, and what starts then: the lists that its jobs find other cells in."""

from __future__ import annotations

import json
from pathlib import Path

from unit.planning.made_up_plan import STUDY, planned

from transfergrid.planning.listed import of_plan, write_neighbours
from transfergrid.planning.neighbours import read_neighbours
from transfergrid.planning.plan import Plan


def test_what_waits_for_a_cell_is_told_if_it_is_to_be_trained_too(tmp_path: Path) -> None:
    tune = {"learning_rates": [0.0001, 0.01], "epochs": 0.5, "seed": 1}
    first = planned(tmp_path, {"protocols": {"finetune": {"tune": tune}}})
    grid = [{**STUDY["grid"][0], "pretrainings": ["shapes"], "truncations": [0]}]
    second = planned(tmp_path, {"name": "other", "grid": grid})
    plan = Plan({"small": first, "other": second})
    found = of_plan(plan, [*plan.cells])
    assert found.keys() == plan.cells.keys()
    for name, cell in plan.cells.items():
        assert found[name].dataset_id == cell.dataset_id
        tunings = {i for i, tuning in plan.tunings.items() if name in tuning.trials.values()}
        starting = {name} if any(c.source_cell == name for c in plan.cells.values()) else set()
        assert {*found[name].starts} == tunings | starting
        assert bool(found[name].starts) == (cell.trial or cell in first.sources)
    assert {found[cell.name].studies for cell in first.targets} == {("small",)}
    assert {found[cell.name].studies for cell in second.targets} == {("other",)}
    assert ("small", "other") in {found[cell.name].studies for cell in first.sources}
    # What is trained waits for nothing, and nothing is told of what is not asked for.
    sources = [cell.name for cell in first.sources]
    assert not any(cell.starts for cell in of_plan(plan, sources).values())


def test_jobs_find_those_that_they_may_go_on_with(tmp_path: Path) -> None:
    tune = {"learning_rates": [0.0001, 0.01], "epochs": 0.5, "seed": 1}
    study = planned(tmp_path, {"protocols": {"finetune": {"tune": tune}}})
    plan = Plan({"small": study})
    write_neighbours(of_plan(plan, [*plan.cells]), tmp_path)

    def others(name: str) -> set[str]:
        return {*read_neighbours(json.loads(plan.cells[name].spec), tmp_path)}

    for cell in study.sources:
        assert others(cell.name) == set()
    for cell in study.trials:
        same = [t for t in plan.tunings.values() if cell.name in t.trials.values()]
        assert others(cell.name) == {n for t in same for n in t.trials.values()} - {cell.name}
    films = {c.name for c in study.cells if c.dataset_id == study.targets[0].dataset_id}
    for cell in study.targets:
        assert others(cell.name) == films - {cell.name}
