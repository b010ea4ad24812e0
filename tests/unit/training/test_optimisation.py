from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import UserError
from transfergrid.training.optimisation import build_optimizer, learning_rate, parameter_groups

TOTAL = 40


def rates(**recipe: Any) -> list[float]:
    return [learning_rate(Recipe(**recipe), 0.02, step, TOTAL) for step in range(TOTAL)]


def oracle(build: Any) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.02)
    scheduler = build(optimizer)
    seen = []
    for _ in range(TOTAL):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.3, 0.33])
def test_one_cycle_agrees_with_torch(fraction: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.02)
    scheduler = lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.02, total_steps=TOTAL, pct_start=fraction, cycle_momentum=False
    )
    expected = []
    for step in range(TOTAL):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < TOTAL - 1:
            scheduler.step()
    assert rates(schedule="one_cycle", warmup_fraction=fraction) == pytest.approx(expected)


def test_cosine_agrees_with_torch() -> None:
    expected = oracle(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=TOTAL))
    assert rates(schedule="cosine") == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_warmup_agrees_with_torch(schedule: str) -> None:
    def build(optimizer: Any) -> Any:
        warm = lr_scheduler.LinearLR(optimizer, 1 / 11, 1.0, total_iters=10)
        rest = (
            lr_scheduler.CosineAnnealingLR(optimizer, T_max=TOTAL - 10)
            if schedule == "cosine"
            else lr_scheduler.ConstantLR(optimizer, factor=1.0)
        )
        return lr_scheduler.SequentialLR(optimizer, [warm, rest], milestones=[10])

    assert rates(schedule=schedule, warmup_fraction=0.25) == pytest.approx(oracle(build))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.99])
def test_short_trainings_have_rates_in_range(schedule: str, fraction: float) -> None:
    for total in range(1, 5):
        for step in range(total):
            recipe = Recipe(schedule=schedule, warmup_fraction=fraction)
            assert 0 <= learning_rate(recipe, 1.0, step, total) <= 1


def test_an_unknown_schedule_or_optimizer_is_refused() -> None:
    with pytest.raises(UserError, match="'cosine'"):
        rates(schedule="linear")
    with pytest.raises(UserError, match="'adamw'"):
        build_optimizer(nn.Linear(1, 1), Recipe(optimizer="lamb"), 0.1)


def test_only_weights_of_two_dimensions_decay() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 1))
    model[0].weight.requires_grad_(False)
    decayed, free = parameter_groups(model, 0.3)
    assert decayed["weight_decay"] == 0.3
    assert free["weight_decay"] == 0.0
    assert [id(p) for p in decayed["params"]] == [id(model[2].weight)]  # type: ignore[attr-defined]
    expected = [model[0].bias, model[1].weight, model[1].bias, model[2].bias]
    assert [id(p) for p in free["params"]] == [id(p) for p in expected]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizers_follow_their_published_update(name: str) -> None:
    weight = nn.Linear(1, 1, bias=False)
    nn.init.constant_(weight.weight, 2.0)
    recipe = Recipe(optimizer=name, weight_decay=0.5, momentum=0.8)
    optimizer = build_optimizer(weight, recipe, 0.1)
    value, velocity, mean, square = 2.0, 0.0, 0.0, 0.0
    for step in itertools.count(1):
        weight.weight.grad = torch.full((1, 1), 3.0)
        optimizer.step()
        gradient = 3.0 + (0.0 if name == "adamw" else 0.5 * value)
        if name == "sgd":
            velocity = 0.8 * velocity + gradient
            value -= 0.1 * velocity
        else:
            value *= 1 - 0.1 * 0.5 if name == "adamw" else 1
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            root = math.sqrt(square / (1 - 0.999**step)) + 1e-8
            value -= 0.1 * mean / (1 - 0.9**step) / root
        assert weight.weight.item() == pytest.approx(value, rel=1e-5)
        if step == 4:
            break
