from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn import functional

from transfergrid.runtime.errors import UserError
from transfergrid.training.numerics import (
    autocast,
    keep_float32,
    precision_used,
    seed_step,
    settings,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def state() -> tuple[object, ...]:
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        torch.get_rng_state().tolist(),
    )


@pytest.mark.parametrize("deterministic", [True, False])
def test_settings_hold_inside_and_are_put_back(deterministic: bool) -> None:
    before = state()
    with pytest.raises(KeyError), settings(CPU, 1, deterministic):
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled() is deterministic
        assert torch.backends.cudnn.benchmark is not deterministic
        seed_step(CPU, 0, 0)
        raise KeyError
    assert state() == before


def test_the_generator_of_the_jobs_own_gpu_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    current, seeded = [torch.device("cuda:0")], []

    @contextmanager
    def other(device: torch.device) -> Iterator[None]:
        current.append(device)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "device", other)
    monkeypatch.setattr(torch.cuda, "manual_seed", lambda _: seeded.append(current[-1]))
    with settings(CPU, None, True):
        seed_step(torch.device("cuda:1"), 0, 0)
    assert seeded == [torch.device("cuda:1")]


def test_dropout_is_a_function_of_seed_and_step() -> None:
    def drawn(seed: int, step: int) -> torch.Tensor:
        seed_step(CPU, seed, step)
        return functional.dropout(torch.ones(50))

    with settings(CPU, None, True):
        assert torch.equal(drawn(0, 3), drawn(0, 3))
        assert not torch.equal(drawn(0, 3), drawn(0, 4))
        assert not torch.equal(drawn(0, 3), drawn(1, 3))


def test_the_head_stays_float32_under_autocast() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))
    images = torch.randn(5, 4)
    features = model[0].to(torch.bfloat16)(images.bfloat16()).float()
    model.float()
    expected = functional.linear(features, model[1].weight, model[1].bias)
    names = set(model.state_dict())
    keep_float32(model[1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, expected, atol=2e-3)
    assert (logits != logits.bfloat16().float()).any()
    assert set(model.state_dict()) == names


@pytest.mark.parametrize(
    ("allowed", "generation", "used"),
    [(True, (8, 0), "tf32"), (True, (7, 5), "fp32"), (False, (9, 0), "fp32")],
)
def test_tf32_is_for_gpus_that_have_it(
    monkeypatch: pytest.MonkeyPatch, allowed: bool, generation: tuple[int, int], used: str
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: generation)
    assert precision_used(CUDA, "fp32") == used


def test_bf16_is_for_cuda_only() -> None:
    with autocast(CPU, "bf16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert precision_used(CPU, "bf16") == precision_used(CPU, "fp32") == "fp32"
    assert precision_used(CUDA, "bf16") == "bf16"
    with pytest.raises(UserError, match="'fp32' or 'bf16'"):
        autocast(CPU, "fp16")
