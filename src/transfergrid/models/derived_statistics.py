"""Derived weights that keep the statistics of each tensor and none of its features."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from transfergrid.models.derived import SOURCE
from transfergrid.models.redrawn import as_identity, drawn_like, noise_for, norm_tensors
from transfergrid.models.zoo import head_keys

STATISTICS, IDENTITY = "statistics", "identity"


def names(model: nn.Module, value: str) -> list[str]:
    """Return the names of all tensors but the head's."""
    head = set(head_keys(model))
    return [name for name in model.state_dict() if name not in head]


def fill(
    model: nn.Module, source: Mapping[str, Tensor], value: str, seed: int
) -> dict[str, tuple[Tensor, str]]:
    """Draw every tensor with the mean and variance that it has in the source.

    Args:
        model: The network that they are for; it tells which layers normalise.
        source: Their values in the source, by name.
        value: What becomes of normalisation layers: "identity" as in
            `transfergrid.models.redrawn.redrawn`, "keep" for the source's own tensors, "statistics"
            to draw them as well, running variances by `variance_like`.
        seed: The cell's seed.

    Returns:
        By name the tensor, and "statistics", "identity" or "source" as where it came from.
    """
    norms = norm_tensors(model)
    filled: dict[str, tuple[Tensor, str]] = {}
    for name in names(model, value):
        tensor = source[name]
        if name in norms and value != STATISTICS:
            kept = value == "keep"
            filled[name] = (tensor, SOURCE) if kept else (as_identity(name, tensor), IDENTITY)
        else:
            variance = name in norms and name.endswith("running_var")
            draw = variance_like if variance else drawn_like
            origin = STATISTICS if tensor.is_floating_point() else SOURCE
            filled[name] = (draw(name, tensor, seed), origin)
    return filled


def variance_like(name: str, tensor: Tensor, seed: int) -> Tensor:
    """Draw running variances from the lognormal distribution with their own mean and variance.

    A normal distribution with these moments would make some of them negative, and the network's
    output NaN.

    Args:
        name: The tensor's name, which decides its values together with the seed.
        tensor: The source's running variances, none of which is negative.
        seed: The cell's seed.
    """
    values = tensor.double().clamp_min(0)
    mean = values.mean().item()
    if mean == 0:
        return torch.zeros_like(tensor)
    spread = math.log1p(values.var(correction=0).item() / mean**2)
    noise = noise_for(name, tensor, seed)
    return (math.log(mean) - spread / 2 + math.sqrt(spread) * noise).exp().to(tensor.dtype)
