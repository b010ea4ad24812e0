"""Trainings in phases: what learns, what is drawn, when each ends, and kills at every seam."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from unit.training.test_resume import KilledError, killed_at, outcome, save_now_and_then, trained
from unit.training.tiny import TinyNet, make_cache, make_spec

from transfergrid.models.initial import initial_model
from transfergrid.planning import recipe as recipe_module
from transfergrid.planning.naming import cell_name
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import FINISHED
from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.sealed import unseal
from transfergrid.runtime.watcher import Watcher
from transfergrid.training import loop
from transfergrid.training.batches import orders_of
from transfergrid.training.checkpoints import Checkpoints
from transfergrid.training.freezing import freeze, train_mode
from transfergrid.training.loop import train

THAW = [
    {"train_layers": "head", "learning_rate": 0.02, "epochs": 1.5},
    {"train_layers": "last_1", "patience": 1, "epochs": 4, "norms": "frozen"},
    {"train_layers": "all", "learning_rate": 0.003, "epochs": 1},
]
"""Thaws from the top: 10 steps of the head, the last block until patience, then everything."""
RANDOM = {"augmentation": {"flip_probability": 0.5, "noise": 0.1}}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path)
    return tmp_path


def weights(folder: Path) -> list[dict[str, Tensor]]:
    """Return the checkpoints of a cell, in order of their steps."""
    files = sorted((folder / "checkpoints").glob("step-*.safetensors"))
    return [load_file(path) for path in files]


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor], part: str) -> bool:
    names = [name for name in one if name.startswith(part)]
    assert names
    return all(torch.equal(one[name], two[name]) for name in names)


def test_each_phase_moves_what_it_names_and_nothing_else(results: Path) -> None:
    spec = make_spec(phases=THAW, keep_checkpoints=100, weight_decay=0.1)
    folder, found = trained(spec, results)
    lines, record = found["history"], found["record"]
    first = initial_model(spec, results, 2)[0].state_dict()
    kept = weights(folder)
    assert len(kept) == len(lines) and {line["phase"] for line in lines} == {0, 1, 2}
    before = first
    for line, after in zip(lines, kept, strict=True):
        moved = {0: ("fc",), 1: ("fc", "last.0"), 2: ("fc", "last.0", "last.1", "stem")}
        for part in ("fc", "last.0", "last.1", "stem"):
            assert same(before, after, part) is (part not in moved[line["phase"]]), (line, part)
        before = after
    ended = record["phases"]
    assert [phase["train_layers"] for phase in ended] == ["head", "last_1", "all"]
    assert [phase["learning_rate"] for phase in ended] == [0.02, 0.01, 0.003]
    assert [phase["ended_by"] for phase in ended] == ["epochs", "patience", "epochs"]
    assert [phase["epochs"] for phase in ended][::2] == [1.5, 1.0]
    assert sum(phase["steps"] for phase in ended) == record["steps"] == lines[-1]["step"]
    assert sum(phase["epochs"] for phase in ended) == pytest.approx(record["epochs"])
    assert record["learning_rate"] is None
    # A validation ends each phase, and the last checkpoint is that of the last phase.
    ends = list(itertools.accumulate(phase["steps"] for phase in ended))
    assert [max(x["step"] for x in lines if x["phase"] == n) for n in range(3)] == ends
    assert json.loads((folder / "checkpoints" / "index.json").read_text())["last"] == (
        f"step-{ends[-1]:08d}.safetensors"
    )


@pytest.mark.parametrize("network", ["network", "dropout_network"])
def test_a_training_in_two_equal_phases_is_one_training(results: Path, network: str) -> None:
    # Without momentum the optimiser remembers nothing, so that only draws and order could differ.
    settings = {"optimizer": "sgd", "momentum": 0.0, "clip_grad_norm": 0.5, **RANDOM}
    part = {"train_layers": "all", "epochs": 1}
    _, whole = trained(make_spec(network, epochs=2, **settings), results)
    _, parts = trained(make_spec(network, phases=[part, part], **settings), results)
    assert [line.pop("phase") for line in parts["history"]] == [0, 1]
    assert [line.pop("phase") for line in whole["history"]] == [0, 0]
    assert parts["history"] == whole["history"]
    assert parts["files"] == whole["files"]


def test_what_a_phase_draws_does_not_depend_on_when_another_ended() -> None:
    def phases(patience: int | None) -> Recipe:
        first = {"train_layers": "head", "epochs": 2.5, "patience": patience}
        last = {"train_layers": "all", "epochs": 1}
        return Recipe.from_dict({"phases": [first, last], "batch_size": 4})

    first, last = orders_of(phases(1), np.arange(10), seed=3)
    assert (first.first_epoch, first.first_step) == (0, 0)
    assert (last.first_epoch, last.first_step) == (3, first.steps)
    epochs = [batch.epoch for batch in itertools.chain(first.batches(), last.batches())]
    assert epochs == sorted(epochs) and set(epochs) == {0, 1, 2, 3}
    for order, other in zip(
        orders_of(phases(1), np.arange(10), 3),
        orders_of(phases(None), np.arange(10), 3),
        strict=True,
    ):
        for one, two in zip(order.batches(), other.batches(), strict=True):
            assert (one.step, one.epoch, one.examples) == (two.step, two.epoch, two.examples)
            assert np.array_equal(one.rows, two.rows)


def test_patience_and_the_best_score_count_within_a_phase(results: Path) -> None:
    # A rate of zero never improves on the first validation of its phase.
    still = {"train_layers": "all", "learning_rate": 0.0, "patience": 2}
    learning = {"train_layers": "all", "learning_rate": 0.01, "epochs": 4}
    _, found = trained(make_spec(phases=[learning, still], norms="frozen"), results)
    scores = [line["valid_score"] for line in found["history"]]
    assert [line["phase"] for line in found["history"]] == [0] * 4 + [1] * 3
    assert len(set(scores[4:])) == 1
    assert [p["ended_by"] for p in found["record"]["phases"]] == ["epochs", "patience"]
    # Checkpoints are ranked over both, a tie going to the earlier.
    best = min(range(7), key=lambda n: (-scores[n], n))
    assert found["record"]["best_step"] == found["history"][best]["step"]


def test_patience_alone_has_an_end_even_if_scores_never_stop_rising(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_module, "MOST_EPOCHS", 2)
    record = train(make_spec(phases=[{"train_layers": "all", "patience": 50}]), results)
    (phase,) = record["phases"]
    assert (phase["epochs"], phase["ended_by"]) == (2, "epochs")


def frozen_norms(model: nn.Module) -> None:
    freeze(model, "all", "frozen")
    train_mode(model, "frozen")


@pytest.mark.parametrize("affine", [True, False])
def test_frozen_norms_are_a_fixed_affine_map(affine: bool) -> None:
    torch.manual_seed(0)
    model = TinyNet(2)
    if not affine:
        model.last[1] = nn.BatchNorm2d(8, affine=False)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.running_mean, -1, 1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    frozen_norms(model)
    images, seen = torch.rand(4, 3, 12, 12), []
    norms[1].register_forward_hook(lambda module, given, made: seen.append((given[0], made)))
    model(images).square().sum().backward()
    ((given, made),) = seen
    scale, shift = (norms[1].weight, norms[1].bias) if affine else (torch.ones(8), torch.zeros(8))
    spread = (norms[1].running_var + norms[1].eps).sqrt()
    expected = (given - norms[1].running_mean.view(1, -1, 1, 1)) * (scale / spread).view(
        1, -1, 1, 1
    )
    assert torch.allclose(made, expected + shift.view(1, -1, 1, 1), atol=1e-6)
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())
    assert not any(
        p.requires_grad or p.grad is not None for norm in norms for p in norm.parameters()
    )
    assert model.stem[0].weight.grad is not None
    # The next phase lets them learn again.
    freeze(model, "all")
    train_mode(model)
    assert all(norm.training for norm in norms)
    assert all(p.requires_grad for p in model.parameters())


def test_other_norms_learn_where_batch_norms_are_frozen() -> None:
    model = TinyNet(2)
    model.last[1] = nn.GroupNorm(2, 8)
    frozen_norms(model)
    assert model.last[1].weight.requires_grad and model.last[1].training


def test_a_phase_deeper_than_the_network_is_refused_before_the_first_step(results: Path) -> None:
    phases = [{"train_layers": "head", "epochs": 50}, {"train_layers": "last_3", "epochs": 1}]
    told: list[Mapping[str, Any]] = []
    with pytest.raises(UserError, match="last 3 blocks, but the network has 2"):
        train(make_spec(phases=phases), results, watcher=Watcher(told.append))
    assert not told


def test_progress_counts_what_is_left_and_promises_no_end_that_is_not_known(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    open_ended = {"train_layers": "head", "patience": 1, "learning_rate": 0.0}
    phases = [open_ended, {"train_layers": "all", "epochs": 1}]
    heard: list[Mapping[str, Any]] = []
    record = train(make_spec(phases=phases), results, watcher=Watcher(heard.append))
    assert [event["message"] for event in heard if event["event"] == "note"] == [
        "phase 1 of 2: training head",
        "phase 2 of 2: training all",
    ]
    told = [event for event in heard if event["event"] == "step"]
    first = record["phases"][0]["steps"]
    assert first == 14  # the second validation is no better than the first
    assert all(event["seconds_left"] is None for event in told if event["step"] < first)
    last = [event for event in told if event["step"] > first]
    assert {event["steps"] for event in last} == {record["steps"]} == {21}
    assert last[-1]["seconds_left"] == 0


def stopping(after: int) -> tuple[Watcher, Callable[[], int]]:
    """Return a watcher that ends the training at its n-th check, and what counts the checks."""
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] == after

    return Watcher(stop=stop), lambda: asked[0]


def test_stopped_at_any_check_it_ends_as_if_never_stopped(results: Path) -> None:
    settings = {"keep_checkpoints": 2, "schedule": "cosine", "clip_grad_norm": 0.1, **RANDOM}
    back = [*THAW, {"train_layers": "head", "epochs": 0.5}]
    spec = make_spec("dropout_network", phases=back, batch_size=16, **settings)
    watcher, count = stopping(-1)
    folder, expected = trained(spec, results, watcher=watcher)
    seen = set()
    for after in range(1, count() + 1):
        (folder / FINISHED).unlink()
        watcher, _ = stopping(after)
        with pytest.raises(Stopped, match=r"^state saved at step \d+$|step \d+ of \d+$"):
            train(spec, results, watcher=watcher)
        state = unseal((folder / "resume.pt").read_bytes())
        assert state is not None
        values = torch.load(io.BytesIO(state), weights_only=True)["values"]
        begun = values["optimizer"] is not None
        seen.add((values["phase"], "due" if values["due"] else "under way" if begun else "at seam"))
        train(spec, results)
        assert outcome(folder) == expected, after
    # Before the validation that ends a phase, after it, and at every step.
    assert seen >= set(itertools.product(range(4), ("due", "under way"))) - {(3, "under way")}
    assert seen >= {(phase, "at seam") for phase in (1, 2, 3)}


@pytest.mark.parametrize(
    ("owner", "name", "call", "every"),
    [
        (loop, "_take_step", 1, 1),
        (loop, "_take_step", 5, 1),  # after the head's last step, before its validation
        (loop, "_take_step", 6, 1),
        (loop, "validate", 2, 1),
        (loop, "open_phase", 1, 1),
        (loop, "open_phase", 2, 3),
        (Checkpoints, "offer", 2, 2),
        (Checkpoints, "offer", 5, 1),
        (loop, "write_records", 1, 1),
    ],
)
def test_killed_in_any_phase_it_ends_as_if_never_killed(
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    call: int,
    every: int,
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    spec = make_spec("dropout_network", phases=THAW, batch_size=16, keep_checkpoints=2, **RANDOM)
    folder, expected = trained(spec, results)
    (folder / FINISHED).unlink()
    save_now_and_then(monkeypatch, every)
    for after in (False, True):
        with monkeypatch.context() as patch:
            killed_at(patch, owner, name, 1 if after else call, after)
            with pytest.raises(KilledError):
                train(spec, results)
        torch.rand(3)
    train(spec, results)
    assert outcome(folder) == expected


def test_divergence_names_its_phase(results: Path) -> None:
    wild = {"train_layers": "all", "epochs": 3, "learning_rate": 1e30}
    calm = {"train_layers": "head", "epochs": 1}
    spec = make_spec(phases=[calm, wild], optimizer="sgd")
    record = train(spec, results)
    assert record["status"] == "diverged"
    assert [phase["ended_by"] for phase in record["phases"]] == ["epochs", "diverged"]
    folder = results / "cells" / cell_name(spec)
    assert not list((folder / "checkpoints").glob("step-*"))
