"""Learning rates by trial: who is held out, what is chosen, what training does with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.training.tiny import make_cache, make_spec, write_receipt

from transfergrid.data.store import open_split
from transfergrid.planning.naming import cell_name
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.sealed import write_sealed
from transfergrid.training.choice import choose_rate
from transfergrid.training.loop import train
from transfergrid.training.subsets import held_out, split_off
from transfergrid.training.tuning import recipe_of

TUNE = {"learning_rates": [1e-3, 1e-2], "epochs": 1.0, "holdout": 0.2, "seed": 0}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path)
    return tmp_path


@given(st.lists(st.integers(0, 30), min_size=2, max_size=80), st.floats(0.01, 0.99))
def test_patients_are_held_out_whole(numbers: list[int], share: float) -> None:
    patients = np.array([f"p{number}" for number in numbers])
    names = set(patients)
    if len(names) < 2:
        return
    held = held_out(patients, share)
    out, left = set(patients[held]), set(patients[~held])
    assert not out & left
    assert len(out) == min(max(1, round(share * len(names))), len(names) - 1)
    # Who is held out does not depend on the order of the images.
    assert set(patients[::-1][held_out(patients[::-1], share)]) == out


def test_held_out_images_are_a_split_without_soft_labels(results: Path) -> None:
    whole = open_split(results / "cache" / "tiny-0", "train")
    held = np.arange(50) % 3 == 0
    split = split_off(whole, held)
    assert len(split.images) == held.sum() == len(split.labels)
    assert np.array_equal(split.images[4:9], whole.images[held][4:9])
    assert np.isnan(split.labels[1, 0]) and whole.labels[3, 0] == np.float32(0.7)
    hard = ~np.isnan(split.labels)
    assert np.array_equal(split.labels[hard], whole.labels[held][hard])


def test_a_trial_neither_trains_on_whom_it_validates_nor_reads_the_validation_split(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = results / "cache" / "tiny-0"
    held = held_out(open_split(cache, "train").patient_id, 0.4)
    spec = make_spec(holdout=0.4, epochs=1)
    record = train(spec, results)
    assert record["train_images"] == (~held).sum()
    (line,) = (results / "cells" / cell_name(spec) / "history.jsonl").read_text().splitlines()
    np.save(cache / "valid.npy", np.zeros_like(np.load(cache / "valid.npy")))
    train(spec, results, fresh=True)
    (again,) = (results / "cells" / cell_name(spec) / "history.jsonl").read_text().splitlines()
    assert json.loads(again)["valid_score"] == json.loads(line)["valid_score"]
    images = np.load(cache / "train.npy")
    images[held] = 255 - images[held]
    np.save(cache / "train.npy", images)
    write_receipt(cache)
    train(spec, results, fresh=True)
    (turned,) = (results / "cells" / cell_name(spec) / "history.jsonl").read_text().splitlines()
    assert json.loads(turned)["valid_score"] != json.loads(line)["valid_score"]
    assert json.loads(turned)["train_loss"] == json.loads(line)["train_loss"]


def trial(
    results: Path, name: str, auroc: float | None, status: str = "finished", higher: bool = True
) -> str:
    record = {
        "status": status,
        "best_valid_score": auroc,
        "metric": "m",
        "higher_is_better": higher,
    }
    write_sealed(results / "cells" / name / "train.json", record)
    return name


def test_the_best_rate_wins_and_the_lower_one_of_equals(tmp_path: Path) -> None:
    trials = {
        "0.0001": trial(tmp_path, "a", 0.7),
        "0.001": trial(tmp_path, "b", 0.8),
        "0.01": trial(tmp_path, "c", 0.8),
        "0.1": trial(tmp_path, "d", None, "diverged"),
    }
    found = choose_rate(trials, tmp_path)
    assert (found["learning_rate"], found["at_edge"]) == (0.001, False)
    assert found["trials"]["0.1"] == {"cell": "d", "status": "diverged", "valid_score": None}
    trial(tmp_path, "a", 0.9)
    assert choose_rate(trials, tmp_path)["learning_rate"] == 0.0001
    assert choose_rate(trials, tmp_path)["at_edge"]
    assert choose_rate({"0.1": "d"}, tmp_path)["learning_rate"] is None


def tuned(results: Path, found: dict[str, Any] | None) -> dict[str, Any]:
    spec = make_spec(tune=TUNE)
    spec["tuning"] = {"id": "t-0", "trials": {"0.001": "a", "0.01": "b"}}
    if found is not None:
        trials = {"0.001": {"cell": "a"}, "0.01": {"cell": "b"}}
        write_sealed(results / "tuning" / "t-0" / "tuning.json", {"trials": trials, **found})
    return spec


def test_a_cell_trains_with_the_rate_that_was_found(results: Path) -> None:
    spec = tuned(results, {"learning_rate": 0.01})
    record = train(spec, results)
    assert record["learning_rate"] == 0.01
    folder = results / "cells" / record["cell"]
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert {line["learning_rate"] for line in lines} == {0.01}
    # What was done with another rate is not taken for this one.
    tuned(results, {"learning_rate": 0.001})
    assert train(spec, results)["learning_rate"] == 0.001


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "tuning.json.* is missing; run snakemake"),
        ({"learning_rate": None}, "every trial .* diverged.*; try lower ones"),
        ({"learning_rate": 1.0, "trials": {}}, "not about the trials of this cell"),
    ],
)
def test_a_rate_that_is_not_known_is_a_sentence(
    results: Path, found: dict[str, Any] | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        recipe_of(tuned(results, found), results)


def test_trials_differ_in_their_rate_alone() -> None:
    recipe = Recipe.from_dict({"tune": TUNE, "epochs": 9, "patience": 2, "batch_size": 8})
    one, two = (recipe.trial(rate).to_dict() for rate in recipe.tune.learning_rates)  # type: ignore[union-attr]
    assert {key for key in one if one[key] != two[key]} == {"phases"}
    assert (one["holdout"], one["tune"]) == (0.2, None)
    (first,), (second,) = one["phases"], two["phases"]
    assert {key for key in first if first[key] != second[key]} == {"learning_rate"}
    assert (first["epochs"], first["patience"]) == (1.0, None)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    with pytest.raises(ValueError, match="no trials"):
        Recipe().trial(0.1)


def test_patience_ends_a_training_that_no_longer_gains(results: Path) -> None:
    spec = make_spec(epochs=40, validate_every_examples=50, patience=3, learning_rate=1e-2)
    record = train(spec, results)
    folder = results / "cells" / record["cell"]
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    scores = [line["valid_score"] for line in lines]
    first = next(n for n in range(4, 41) if max(scores[: n - 3]) >= max(scores[n - 3 : n]))
    assert len(scores) == first < 40
    index = json.loads((folder / "checkpoints" / "index.json").read_text())
    assert index["last"] == f"step-{lines[-1]['step']:08d}.safetensors"
    assert record["steps"] == lines[-1]["step"]


def test_of_a_loss_the_lowest_rate_that_is_best_wins(tmp_path: Path) -> None:
    scores = {"0.001": 0.3, "0.01": 0.2, "0.1": 0.2, "1.0": 0.4}
    trials = {
        rate: trial(tmp_path, f"t{rate}", score, higher=False) for rate, score in scores.items()
    }
    found = choose_rate(trials, tmp_path)
    assert (found["learning_rate"], found["metric"]) == (0.01, "m")
    assert found["trials"]["0.1"]["valid_score"] == 0.2
