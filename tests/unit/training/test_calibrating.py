"""Trainings whose batch norms take their statistics from the training images first."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from unit.training.test_phases import stopping
from unit.training.test_resume import KilledError, killed_at, outcome, save_now_and_then, trained
from unit.training.tiny import make_cache, make_spec

from transfergrid.data.store import open_split
from transfergrid.evaluation.predict import score_cell
from transfergrid.evaluation.scores import read_scores
from transfergrid.models.initial import initial_model
from transfergrid.models.normalise import Normalise
from transfergrid.models.norms import Moments, batch_norms
from transfergrid.models.trained import Trained
from transfergrid.planning.naming import cell_name
from transfergrid.planning.records import FINISHED
from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.sealed import unseal
from transfergrid.runtime.watcher import Watcher
from transfergrid.training import calibrating, loop
from transfergrid.training.freezing import freeze, train_mode
from transfergrid.training.loop import train
from transfergrid.training.subsets import held_out, rows_of_patients, training_rows

CALIBRATED = {"norms": "calibrate"}
STATISTICS = ("running_mean", "running_var")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path)
    return tmp_path


def steps_of(folder: Path) -> list[dict[str, Tensor]]:
    """Return the network at each kept checkpoint of a cell, whole."""
    cell = Trained.of(folder)
    return [cell.tensors(checkpoint["file"]) for checkpoint in cell.checkpoints()]


def proof_of(folder: Path) -> dict[str, Any]:
    return Trained.of(folder).json("proof.json")


def taken(spec: dict[str, Any], results: Path, rows: np.ndarray) -> dict[str, Tensor]:
    """Return the statistics that norms see of some training images in one training-mode pass."""
    model, preprocessing, _ = initial_model(spec, results, 2)
    images = np.load(results / "cache" / "tiny-0" / "train.npy")[rows]
    seen: dict[str, Tensor] = {}
    for name, norm in batch_norms(model).items():
        norm.momentum = 1.0
        norm.register_forward_hook(
            lambda norm, given, _, name=name: seen.update(
                {
                    f"{name}.running_mean": norm.running_mean.clone(),
                    # PyTorch keeps the estimate that divides by n - 1.
                    f"{name}.running_var": norm.running_var
                    * (1 - 1 / (given[0].numel() / given[0].shape[1])),
                }
            )
        )
    with torch.no_grad():
        model.train()(Normalise(preprocessing)(torch.from_numpy(images)))
    return seen


@pytest.mark.parametrize(
    "recipe",
    [{}, {"train_share": 0.5}, {"train_count": 20}, {"holdout": 0.3}, {"train_patients": 9}],
    ids=["all", "share", "count", "held out", "patients"],
)
def test_statistics_are_of_the_images_that_are_trained_on_and_no_others(
    results: Path, recipe: dict[str, Any]
) -> None:
    spec = make_spec(**CALIBRATED, **recipe, epochs=1)
    folder, _ = trained(spec, results)
    train_split = open_split(results / "cache" / "tiny-0", "train")
    used = np.arange(50)
    if "holdout" in recipe:
        used = np.flatnonzero(~held_out(train_split.patient_id, 0.3))
    if "train_patients" in recipe:
        used = rows_of_patients(train_split.patient_id, 9, 0)
    used = used[
        training_rows(len(used), recipe.get("train_share", 1.0), recipe.get("train_count"), 0)
    ]
    expected = taken(spec, results, used)
    found = steps_of(folder)[-1]  # after steps that must not have moved them
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, rtol=1e-5, atol=1e-6), name
    assert proof_of(folder)["calibration"] == {
        "phase": 0,
        "keeps_function": False,
        "norms": ["stem.1", "last.1"],
        "images": len(used),
        "constant": 0,
    }


def test_statistics_stay_and_scale_and_shift_learn_where_their_layers_do(results: Path) -> None:
    phases = [
        {"train_layers": "head", "epochs": 1},
        {"train_layers": "last_1", "epochs": 1},
        {"train_layers": "all", "epochs": 1},
        {"train_layers": "all", "epochs": 1, "norms": "frozen"},
        {"train_layers": "all", "epochs": 1, "norms": "train"},
    ]
    shared = [{**CALIBRATED, **phase} for phase in phases]
    folder, _ = trained(make_spec(phases=shared, keep_checkpoints=9), results)
    kept = steps_of(folder)
    assert len(kept) == len(phases)

    def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
        names = [name for name in after if ".1." in name and "num" not in name]
        return {name for name in names if not torch.equal(before[name], after[name])}

    def of(*layers: str, parts: tuple[str, ...] = ("weight", "bias")) -> set[str]:
        return {f"{layer}.1.{part}" for layer in layers for part in parts}

    assert moved(kept[0], kept[1]) == of("last")
    assert moved(kept[1], kept[2]) == of("stem", "last")
    assert moved(kept[2], kept[3]) == set()
    assert moved(kept[3], kept[4]) == of("stem", "last", parts=("weight", "bias", *STATISTICS))


def test_loaded_weights_compute_what_they_did(results: Path) -> None:
    source, _ = trained(make_spec(epochs=3), results)
    spec = make_spec(seed=1, train_layers="head", learning_rate=0.0, epochs=1)
    spec["weights"] |= {"kind": "cell", "source_cell": source.name}
    found = {}
    for norms in ("frozen", "calibrate"):
        phase = {**spec["recipe"]["phases"][0], "norms": norms}
        own = {**spec, "recipe": {**spec["recipe"], "phases": [phase]}}
        folder, _ = trained(own, results)
        score_cell(own, results)
        found[norms] = steps_of(folder)[-1], read_scores(folder / "scores/valid.npz").logits, folder
    before, logits, _ = found["frozen"]
    after, calibrated, folder = found["calibrate"]
    assert np.abs(calibrated - logits).max() <= 1e-5 * max(1, np.abs(logits).max())
    for layer in ("stem.1", "last.1"):
        for part in ("weight", "bias", *STATISTICS):
            assert not torch.allclose(before[f"{layer}.{part}"], after[f"{layer}.{part}"])
    proof = proof_of(folder)
    assert proof["calibration"]["keeps_function"]
    # And the weights are still proven to be the source cell's.
    assert proof["source"] == "cell" and proof["sha256"] and proof["probe"]["finite"]


def test_weights_drawn_by_statistics_are_drawn_and_trained_ones_are_not(results: Path) -> None:
    source, _ = trained(make_spec(epochs=1), results)
    redrawn = make_spec(seed=1, **CALIBRATED, epochs=1)
    redrawn["weights"] |= {"kind": "cell", "source_cell": source.name, "keep": "statistics"}
    folder, _ = trained(redrawn, results)
    assert not proof_of(folder)["calibration"]["keeps_function"]
    late = [
        {"train_layers": "all", "epochs": 1},
        {"train_layers": "all", "epochs": 1, **CALIBRATED},
    ]
    folder, _ = trained(make_spec(phases=late), results)
    calibration = proof_of(folder)["calibration"]
    assert calibration["keeps_function"] and calibration["phase"] == 1


def test_a_phase_that_calibrates_late_keeps_what_the_network_has_learned(results: Path) -> None:
    still = {"train_layers": "head", "epochs": 1, "learning_rate": 0.0}
    phases = [
        {"train_layers": "all", "epochs": 2},
        {**still, **CALIBRATED},
        {**still, **CALIBRATED},
    ]
    folder, found = trained(make_spec(phases=phases, keep_checkpoints=9), results)
    losses = [line["valid_loss"] for line in found["history"]]
    assert losses[2] == pytest.approx(losses[1], rel=1e-5)
    assert losses[3] == losses[2]  # once is enough
    learned, calibrated, again = steps_of(folder)[1:]
    assert not torch.equal(learned["stem.1.running_var"], calibrated["stem.1.running_var"])
    assert torch.equal(calibrated["stem.1.running_var"], again["stem.1.running_var"])


def test_checkpoints_are_scored_with_the_statistics_that_they_were_trained_with(
    results: Path,
) -> None:
    spec = make_spec(train_layers="last_1", **CALIBRATED, keep_checkpoints=9)
    folder, _ = trained(spec, results)
    score_cell(spec, results)
    scores = read_scores(folder / "scores/valid.npz")
    images = torch.from_numpy(np.load(results / "cache" / "tiny-0" / "valid.npy"))
    model, preprocessing, _ = initial_model(spec, results, 2)
    for number, tensors in enumerate(steps_of(folder)):
        model.load_state_dict(tensors, strict=True)
        with torch.no_grad():
            logits = model.eval()(Normalise(preprocessing)(images)).numpy()
        np.testing.assert_allclose(scores.logits[number], logits, atol=1e-5)
    assert scores.valid_score.tolist() == [
        checkpoint["valid_score"] for checkpoint in Trained.of(folder).checkpoints()
    ]


PHASES = [
    {"train_layers": "head", "epochs": 0.5},
    {"train_layers": "last_1", "patience": 1, "epochs": 2, **CALIBRATED},
    {"train_layers": "all", "epochs": 0.5, **CALIBRATED},
]
RANDOM = {"augmentation": {"flip_probability": 0.5, "noise": 0.1}}


def test_stopped_at_any_check_it_ends_as_if_never_stopped(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrating, "BATCH_SIZE", 12)
    settings = {"batch_size": 16, "train_count": 24, "keep_checkpoints": 2, **RANDOM}
    spec = make_spec("dropout_network", phases=PHASES, **settings)
    watcher, count = stopping(-1)
    folder, expected = trained(spec, results, watcher=watcher)
    seen = set()
    for after in range(1, count() + 1):
        (folder / FINISHED).unlink()
        watcher, _ = stopping(after)
        with pytest.raises(Stopped):
            train(spec, results, watcher=watcher)
        state = unseal((folder / "resume.pt").read_bytes())
        assert state is not None
        values = torch.load(io.BytesIO(state), weights_only=True)["values"]
        seen.add((values["step"] == values["began_step"], values["calibration"] is not None))
        train(spec, results)
        assert outcome(folder) == expected, after
        assert "calibration" in proof_of(folder)
    # In the pass of the calibration, and in the steps after it.
    assert seen >= {(True, False), (False, True)}


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [(calibrating, "calibrate", 1), (calibrating, "write_json", 1), (loop, "_take_step", 1)],
)
def test_killed_about_its_calibration_it_ends_as_if_never_killed(
    results: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    spec = make_spec(phases=PHASES, batch_size=16, keep_checkpoints=2, **RANDOM)
    folder, expected = trained(spec, results)
    (folder / FINISHED).unlink()
    save_now_and_then(monkeypatch, 1)
    for after in (False, True):
        with monkeypatch.context() as patch:
            killed_at(patch, owner, name, call, after)
            with pytest.raises(KilledError):
                train(spec, results)
    train(spec, results)
    assert outcome(folder) == expected


def test_what_a_network_is_like_that_cannot_be_calibrated_is_told_before_the_first_step(
    results: Path,
) -> None:
    phases = [{"train_layers": "head", "epochs": 50}, {"train_layers": "all", "epochs": 1}]
    told: list[Any] = []
    with pytest.raises(UserError, match="batch norms, but TinyNet has none"):
        train(
            make_spec("plain_network", phases=[phases[0], {**phases[1], **CALIBRATED}]),
            results,
            watcher=Watcher(told.append),
        )
    assert not told


def test_a_network_whose_signal_is_not_finite_diverges(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(values: Tensor) -> Moments:
        moments = of(values)
        return Moments(moments.count, moments.mean * float("nan"), moments.squares)

    of = Moments.of
    monkeypatch.setattr(Moments, "of", broken)
    spec = make_spec(**CALIBRATED)
    folder, found = trained(spec, results)
    assert found["record"]["status"] == "diverged"
    assert "batch norm stem.1 was not finite on the training images" in found["record"]["reason"]
    assert found["record"]["phases"][0]["ended_by"] == "diverged"
    assert not list((folder / "checkpoints").glob("step-*"))


def test_calibrated_norms_learn_with_their_layers_and_keep_their_statistics() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    model.get_classifier = lambda: model[3]
    for layers, learns in (("head", False), ("all", True)):
        freeze(model, layers, "calibrate")
        train_mode(model, "calibrate")
        assert not model[1].training
        assert model[1].weight.requires_grad is learns
    with pytest.raises(UserError, match="'train', 'frozen' or 'calibrate'"):
        freeze(model, "all", "calibrated")


def test_progress_is_told_and_names_the_images(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrating, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(calibrating, "BATCH_SIZE", 20)
    told: list[str] = []
    spec = make_spec(**CALIBRATED, epochs=0.2)
    train(spec, results, watcher=Watcher(lambda event: told.append(event.get("message", ""))))
    assert told[0] == "batch norms take their statistics from 50 training images"
    assert "calibrating: 40 of 50 training images" in told
    assert json.loads((results / "cells" / cell_name(spec) / "proof.json").read_text())
