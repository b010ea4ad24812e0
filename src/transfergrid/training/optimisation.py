"""The optimiser and its learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim import Optimizer

from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import UserError

ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = ONE_CYCLE_START / 1e4


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split the trainable parameters into those with and those without weight decay.

    Biases and the gains of normalisation layers (whatever has one dimension) are not decayed, as in
    the recipes with which released weights were trained (He et al. 2019, Bag of Tricks, section
    3.1).
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(model: nn.Module, recipe: Recipe, rate: float) -> Optimizer:
    """Build the recipe's optimiser over the parameters of `model` that require gradients.

    Args:
        model: The network.
        recipe: Gives `optimizer`, `weight_decay` and `momentum`.
        rate: The learning rate of the first step.

    Raises:
        UserError: The recipe names an unknown optimiser.
    """
    groups = parameter_groups(model, recipe.weight_decay)
    # Fused: one kernel for all parameters on a GPU, one pass over each on the CPU.
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, fused=True)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, fused=True)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, fused=True)
    raise UserError(f"The optimizer {recipe.optimizer!r} is unknown: use 'adam', 'adamw' or 'sgd'.")


def learning_rate(recipe: Recipe, peak: float, step: int, total: int) -> float:
    """Return the learning rate of one step of a phase.

    - ``constant``: the peak rate; ``cosine``: down to 0 (Loshchilov and Hutter 2017, SGDR). Both
      rise linearly to the peak over the first ``warmup_fraction`` of the steps.
    - ``one_cycle``: from 1/25 of the peak up to it over ``warmup_fraction`` of the steps, then down
      to 1/250,000 of it, both along a cosine (Smith and Topin 2018, like PyTorch's OneCycleLR
      without cycling the momentum).

    Args:
        recipe: Gives `schedule` and `warmup_fraction`.
        peak: The phase's peak rate.
        step: Steps of the phase done so far, in [0, total).
        total: Steps of the whole phase.

    Raises:
        UserError: The recipe names an unknown schedule.
    """
    if recipe.schedule == "one_cycle":
        top = recipe.warmup_fraction * total - 1
        if step <= top:
            return peak * _cosine(ONE_CYCLE_START, 1.0, step / top if top > 0 else 1.0)
        return peak * _cosine(1.0, ONE_CYCLE_END, (step - top) / max(total - 1 - top, 1e-12))
    if recipe.schedule not in ("constant", "cosine"):
        raise UserError(
            f"The schedule {recipe.schedule!r} is unknown: use 'constant', 'cosine' or 'one_cycle'."
        )
    warmup = round(recipe.warmup_fraction * total)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if recipe.schedule == "constant":
        return peak
    return peak * _cosine(1.0, 0.0, (step - warmup) / (total - warmup))


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
