"""When weights are measured, and when what was measured may go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands.disposable import unnamed
from transfergrid.commands.jobs import planned_jobs
from transfergrid.commands.plan import job_counts, survey
from transfergrid.planning.plan import Plan

RESULTS = Path("results")


@pytest.fixture()
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A study that measures weights, before anything of it is there."""
    monkeypatch.chdir(tmp_path)
    return made.plan(tmp_path, {"weights": {"reset": {}}})


def measure(plan: Plan) -> None:
    """Write what a finished run of the study has, oldest first."""
    made.finish_stored(plan, plan.weighings.values(), RESULTS)


def due(plan: Plan) -> set[str]:
    return set().union(*planned_jobs(plan, RESULTS).stored.values())


def test_all_are_measured_at_first_and_counted(plan: Plan) -> None:
    (study,) = plan.studies.values()
    assert due(plan) == set(plan.weighings)
    counts = job_counts(survey(plan, RESULTS))
    assert counts["drift"] == counts["reset"] == len(study.targets)
    assert counts["drifts"] == counts["filters"] == counts["resets"] == 1
    measure(plan)
    assert due(plan) == set()


def test_what_is_gone_is_measured_only_for_a_table_that_is_made_anew(plan: Plan) -> None:
    measure(plan)
    for one in plan.weighings.values():
        (RESULTS / one.mark).unlink()
    assert due(plan) == set()
    (RESULTS / "small" / "tables" / "filters.csv").unlink()
    assert {plan.weighings[one].stage for one in due(plan)} == {"drift"}
    (RESULTS / "small" / "tables" / "layer_reset.csv").unlink()
    assert due(plan) == set(plan.weighings)


def test_a_cell_that_is_trained_again_is_measured_again(plan: Plan) -> None:
    measure(plan)
    one = next(one for one in plan.weighings.values() if one.source_cell)
    receipts = {
        name: RESULTS / "cells" / str(name) / "receipts" / "train.json"
        for name in (one.cell, one.source_cell)
    }
    os.utime(receipts[one.cell], (20_000,) * 2)
    both = {other.id for other in plan.weighings.values() if other.cell == one.cell}
    assert due(plan) == both
    os.utime(receipts[one.cell], (500,) * 2)
    # What it started from is in its name; a source that is trained again changes nothing.
    os.utime(receipts[one.source_cell], (20_000,) * 2)
    assert due(plan) == set()


def test_freed_weights_are_trained_again_for_a_new_table(plan: Plan) -> None:
    measure(plan)
    one = next(one for one in plan.weighings.values() if one.source_cell and one.stage == "drift")
    for name in (one.cell, one.source_cell):
        (RESULTS / "cells" / str(name) / "receipts" / "train.json").unlink()
    assert not planned_jobs(plan, RESULTS).trains
    (RESULTS / one.mark).unlink()
    assert not planned_jobs(plan, RESULTS).trains
    (RESULTS / "small" / "receipts" / "drifts.json").unlink()
    assert planned_jobs(plan, RESULTS).trains >= {one.cell, one.source_cell}


def test_what_no_study_names_can_go(plan: Plan, tmp_path: Path) -> None:
    measure(plan)
    assert not [item for item in unnamed(plan) if item.kind == "weighings"]
    less = made.plan(tmp_path, {"weights": {"reset": {"images": "valid"}}}, "less.yaml")
    found = {item.name for item in unnamed(less) if item.kind == "weighings"}
    assert found == {one.id for one in plan.weighings.values() if one.stage == "reset"}
