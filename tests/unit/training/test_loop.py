from __future__ import annotations

import copy
import dataclasses
import json
import sys
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode
from unit.training.tiny import TinyNet, make_cache, make_spec

from transfergrid.models.initial import initial_model
from transfergrid.models.trained import Trained
from transfergrid.runtime.sealed import read_sealed
from transfergrid.runtime.watcher import Watcher
from transfergrid.tasks.learn import multilabel
from transfergrid.training import loop
from transfergrid.training.loop import train
from transfergrid.training.validation import Validation

OPENED: list[str] = []
WATCHING: list[bool] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHING and event == "open":
        OPENED.append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path)
    return tmp_path


def folder_of(results: Path, record: dict[str, Any]) -> Path:
    return results / "cells" / record["cell"]


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def last_weights(folder: Path) -> dict[str, Tensor]:
    index = json.loads((folder / "checkpoints" / "index.json").read_text())
    return Trained.of(folder).tensors(index["last"])


def test_a_task_that_can_be_learnt_is_learnt(results: Path) -> None:
    record = train(make_spec(epochs=8), results, threads=1, environment={"python": "3"})
    assert record["status"] == "finished"
    assert record["best_valid_score"] > 0.95
    folder = folder_of(results, record)
    assert read_sealed(folder / "train.json") == record
    assert record["environment"] == {"python": "3"}
    assert (record["steps"], record["examples"], record["epochs"]) == (56, 400, 8)
    assert (record["micro_batch"], record["train_images"], record["threads"]) == (8, 50, 1)
    assert (record["device"], record["precision"]) == ("cpu", "fp32")
    lines = history(folder)
    assert [line["step"] for line in lines] == [7, 14, 21, 28, 35, 42, 49, 56]
    assert lines[-1]["train_loss"] < lines[0]["train_loss"]
    assert record["best_valid_score"] == max(line["valid_score"] for line in lines)
    assert record["last_valid_score"] == lines[-1]["valid_score"]
    assert set(lines[0]["valid_score_tasks"]) == {"Bright", "Half"}
    assert not (folder / "resume.pt").exists()


def test_classes_that_can_be_learnt_are_learnt(tmp_path: Path) -> None:
    make_cache(tmp_path, "multiclass")
    record = train(make_spec(epochs=8, optimizer="adamw"), tmp_path)
    assert record["best_valid_score"] > 0.95
    best = history(folder_of(tmp_path, record))[-1]
    assert record["metric"] == best["metric"] == "auroc" and record["higher_is_better"]
    assert set(best["valid_score_tasks"]) == {"a", "b", "c"}


def test_equal_specs_give_equal_receipts_and_seeds_differ(results: Path, tmp_path: Path) -> None:
    spec = make_spec("dropout_network", augmentation={"flip_probability": 0.5, "noise": 0.1})
    record = train(spec, results)
    receipt = folder_of(results, record) / "receipts" / "train.json"
    first = receipt.read_bytes()
    torch.manual_seed(99)
    train(spec, results, fresh=True)
    assert receipt.read_bytes() == first
    files = json.loads(first)["files"]
    assert {"proof.json", "checkpoints/index.json", "checkpoints/step-00000014.safetensors"} <= set(
        files
    )
    other = train(make_spec("dropout_network", seed=1), results)
    one = last_weights(receipt.parent.parent)
    two = last_weights(folder_of(results, other))
    assert all(not torch.equal(one[n], two[n]) for n in one if one[n].is_floating_point())


def test_training_leaves_global_generators_and_settings(results: Path) -> None:
    before = torch.get_rng_state(), torch.get_num_threads()
    train(make_spec("dropout_network"), results, threads=1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert not torch.are_deterministic_algorithms_enabled()


def test_training_never_opens_the_test_split(results: Path) -> None:
    WATCHING.append(True)
    try:
        train(make_spec(), results)
    finally:
        WATCHING.clear()
    assert any(name.endswith("train.npy") for name in OPENED)
    assert any(name.endswith("valid.npy") for name in OPENED)
    assert not any("test.npy" in name for name in OPENED)


def test_each_batch_is_one_optimiser_step(results: Path) -> None:
    steps = []
    handle = register_optimizer_step_post_hook(lambda *_: steps.append(1))
    try:
        record = train(make_spec(accumulate=4, epochs=1.5), results)
    finally:
        handle.remove()
    # 50 images in 7 batches, then 25 in batches of 8, 8 and 9.
    assert len(steps) == record["steps"] == 7 + 3
    assert (record["examples"], record["micro_batch"]) == (75, 2)


@pytest.mark.parametrize("clip", [None, 0.01])
def test_accumulation_changes_nothing_without_batch_norm(results: Path, clip: float | None) -> None:
    # One label in seven is unknown, so the micro-batches' means differ from the batch's.
    weights, losses = [], []
    for accumulate in (1, 4):
        spec = make_spec(
            "plain_network", accumulate=accumulate, optimizer="sgd", clip_grad_norm=clip
        )
        folder = folder_of(results, train(spec, results))
        weights.append(last_weights(folder))
        losses.append([line["train_loss"] for line in history(folder)])
    for name in weights[0]:
        assert torch.allclose(weights[0][name], weights[1][name], atol=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_loss_is_averaged_over_known_labels(results: Path) -> None:
    # A rate of zero keeps the network: the mean over an epoch is that of its first state.
    spec = make_spec("plain_network", learning_rate=0.0, epochs=1, batch_size=7)
    folder = folder_of(results, train(spec, results))
    model, preprocessing, _ = initial_model(spec, results, 2)
    from transfergrid.data.store import open_split
    from transfergrid.models.normalise import Normalise

    split = open_split(results / "cache" / "tiny-0", "train")
    labels = torch.from_numpy(split.labels)
    mask = ~labels.isnan()
    with torch.no_grad():
        logits = model(Normalise(preprocessing)(torch.tensor(split.images)))
    expected = nn.functional.binary_cross_entropy_with_logits(logits[mask], labels[mask])
    assert history(folder)[0]["train_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_gradients_are_clipped(results: Path) -> None:
    spec = make_spec(
        "plain_network",
        optimizer="sgd",
        momentum=0.0,
        learning_rate=1.0,
        clip_grad_norm=1e-3,
        epochs=0.16,
    )
    record = train(spec, results)
    assert record["steps"] == 1
    before = initial_model(spec, results, 2)[0].state_dict()
    after = last_weights(folder_of(results, record))
    moved = sum(float((after[n] - before[n]).double().square().sum()) for n in before) ** 0.5
    assert moved == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(("layers", "kept"), [("head", ("stem", "last")), ("last_1", ("stem",))])
def test_frozen_layers_keep_every_byte(results: Path, layers: str, kept: tuple[str, ...]) -> None:
    spec = make_spec(train_layers=layers, weight_decay=0.1)
    before = initial_model(spec, results, 2)[0].state_dict()
    after = last_weights(folder_of(results, train(spec, results)))
    for name, tensor in before.items():
        frozen = name.split(".")[0] in kept
        assert torch.equal(after[name], tensor) is frozen, name


def test_subsets_and_validation_times_follow_the_recipe(results: Path) -> None:
    spec = make_spec(train_share=0.5, validate_every_examples=20, epochs=2, keep_checkpoints=1)
    record = train(spec, results)
    assert record["train_images"] == 25
    # Batches of 8, 8 and 9 (a rest of one joins): 8, 16, 25, 33, 41, 50.
    lines = history(folder_of(results, record))
    assert [line["examples"] for line in lines] == [25, 41, 50]
    assert len(list((folder_of(results, record) / "checkpoints").glob("step-*"))) <= 2


def test_divergence_is_a_result_and_is_inherited(results: Path) -> None:
    spec = make_spec(learning_rate=1e30, optimizer="sgd", validate_every_examples=8)
    record = train(spec, results)
    folder = folder_of(results, record)
    assert record["status"] == "diverged"
    assert "not finite" in record["reason"]
    assert record["best_valid_score"] is None
    index = json.loads((folder / "checkpoints" / "index.json").read_text())
    assert index == {
        "metric": "auroc",
        "best": None,
        "last": None,
        "checkpoints": [],
    }
    assert not list((folder / "checkpoints").glob("step-*"))
    receipt = read_sealed(folder / "receipts" / "train.json")
    assert receipt["status"] == "diverged"

    heir = make_spec()
    heir["weights"] |= {"kind": "cell", "source_cell": record["cell"]}
    inherited = train(heir, results)
    assert inherited["status"] == "diverged"
    assert "starts from" in inherited["reason"]
    assert set(inherited) == set(record)
    assert (folder_of(results, inherited) / "receipts" / "train.json").exists()


def test_divergence_is_seen_between_validations(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECK_STEPS", 5)
    monkeypatch.setattr(loop, "validate", None)
    record = train(make_spec(learning_rate=1e30, optimizer="sgd", epochs=3), results)
    assert (record["status"], record["steps"]) == ("diverged", 5)


def test_late_divergence_leaves_no_checkpoint(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.validate
    calls: list[int] = []

    def broken_at_last(*arguments: Any) -> Validation:
        calls.append(1)
        found = real(*arguments)
        return dataclasses.replace(found, finite=len(calls) < 3)

    monkeypatch.setattr(loop, "validate", broken_at_last)
    record = train(make_spec(epochs=3), results)
    folder = folder_of(results, record)
    assert record["reason"] == "a validation logit was not finite at step 21"
    assert len(history(folder)) == 2
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["index.json"]
    assert record["best_valid_score"] is record["best_step"] is None


def test_the_head_is_not_rounded_by_autocast(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []

    real = multilabel.loss_sum

    def watched(logits: Tensor, labels: Tensor) -> Tensor:
        seen.append(logits.detach())
        return real(logits, labels)

    monkeypatch.setattr(multilabel, "loss_sum", watched)
    monkeypatch.setattr(loop, "autocast", lambda *_: torch.autocast("cpu", dtype=torch.bfloat16))
    train(make_spec(), results)
    assert all(logits.dtype == torch.float32 for logits in seen)
    assert all((logits != logits.bfloat16().float()).any() for logits in seen)


def test_a_cell_starts_from_another_cells_best(results: Path) -> None:
    source = train(make_spec(epochs=1), results)
    spec = make_spec(seed=3, learning_rate=0.0, epochs=1, train_layers="head")
    plain = copy.deepcopy(spec)
    spec["weights"] |= {"kind": "cell", "source_cell": source["cell"]}
    started = last_weights(folder_of(results, train(spec, results)))
    before = last_weights(folder_of(results, source))
    assert torch.equal(started["stem.0.weight"], before["stem.0.weight"])
    # Both arms of the comparison have the head of the seed.
    random = last_weights(folder_of(results, train(plain, results)))
    assert torch.equal(started["fc.weight"], random["fc.weight"])


def test_a_full_memory_halves_the_micro_batch(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(make_spec(accumulate=2), results)
    forward = TinyNet.forward

    def limited(self: TinyNet, images: Tensor) -> Tensor:
        if self.training and len(images) > 5:
            raise torch.OutOfMemoryError("too much")
        return forward(self, images)

    monkeypatch.setattr(TinyNet, "forward", limited)
    modules: list[list[weakref.ref[nn.Module]]] = []
    begin = loop.open_job

    def opens(*arguments: Any) -> Any:
        # Nothing of an attempt that failed is left on the device when the next one begins.
        assert not [ref() for refs in modules for ref in refs if ref() is not None]
        job = begin(*arguments)
        modules.append([weakref.ref(module) for module in job.model.modules()])
        return job

    monkeypatch.setattr(loop, "open_job", opens)
    told: list[Mapping[str, Any]] = []
    record = train(make_spec(), results, watcher=Watcher(told.append))
    assert record["micro_batch"] == 4
    assert len(modules) == 2
    assert any("micro-batches of 4" in event["message"] for event in told)
    one, two = (last_weights(folder_of(results, r)) for r in (record, expected))
    assert all(torch.equal(one[name], two[name]) for name in one)

    modules.clear()  # the training that succeeded may be there
    monkeypatch.setattr(TinyNet, "forward", lambda *_: limited_always())
    with pytest.raises(torch.OutOfMemoryError):
        train(make_spec(seed=1), results)


def limited_always() -> Tensor:
    raise torch.OutOfMemoryError("too much")


def test_a_step_reads_no_value_from_the_device(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reads(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if "_local_scalar_dense" in str(func) or "nonzero" in str(func):
                Reads.count += 1
            return func(*args, **(kwargs or {}))

    step = loop._take_step

    def watched(*arguments: Any) -> None:
        with Reads():
            step(*arguments)

    monkeypatch.setattr(loop, "_take_step", watched)
    # SGD: on the CPU, Adam keeps its step count in a tensor that it reads.
    augmentation = {"flip_probability": 0.5, "rotate_degrees": 5.0, "noise": 0.1, "contrast": 0.1}
    train(
        make_spec(optimizer="sgd", clip_grad_norm=1.0, accumulate=2, augmentation=augmentation),
        results,
    )
    assert Reads.count == 0
    with Reads():
        torch.ones(1).item()
    assert Reads.count == 1


def test_the_user_hears_of_progress(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    told: list[Mapping[str, Any]] = []
    train(make_spec(), results, watcher=Watcher(told.append))
    assert [(event["step"], event["steps"]) for event in told] == [(i, 14) for i in range(1, 15)]
    assert told[-1]["seconds_left"] == 0
    assert all(event["images_per_second"] > 0 for event in told)
    # A mean loss begins anew with each validation.
    assert [event["step"] for event in told if event["loss"] is None] == [7, 14]


def test_a_network_of_timm_trains(results: Path) -> None:
    spec = make_spec(epochs=1, batch_size=25, train_layers="last_1")
    spec["architecture"] |= {"timm": "lcnet_050.ra2_in1k", "factory": None}
    before = initial_model(spec, results, 2)[0].state_dict()
    record = train(spec, results)
    after = last_weights(folder_of(results, record))
    assert record["status"] == "finished"
    assert torch.equal(before["conv_stem.weight"], after["conv_stem.weight"])
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
