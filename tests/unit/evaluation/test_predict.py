from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from unit.training.tiny import TinyNet, make_cache, make_spec

from transfergrid.data.store import open_split
from transfergrid.evaluation import predict as module
from transfergrid.evaluation.inference import predict, predict_each, to_device
from transfergrid.evaluation.predict import score_cell
from transfergrid.evaluation.scores import read_scores
from transfergrid.metrics.auroc import macro_auroc
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.runtime.errors import UserError
from transfergrid.tasks.score.units import combine_views, study_index, study_labels
from transfergrid.training.loop import train

GREY = Preprocessing((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, dict[str, Any], Path]:
    make_cache(tmp_path)
    spec = make_spec(epochs=3, keep_checkpoints=2)
    record = train(spec, tmp_path, threads=1)
    return tmp_path, spec, tmp_path / "cells" / record["cell"]


def images(count: int = 11, px: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, px, px)).astype(np.uint8)


def moved_net() -> TinyNet:
    """Return a network whose batch-norm statistics are not those of a fresh one."""
    torch.manual_seed(0)
    model = TinyNet(3, dropout=0.5)
    model(torch.rand(16, 3, 12, 12))
    return model


def test_logits_are_those_of_the_network_in_evaluation_mode() -> None:
    model = moved_net()
    pixels = images()
    inputs = ((torch.tensor(pixels)[:, None].float() / 255 - 0.5) / 0.2).repeat(1, 3, 1, 1)
    logits = predict(model, Normalise(GREY), pixels, 4)
    assert logits.dtype == np.float32
    assert not model.training
    with torch.no_grad():
        assert np.allclose(logits, model(inputs).numpy(), atol=1e-6)


def test_batches_and_company_do_not_matter() -> None:
    model, other = moved_net(), TinyNet(3)
    pixels = images()
    whole = predict(model, Normalise(GREY), pixels, 64)
    assert np.allclose(whole, predict(model, Normalise(GREY), pixels, 3), atol=1e-6)
    both = predict_each([other, model], Normalise(GREY), pixels, 64)
    assert np.array_equal(both[1], whole)
    assert both.shape == (2, 11, 3)


def test_a_full_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pixels, sizes = moved_net(), images(), []
    whole, forward = predict(model, Normalise(GREY), pixels), TinyNet.forward

    def limited(self: TinyNet, inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        if len(inputs) > 3:
            raise torch.OutOfMemoryError("too much")
        return forward(self, inputs)

    monkeypatch.setattr(TinyNet, "forward", limited)
    assert np.allclose(whole, predict(model, Normalise(GREY), pixels), atol=1e-6)
    assert sizes == [11, 6, 3, 3, 5, 3, 2]
    with pytest.raises(torch.OutOfMemoryError):
        predict(model, lambda _: torch.zeros(4, 3, 12, 12), pixels)


def test_logits_are_never_rounded_by_autocast() -> None:
    pixels, model = images(40), moved_net()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = predict(model, Normalise(GREY), pixels)
    assert np.array_equal(inside, predict(model, Normalise(GREY), pixels))


def test_no_images_give_no_logits() -> None:
    assert predict(TinyNet(3), Normalise(GREY), images(0)).shape == (0, 0)


def test_a_memory_map_is_only_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images())
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")

    def spoil(pixels: Tensor) -> Tensor:
        out = Normalise(GREY)(pixels)
        pixels.zero_()
        return out

    predict(TinyNet(3), spoil, mapped)
    assert np.array_equal(np.load(tmp_path / "a.npy"), images())


def test_every_kept_checkpoint_is_scored(trained: tuple[Path, dict[str, Any], Path]) -> None:
    results, spec, folder = trained
    score_cell(spec, results)
    index = json.loads((folder / "checkpoints" / "index.json").read_text())["checkpoints"]
    preprocessing = json.loads((folder / "proof.json").read_text())["preprocessing"]
    normalise = Normalise(Preprocessing.from_dict(preprocessing))
    for split in ("valid", "test"):
        scores = read_scores(folder / "scores" / f"{split}.npz")
        stored = open_split(results / "cache" / "tiny-0", split)
        assert scores.logits.shape == (len(index), len(stored.images), 2)
        assert list(scores.step) == [entry["step"] for entry in index]
        assert list(scores.task) == ["Bright", "Half"]
        assert (scores.task_kind, scores.aggregate) == ("multilabel", "max")
        for name in ("labels", "image_id", "study_id", "patient_id"):
            assert np.array_equal(getattr(scores, name), getattr(stored, name))
        for position, entry in enumerate(index):
            model = TinyNet(2)
            model.load_state_dict(load_file(folder / "checkpoints" / entry["file"]))
            logits = predict(to_device(model, "cpu"), normalise, stored.images)
            assert np.array_equal(scores.logits[position], logits)


def test_evaluation_finds_the_validation_scores_of_training(
    trained: tuple[Path, dict[str, Any], Path],
) -> None:
    results, spec, folder = trained
    score_cell(spec, results, splits=["valid"])
    scores = read_scores(folder / "scores" / "valid.npz")
    studies, _ = study_index(scores.study_id)
    combined = combine_views(scores.logits, studies, scores.aggregate)
    truth = study_labels(scores.labels, studies)
    found = [macro_auroc(logits, truth, [0, 1]) for logits in combined]
    assert found == list(scores.valid_score)
    assert not (folder / "scores" / "test.npz").exists()


def test_little_memory_and_repeats_give_the_same_files(
    trained: tuple[Path, dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    results, spec, folder = trained
    score_cell(spec, results)
    receipt = (folder / "receipts" / "evaluate.json").read_bytes()
    assert set(json.loads(receipt)["files"]) == {"scores/valid.npz", "scores/test.npz"}
    monkeypatch.setattr(module, "WEIGHTS_BYTES", 1)
    score_cell(spec, results)
    assert (folder / "receipts" / "evaluate.json").read_bytes() == receipt


def test_checkpoints_are_let_go_before_the_next_are_loaded(
    trained: tuple[Path, dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    results, spec, _ = trained
    loaded: list[weakref.ref[nn.Module]] = []
    left: list[int] = []
    real = module._load

    def watched(*arguments: Any) -> nn.Module:
        left.append(sum(ref() is not None for ref in loaded))
        model = real(*arguments)
        loaded.append(weakref.ref(model))
        return model

    monkeypatch.setattr(module, "_load", watched)
    monkeypatch.setattr(module, "WEIGHTS_BYTES", 1)
    score_cell(spec, results)
    assert len(left) > 1
    assert not any(left)


def test_a_diverged_cell_has_no_checkpoints(tmp_path: Path) -> None:
    make_cache(tmp_path)
    spec = make_spec(learning_rate=1e30, optimizer="sgd")
    record = train(spec, tmp_path)
    assert record["status"] == "diverged"
    score_cell(spec, tmp_path)
    folder = tmp_path / "cells" / record["cell"]
    scores = read_scores(folder / "scores" / "test.npz")
    assert scores.logits.shape == (0, 20, 2)
    assert len(scores.step) == len(scores.valid_score) == 0
    receipt = json.loads((folder / "receipts" / "evaluate.json").read_text())
    assert (receipt["device"], receipt["threads"]) == ("cpu", torch.get_num_threads())
    assert receipt["status"] == "diverged"


def test_a_lost_record_is_brought_back_before_scoring(
    trained: tuple[Path, dict[str, Any], Path],
) -> None:
    results, spec, folder = trained
    proof = folder / "proof.json"
    was = proof.read_bytes()
    proof.unlink()
    score_cell(spec, results)
    assert proof.read_bytes() == was


def test_only_files_of_the_receipt_are_scored(trained: tuple[Path, dict[str, Any], Path]) -> None:
    results, spec, folder = trained
    path = next((folder / "checkpoints").glob("step-*"))
    tensors = load_file(path)
    tensors["fc.bias"] += 1
    save_file(tensors, path)
    with pytest.raises(UserError, match="not the file that was written"):
        score_cell(spec, results)
    path.unlink()
    with pytest.raises(UserError, match="missing"):
        score_cell(spec, results)
    (folder / "receipts" / "train.json").unlink()
    with pytest.raises(UserError, match="train cell"):
        score_cell(spec, results)
