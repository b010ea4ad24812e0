from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.commands import made_up_results as made

from transfergrid.commands import estimate
from transfergrid.commands.costs import cost_lines
from transfergrid.commands.estimate import (
    FORWARD_SHARE,
    START_SECONDS,
    disk_bytes,
    hours_left,
    image_counts,
    job_seconds,
    kept,
    training_memory,
)
from transfergrid.commands.images import Images
from transfergrid.commands.pace import SPREAD, known_costs, known_mask_costs, measurements
from transfergrid.commands.plan import survey
from transfergrid.commands.state import CellState, Status, cell_states
from transfergrid.commands.weighed import NAMES_BYTES
from transfergrid.planning.plan import Plan
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.sizes import patients_left
from transfergrid.runtime.errors import UserError
from transfergrid.training.subsets import held_out

RESULTS = Path("results")
IMAGES = Images(train=1000, valid=90, test=210, tasks=14, exact=True, patients=250)


def state(trains: bool = True, scores: bool = True, share_done: float = 0.0) -> CellState:
    return CellState("x", Status.MISSING, trains=trains, scores=scores, share_done=share_done)


def test_training_is_epochs_validations_and_scoring() -> None:
    recipe = Recipe.from_dict({"epochs": 3, "keep_checkpoints": 10})
    steps = 3 * 1000 / 50
    predicted = 3 * 90 + 3 * (90 + 210)  # three validations, three checkpoints
    expected = steps + FORWARD_SHARE * predicted / 50 + 2 * START_SECONDS
    assert job_seconds(recipe, IMAGES, state(), 50) == pytest.approx(expected)


def test_scoring_alone_is_forward_passes_of_the_kept_checkpoints() -> None:
    recipe = Recipe.from_dict({"epochs": 30, "keep_checkpoints": 2})
    expected = START_SECONDS + FORWARD_SHARE * 3 * 300 / 50
    assert job_seconds(recipe, IMAGES, state(trains=False), 50) == pytest.approx(expected)


def test_what_a_stopped_training_has_done_is_not_counted_again() -> None:
    recipe = Recipe.from_dict({"epochs": 4})
    half = job_seconds(recipe, IMAGES, state(scores=False, share_done=0.5), 50)
    whole = job_seconds(Recipe.from_dict({"epochs": 2}), IMAGES, state(scores=False), 50)
    assert half == pytest.approx(whole)


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ({"epochs": 3, "keep_checkpoints": 10}, 3),
        ({"epochs": 30, "keep_checkpoints": 10}, 11),
        ({"epochs": 1, "keep_checkpoints": 10, "validate_every_examples": 100}, 10),
        ({"epochs": 1, "train_count": 50, "validate_every_examples": 100}, 1),
        ({"epochs": 1, "train_share": 0.5, "validate_every_examples": 250}, 2),
        ({"epochs": 1, "train_patients": 100, "validate_every_examples": 100}, 4),
        ({"epochs": 1, "train_patients": 999, "validate_every_examples": 250}, 4),
    ],
)
def test_no_more_checkpoints_are_kept_than_validations_were(
    recipe: dict[str, Any], count: int
) -> None:
    assert kept(Recipe.from_dict(recipe), IMAGES) == count


def test_a_trial_trains_on_what_is_left_and_validates_on_what_is_held_out() -> None:
    recipe = Recipe.from_dict({"epochs": 2, "holdout": 0.25, "keep_checkpoints": 1})
    expected = 2 * 750 / 50 + FORWARD_SHARE * 2 * 250 / 50 + START_SECONDS
    assert job_seconds(recipe, IMAGES, state(scores=False), 50) == pytest.approx(expected)


def test_the_epochs_of_all_phases_are_counted() -> None:
    phases = [{"train_layers": "head", "epochs": 1}, {"train_layers": "all", "epochs": 2}]
    parts = Recipe.from_dict({"phases": phases})
    whole = job_seconds(Recipe.from_dict({"epochs": 3}), IMAGES, state(), 50)
    assert job_seconds(parts, IMAGES, state(), 50) == pytest.approx(whole)
    assert kept(Recipe.from_dict({"phases": [{**phases[0], "epochs": None}]}), IMAGES) == 11


@pytest.fixture()
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    return made.plan(tmp_path)


def test_a_finished_study_costs_nothing(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    found = hours_left(planned.studies["small"], cell_states(planned), measurements())
    assert (found.low, found.high, found.cells) == (0, 0, 0)
    assert set(disk_bytes(planned).values()) == {0}


def test_one_cell_that_is_gone_costs_what_its_like_took(planned: Plan) -> None:
    made.finish(made.plan(Path(), {"grid": [{**made.SMALL["grid"][0], "seeds": [1]}]}), RESULTS)
    made.finish(planned, RESULTS)
    study = planned.studies["small"]
    gone = next(cell for name, cell in planned.cells.items() if "random-drop0-finetune" in name)
    shutil.rmtree(RESULTS / "cells" / gone.name)
    found = hours_left(study, cell_states(planned), measurements())
    assert dict(found.bases) == {"measured": 1}
    recipe = study.study.recipes["finetune"]
    card = Images(93, 45, 50, 14, exact=True)
    hours = job_seconds(recipe, card, state(), 400.0) / 3600
    assert found.low == pytest.approx(hours / SPREAD["measured"])
    assert found.high == pytest.approx(hours * SPREAD["measured"])


def test_a_first_run_is_a_guess_and_says_so(planned: Plan) -> None:
    found = hours_left(planned.studies["small"], cell_states(planned), [])
    assert dict(found.bases) == {"guess": 5}
    assert found.high == pytest.approx(found.low * SPREAD["guess"] ** 2)


def test_trials_count_with_their_own_epochs(tmp_path: Path, planned: Plan) -> None:
    tuned = made.plan(tmp_path, made.TUNED)
    study = tuned.studies["small"]
    made.finish(tuned, RESULTS)
    for trial in study.trials:
        shutil.rmtree(RESULTS / "cells" / trial.name)
    found = hours_left(study, cell_states(tuned), measurements())
    card = Images(93, 45, 50, 14, exact=True)
    recipe = study.study.recipes["finetune"].trial(1e-4)
    assert (recipe.epochs, recipe.holdout) == (0.5, 0.2)
    seconds = 4 * job_seconds(recipe, card, state(scores=False), 400.0)
    assert found.low * found.high == pytest.approx((seconds / 3600) ** 2)
    need = disk_bytes(tuned)
    assert (need["checkpoints"], need["scores"]) == (0, 0)


@pytest.mark.parametrize(("asked", "people"), [(93, None), (94, 93), (31, 30), (30, None)])
def test_more_patients_than_there_are_are_refused_before_anything_runs(
    tmp_path: Path, planned: Plan, asked: int, people: int | None
) -> None:
    study = made.plan(tmp_path, {"protocols": {"finetune": {"train_patients": asked}}})
    made.finish(study, RESULTS)
    if asked in (30, 31):  # films of fewer patients
        card = copy.deepcopy(made.CARD)
        card["splits"]["train"]["patients"] = 30
        for cell in study.cells.values():
            made.write(RESULTS / "cache" / cell.dataset_id / "card.json", card)
    if people is None:
        survey(study)
        return
    told = f"'finetune' trains on {asked} patients, but data set 'films' has {people}"
    with pytest.raises(UserError, match=told):
        survey(study)


@pytest.mark.parametrize(("asked", "set_of"), [(41, "chest"), (41, "shapes"), (40, "chest")])
def test_drawn_patients_are_known_before_they_are_drawn(
    tmp_path: Path, planned: Plan, asked: int, set_of: str
) -> None:
    films = {"kind": "phantom", "set": set_of, "patients": 40, "image_px": 32}
    protocols = {"finetune": {"train_patients": asked}}
    study = made.plan(tmp_path, {"datasets": {"films": films}, "protocols": protocols})
    if asked == 40:
        survey(study)
        return
    told = "'finetune' trains on 41 patients, but data set 'films' has 40 to train on"
    with pytest.raises(UserError, match=told):
        survey(study)


def _with(taking: dict[str, Any]) -> dict[str, Any]:
    return {k: {**made.TUNE, **v} if k == "tune" else v for k, v in taking.items()}


@pytest.mark.parametrize(
    ("taking", "word", "left"),
    [({"holdout": 0.2}, "holdout", 74), ({"tune": {"holdout": 0.3}}, "tune", 65)],
)
def test_patients_held_out_are_not_there_to_train_on(
    tmp_path: Path, planned: Plan, taking: dict[str, Any], word: str, left: int
) -> None:
    names = np.array([f"patient{number}" for number in range(93)])
    (share,) = (float(v) if k == "holdout" else v["holdout"] for k, v in taking.items())
    assert left == (~held_out(names, share)).sum() == patients_left(93, share)
    for asked in (left, left + 1):
        changes = {"protocols": {"finetune": {"train_patients": asked, **_with(taking)}}}
        study = made.plan(tmp_path, changes)
        made.finish(study, RESULTS)
        if asked == left:
            survey(study)
            continue
        told = f"has 93 to train on, of whom {word} takes {93 - left} away; ask for fewer"
        with pytest.raises(UserError, match=told):
            survey(study)


def test_data_of_unknown_size_are_named_not_counted(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "count_images", lambda *_: None)
    found = hours_left(planned.studies["small"], cell_states(planned), [])
    assert (found.cells, sum(found.unknown.values())) == (0, 5)
    assert "data set films is not decoded yet" in found.unknown


def test_trainings_that_only_patience_ends_are_named_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    phases = {"phases": [{"train_layers": "head", "patience": 2}]}
    plan = made.plan(tmp_path, {"protocols": {"finetune": phases}})
    made.finish(plan, RESULTS)
    study, known = plan.studies["small"], measurements()
    for cell in study.targets:
        shutil.rmtree(RESULTS / "cells" / cell.name)
    found = hours_left(study, cell_states(plan), known)
    assert found.unknown == {"only patience ends a phase of its training": len(study.targets)}


def test_disk_is_counted_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    longer = {"recipe": {"epochs": 2}, "protocols": {"source": {"epochs": 4}}}
    planned = made.plan(tmp_path, longer)
    made.finish(planned, RESULTS)
    shutil.rmtree(RESULTS / "cells")
    shutil.rmtree(next(RESULTS.glob("cache/textures-*")))
    need = disk_bytes(planned)
    textures = 64 + 40 + 40
    assert need["caches"] == textures * 32 * 32
    whole, cut = (4 * known_costs()["lcnet_050", truncation][0] for truncation in (0, 1))
    # Two fine-tuned cells of each depth with two checkpoints, one source with three.
    assert need["checkpoints"] == 2 * 2 * whole + 2 * 2 * cut + 3 * whole
    assert need["states"] == 5 * 6 * whole
    assert need["weights"] == 0


def test_the_disk_of_two_studies_counts_shared_cells_once(planned: Plan) -> None:
    twice = Plan({**planned.studies, "again": planned.studies["small"]})
    assert disk_bytes(twice) == disk_bytes(planned)


def test_features_count_once_and_so_does_what_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def study(layers: str, prefix: str) -> Plan:
        recipe = {"train_layers": layers, "frozen_prefix": prefix, "epochs": 2}
        return made.plan(tmp_path, {"recipe": recipe, "datasets": {"films": {"image_px": 64}}})

    planned = study("head", "stored")
    made.finish(planned, RESULTS)
    for room in ("cells", "features"):
        shutil.rmtree(RESULTS / room, ignore_errors=True)
    need, other = disk_bytes(planned), disk_bytes(study("all", "auto"))
    films = 60 + 40 + 40
    widths = {"drop0": 1280, "drop1": 128}
    kinds = [name.split("-") for name in planned.features if name.startswith("films")]
    counted = sum(4 * films * widths[parts[3]] for parts in kinds)
    assert kinds and need["features"] >= counted > 0
    assert other["features"] == 0 and need["checkpoints"] < other["checkpoints"]

    def hours(plan: Plan) -> float:
        return hours_left(plan.studies["small"], cell_states(plan), []).low

    # The network passes each film once, in the place of twice with validations and scoring.
    assert hours(planned) < hours(study("head", "computed"))


def test_trainings_on_features_do_not_measure_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {"recipe": {"train_layers": "head", "frozen_prefix": "stored"}}
    planned = made.plan(tmp_path, changes)
    made.finish(planned, RESULTS)
    known = measurements(RESULTS)
    assert known and all(one.stored for one in known)
    computed = made.plan(
        tmp_path, {"recipe": {"train_layers": "head", "frozen_prefix": "computed"}}
    )
    study = computed.studies["small"]
    found = hours_left(study, cell_states(computed), known)
    assert set(found.bases) == {"guess"}


def test_masks_take_the_disk_and_memory_of_their_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    films = {"kind": "mask_phantom", "image_px": 64}
    plan = made.plan(tmp_path, {"datasets": {"drawn": films}, **made_of("drawn")})
    (study,), (cell,) = plan.studies.values(), plan.cells.values()
    recipe = study.study.recipes["finetune"]
    need, cost = disk_bytes(plan), known_mask_costs()["lcnet_050", 1]
    images = image_counts(study)["drawn"]
    assert images is not None and need["caches"] == images.total * 64**2 * (1 + 2)
    checkpoints = kept(recipe, images)
    assert need["checkpoints"] == 4 * cost.stored * checkpoints
    rows = images.valid + images.test
    # Four counts of each checkpoint and of each mean of the best ones, and what is true.
    assert need["scores"] == rows * (4 * 2 * (2 * 4 * checkpoints + 1) + NAMES_BYTES)
    held = recipe.micro_batch * cost.held * (64 / 224) ** 2
    told = training_memory(study, [cell])
    assert told is not None and told > 4 * (held + 4 * cost.stored)
    assert training_memory(study, []) is None
    lines = cost_lines(survey(plan))
    assert any("trainings of masks take up to" in line and "of memory" in line for line in lines)


def made_of(dataset: str) -> dict[str, Any]:
    """Return a grid of one cell of a data set, and no question."""
    axes = {"datasets": [dataset], "architectures": ["lcnet_050"], "pretrainings": ["random"]}
    block = {**axes, "truncations": [1], "protocols": ["finetune"], "seeds": [0]}
    return {"grid": [block], "questions": []}
