"""When weights are measured, and when what was measured may go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands import stored_hours as timing
from transfergrid.commands.disposable import unnamed
from transfergrid.commands.estimate import FORWARD_SHARE, START_SECONDS, disk_bytes
from transfergrid.commands.images import Images
from transfergrid.commands.jobs import planned_jobs
from transfergrid.commands.pace import SPREAD, Measured
from transfergrid.commands.plan import job_counts, report, survey
from transfergrid.commands.weighed import DRIFT_BYTES, NAMES_BYTES, weighings_lacking
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


IMAGES = Images(1000, 200, 300, 14, True)
KNOWN = [Measured("lcnet_050", cut, 32, "fp32", "all", "cpu", 100.0) for cut in (0, 1)]
NETWORKS = {0: 1 + 7 + 2, 1: 1 + 6 + 2}
"""LCNet has seven blocks: the trained network, each of them, all of them and the classifier."""


def timed(
    plan: Plan, due: set[str], monkeypatch: pytest.MonkeyPatch, images: Images = IMAGES
) -> timing.Hours:
    (study,) = plan.studies.values()
    there = dict.fromkeys(study.datasets, images)
    monkeypatch.setattr(timing, "image_counts", lambda *_: there)
    monkeypatch.setattr(timing, "target_device", lambda *_: "cpu")
    return timing.stored_hours(study, due, KNOWN)


def test_a_reset_takes_a_pass_for_each_layer_and_drift_none(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in plan.weighings.values():
        found = timed(plan, {one.id}, monkeypatch)
        cut = plan.cells[one.cell].point.truncation
        passes = NETWORKS[cut] * IMAGES.test if one.stage == "reset" else 0
        seconds = START_SECONDS + passes * FORWARD_SHARE / 100.0
        spread = SPREAD["measured" if passes else "scaled"]
        assert found.low == pytest.approx(seconds / spread / 3600)
        assert found.high == pytest.approx(seconds * spread / 3600)
    assert found.cells == 1 and timed(plan, set(), monkeypatch).cells == 0


def test_the_disk_that_measurements_take(plan: Plan) -> None:
    (study,) = plan.studies.values()
    found = weighings_lacking(study, dict.fromkeys(study.datasets, IMAGES), RESULTS)
    assert found.keys() == plan.weighings.keys()
    for one in plan.weighings.values():
        networks = NETWORKS[plan.cells[one.cell].point.truncation]
        scores = IMAGES.test * (4 * IMAGES.tasks * networks + NAMES_BYTES)
        assert found[one.id] == ("weighings", scores if one.stage == "reset" else DRIFT_BYTES)
    assert disk_bytes(plan, RESULTS)["weighings"] > 0
    measure(plan)
    assert disk_bytes(plan, RESULTS)["weighings"] == 0


def test_activations_take_a_pass_over_the_images_that_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = {"norms": "calibrate"}
    plan = made.plan(tmp_path, {"similarity": {"rows": 150}, "recipe": recipe})
    for state in plan.states.values():
        found = timed(plan, {state.id}, monkeypatch)
        # Drawn weights take statistics of the training images before they learn.
        passes = 150 + (IMAGES.train if "calibrated" in state.made_from else 0)
        seconds = START_SECONDS + passes * FORWARD_SHARE / 100.0
        assert found.high == pytest.approx(seconds * SPREAD["measured"] / 3600)
    assert any("calibrated" in state.made_from for state in plan.states.values())


def test_the_plan_tells_what_they_take_until_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = made.plan(tmp_path, {"weights": {"reset": {}}, "similarity": {}})
    told = "\n".join(report(survey(plan, RESULTS)))
    count = len(plan.weighings) // 2
    assert f"small: activations ({len(plan.states)}), drift ({count}), reset ({count}) take" in told
    assert "weighings" in told.partition("disk: about")[2]
    made.finish_stored(plan, plan.stored.values(), RESULTS)
    assert "drift (" not in "\n".join(report(survey(plan, RESULTS)))
