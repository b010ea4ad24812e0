"""When activations are stored, and what they take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands.compared import activations_lacking
from transfergrid.commands.disposable import compared_activations
from transfergrid.commands.estimate import disk_bytes
from transfergrid.commands.images import Images
from transfergrid.commands.jobs import planned_jobs
from transfergrid.commands.plan import job_counts, survey
from transfergrid.planning.plan import Plan
from transfergrid.planning.specs import sources_of

RESULTS = Path("results")


@pytest.fixture()
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A study that compares its networks, before anything of it is there."""
    monkeypatch.chdir(tmp_path)
    return made.plan(tmp_path, {"similarity": {}})


def compare(plan: Plan) -> None:
    """Write what a finished run of the study has, oldest first."""
    made.finish_stored(plan, plan.states.values(), RESULTS)


def due(plan: Plan) -> set[str]:
    return set().union(*planned_jobs(plan, RESULTS).stored.values())


def test_all_are_stored_at_first_and_counted_once(plan: Plan) -> None:
    # Six initial states would be eight, if the cut networks' weights were not their own.
    assert due(plan) == set(plan.states)
    assert job_counts(survey(plan, RESULTS))["activations"] == len(plan.states)
    compare(plan)
    assert due(plan) == set()


def test_freed_activations_are_no_reason_to_compare(plan: Plan) -> None:
    compare(plan)
    assert {item.name for item in compared_activations(plan)} == set(plan.states)
    assert not any(item.in_use for item in compared_activations(plan))
    for state in plan.states:
        (RESULTS / "activations" / state / "receipt.json").unlink()
    assert due(plan) == set()
    # A comparison that is made anew has them stored again.
    (RESULTS / "small" / "tables" / "similarity.csv").unlink()
    assert due(plan) == set(plan.states)
    assert all(item.in_use for item in compared_activations(plan))


def test_a_cell_that_is_trained_again_is_seen_again(plan: Plan) -> None:
    compare(plan)
    state = next(s for s in plan.states.values() if s.when == "final")
    assert state.trained_cell
    receipt = RESULTS / "cells" / state.trained_cell / "receipts" / "train.json"
    os.utime(receipt, (20_000,) * 2)
    assert due(plan) == {state.id}
    os.utime(receipt, (500,) * 2)
    assert due(plan) == set()


def test_freed_weights_are_trained_again_for_a_new_comparison(plan: Plan) -> None:
    compare(plan)
    state = next(s for s in plan.states.values() if s.when == "final")
    name = state.trained_cell
    (RESULTS / "cells" / str(name) / "receipts" / "train.json").unlink()
    assert not planned_jobs(plan, RESULTS).trains
    (RESULTS / "activations" / state.id / "receipt.json").unlink()
    assert not planned_jobs(plan, RESULTS).trains
    (RESULTS / "small" / "receipts" / "similarity.json").unlink()
    assert planned_jobs(plan, RESULTS).trains == {name}


def test_what_they_wait_for(plan: Plan) -> None:
    for state in plan.states.values():
        images, trained = sources_of(state)
        wanted = [state.trained_cell] if state.trained_cell else []
        assert trained == tuple(f"cells/{cell}/receipts/train.json" for cell in wanted)
        initial = state.when == "initial"
        assert images == ((f"cache/{state.dataset_id}/receipt.json",) if initial else ())


@pytest.mark.parametrize("cut", [0, 1])
def test_the_disk_that_they_take(plan: Plan, cut: int) -> None:
    (study,) = plan.studies.values()
    seen = Images(100, 200, 300, 14, True)
    found = activations_lacking(study, {"films": seen}, RESULTS)
    state = next(s for s in study.states if s.entry["truncation"] == cut)
    # LCNet at 32 px; ten rows a channel of 200 images, but the last map has one position.
    # Channels and positions of each block, by hand.
    blocks = [(16, 1), (32, 2), (64, 4), (128, 4), (128, 4), (1280, 1)][: 6 - cut]
    assert found[state.id][0] == "activations"
    widths = [*blocks, (blocks[-1][0], 1)]
    assert found[state.id][1] == 4 * 200 * sum(width * places for width, places in widths)
    assert disk_bytes(plan, RESULTS)["activations"] > 0
    compare(plan)
    assert disk_bytes(plan, RESULTS)["activations"] == 0


def test_layers_that_are_not_named_take_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layers = ["stem", "block2", "pooled"]
    (study,) = made.plan(tmp_path, {"similarity": {"layers": layers}}).studies.values()
    found = activations_lacking(study, {"films": Images(100, 200, 300, 14, True)}, RESULTS)
    for state in study.states:
        pooled = 1280 if state.entry["truncation"] == 0 else 128
        # Two positions of block2 in each of 200 images; the stem is left aside.
        assert found[state.id][1] == 4 * 200 * (2 * 32 + pooled)


def test_networks_that_are_not_listed_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    block = {**made.SMALL["grid"][0], "architectures": ["resnet10t.c3_in1k"], "truncations": [0]}
    changes = {"similarity": {}, "grid": [block]}
    (study,) = made.plan(tmp_path, changes).studies.values()
    found = activations_lacking(study, {"films": Images(100, 200, 300, 14, True)}, RESULTS)
    assert len(found) == len(study.states) > 0
    assert set(found.values()) == {("activations", 0)}
