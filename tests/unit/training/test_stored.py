"""Training on stored features against training through the frozen network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor
from unit.training.tiny import TinyNet, make_cache, make_spec

from transfergrid.evaluation.extraction import extract
from transfergrid.evaluation.predict import score_cell
from transfergrid.evaluation.rebuild import ensure_features
from transfergrid.evaluation.scores import read_scores
from transfergrid.models.trained import Trained
from transfergrid.planning.features import Features, features_of
from transfergrid.planning.naming import cell_name
from transfergrid.planning.prefix import prefix_of
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.watcher import Watcher
from transfergrid.training import loop
from transfergrid.training.loop import train

BOUND = 1e-5
"""Largest difference of a logit, after tens of steps: some hundred times float32's last bit at 1.
A batch of another size may round a convolution otherwise."""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path)
    return tmp_path


def with_features(spec: dict[str, Any], *phases: int) -> tuple[dict[str, Any], list[Features]]:
    """Return a specification whose phases train on stored features, and these."""
    recipe, found = Recipe.from_dict(spec["recipe"]), []
    made_of = {key: spec[key] for key in ("architecture", "weights")} | {"dataset": "tiny-0"}
    for phase in phases:
        prefix = prefix_of(recipe.phases[phase].train_layers, 0)
        assert prefix is not None
        found.append(features_of(made_of, spec["seed"], "random", prefix))
    named = {str(phase): one.id for phase, one in zip(phases, found, strict=True)}
    return {**spec, "features": named, "code": {**spec["code"], "features": ""}}, found


def stored(results: Path, spec: dict[str, Any], *phases: int) -> dict[str, Any]:
    """Make the features of a cell; return its specification."""
    named, found = with_features(spec, *phases)
    for one in found:
        extract(one.id, one.made_from, results, "cpu")
    return named


def done(results: Path, spec: dict[str, Any]) -> tuple[Trained, list[dict[str, Any]], np.ndarray]:
    """Train and score a cell; return it, its history and its test logits."""
    train(spec, results, threads=1)
    score_cell(spec, results)
    folder = results / "cells" / cell_name(spec)
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return Trained.of(folder), lines, read_scores(folder / "scores" / "test.npz").logits


def lcnet(**recipe: Any) -> dict[str, Any]:
    spec = make_spec(batch_size=25, **recipe)
    spec["architecture"] |= {"timm": "lcnet_050.ra2_in1k", "factory": None}
    return spec


@pytest.mark.parametrize(
    "spec",
    [
        make_spec(train_layers="head", epochs=5),
        make_spec(train_layers="head", epochs=2, holdout=0.3),
        make_spec(train_layers="head", epochs=2, train_share=0.5, patience=1),
        make_spec("centred_network", train_layers="head", epochs=1),
        lcnet(train_layers="head", epochs=3),
        lcnet(train_layers="last_2", epochs=3),
        lcnet(train_layers="last_2", epochs=2, norms="frozen"),
    ],
    ids=["head", "held out", "share", "buffer", "timm head", "map", "map and frozen norms"],
)
def test_only_last_bits_differ(results: Path, spec: dict[str, Any]) -> None:
    through, lines, logits = done(results, spec)
    on_features, other_lines, found = done(results, stored(results, spec, 0))
    assert np.abs(found - logits).max() < BOUND
    for line, other in zip(lines, other_lines, strict=True):
        assert other["train_loss"] == pytest.approx(line["train_loss"], abs=BOUND)
        assert other["valid_loss"] == pytest.approx(line["valid_loss"], abs=BOUND)
    # A checkpoint is whole either way, and what is frozen is what it was.
    file = on_features.checkpoints()[-1]["file"]
    one, two = through.tensors(file), on_features.tensors(file)
    assert set(one) == set(two) > set(on_features.learned(file))
    for name in set(one) - set(on_features.learned(file)):
        assert one[name].equal(two[name])


def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that fills with the number of images of each pass through the network."""
    seen: list[int] = []
    forward = TinyNet.forward

    def counted(self: TinyNet, images: Tensor) -> Tensor:
        seen.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(TinyNet, "forward", counted)
    return seen


def test_a_head_phase_costs_no_pass_through_the_network_whatever_its_epochs(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = forwards(monkeypatch)
    passes = []
    for epochs in (1, 6):
        phases = [{"train_layers": "head", "epochs": epochs}, {"train_layers": "all", "epochs": 1}]
        spec = stored(results, make_spec(phases=phases, keep_checkpoints=20), 0)
        seen.clear()
        record = train(spec, results, threads=1)
        assert record["status"] == "finished"
        passes.append(list(seen))
    assert passes[0] == passes[1]


def test_a_head_that_trains_first_leaves_the_rest_as_through_the_network(results: Path) -> None:
    phases = [{"train_layers": "head", "epochs": 2}, {"train_layers": "all", "epochs": 1}]
    spec = make_spec(phases=phases)
    _, lines, logits = done(results, spec)
    trained, other_lines, found = done(results, stored(results, spec, 0))
    assert np.abs(found - logits).max() < 10 * BOUND  # a whole network's steps add to it
    assert [line["phase"] for line in other_lines] == [line["phase"] for line in lines]
    assert not (trained.folder / "checkpoints" / "frozen.safetensors").exists()


def test_scores_through_the_store_are_those_of_the_whole_network_bit_for_bit(
    results: Path,
) -> None:
    spec = stored(results, make_spec(train_layers="head", epochs=2), 0)
    _, _, logits = done(results, spec)
    (results / "features" / spec["features"]["0"] / "receipt.json").unlink()
    score_cell(spec, results)
    folder = results / "cells" / cell_name(spec)
    assert np.array_equal(read_scores(folder / "scores" / "test.npz").logits, logits)


@pytest.mark.parametrize("steps", [3, 7, 12])
def test_a_training_stopped_on_features_ends_as_one_never_stopped(
    results: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    phases = [{"train_layers": "head", "epochs": 1}, {"train_layers": "head", "epochs": 1}]
    spec = stored(results, make_spec(phases=phases, keep_checkpoints=5), 0, 1)
    whole = train(spec, results, threads=1, fresh=True)
    folder = results / "cells" / cell_name(spec)
    files = {path.name: path.read_bytes() for path in (folder / "checkpoints").iterdir()}
    for path in (folder / "finished.json", folder / "train.json"):
        path.unlink()
    left = iter(range(steps))
    with pytest.raises(Stopped):
        train(spec, results, threads=1, watcher=Watcher(stop=lambda: next(left, None) is None))
    again = train(spec, results, threads=1)
    assert {path.name: path.read_bytes() for path in (folder / "checkpoints").iterdir()} == files
    assert again["best_valid_score"] == whole["best_valid_score"]


def test_training_needs_no_features_of_its_test_images_and_pixels_of_none(results: Path) -> None:
    spec = stored(results, make_spec(train_layers="head"), 0)
    (results / "features" / spec["features"]["0"] / "test.npy").unlink()
    for name in ("train", "valid"):
        path = results / "cache" / "tiny-0" / f"{name}.npy"
        np.save(path, np.zeros_like(np.load(path)))  # would be noticed if it were read
    assert train(spec, results, threads=1)["status"] == "finished"


def test_damaged_features_end_the_training_with_a_sentence(results: Path) -> None:
    spec = stored(results, make_spec(train_layers="head"), 0)
    path = results / "features" / spec["features"]["0"] / "valid.npy"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"valid\.npy is not the file that was written.*makes the"):
        train(spec, results, threads=1)
    assert not (results / "cells" / cell_name(spec) / "train.json").exists()


def test_features_of_a_source_that_was_trained_again_are_used_by_no_one_else(
    results: Path,
) -> None:
    source = make_spec(epochs=1)
    train(source, results, threads=1)
    heir, late = make_spec(train_layers="head", epochs=1), make_spec(train_layers="head")
    for spec in (heir, late):
        spec["weights"] |= {"kind": "cell", "source_cell": cell_name(source)}
    heir, late = stored(results, heir, 0), stored(results, late, 0)
    assert heir["features"] == late["features"]
    _, _, logits = done(results, heir)

    # As on another device: the same training, and other weights.
    shutil.rmtree(results / "cells" / cell_name(source))
    other = make_spec(epochs=1, learning_rate=0.02)
    shutil.copytree(
        train_folder(results, other), results / "cells" / cell_name(source), dirs_exist_ok=True
    )
    with pytest.raises(UserError, match="other weights than cell .* has now.*; remove"):
        train(late, results, threads=1)
    shutil.rmtree(results / "features")
    stored(results, late, 0)
    assert train(late, results, threads=1)["status"] == "finished"
    score_cell(heir, results)  # the cell is still what it was trained as
    again = read_scores(results / "cells" / cell_name(heir) / "scores" / "test.npz").logits
    assert np.array_equal(again, logits)


def test_scoring_makes_the_features_that_it_reads_and_no_others(results: Path) -> None:
    phases = [{"train_layers": layers, "epochs": 1} for layers in ("head", "last_1")]
    spec, (head, deepest) = with_features(lcnet(phases=phases), 0, 1)
    ensure_features(spec, results, "cpu", scoring=True)
    assert [path.name for path in (results / "features").glob("[!.]*")] == [deepest.id]
    ensure_features(spec, results, "cpu")
    assert (results / "features" / head.id).is_dir()


def train_folder(results: Path, spec: dict[str, Any]) -> Path:
    train(spec, results, threads=1)
    return results / "cells" / cell_name(spec)
