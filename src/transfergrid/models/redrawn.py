"""Weights redrawn with the statistics of others: pretraining without its features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from transfergrid.runtime.hashing import seeded

_IDENTITY = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}


def redrawn(model: nn.Module, state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Draw every tensor from a normal distribution with the tensor's own mean and variance.

    Normalisation layers become the identity: their gains and running statistics belong to the
    features that are gone. After "Mean Var" in Raghu, Zhang, Kleinberg and Bengio (2019,
    Transfusion), who do not say what happens to batch norm. Each tensor has its own generator, so
    a truncated network starts from the same values as the whole one.

    Args:
        model: The network that the tensors are for; it tells which layers normalise.
        state: The model's tensors by name.
        seed: The cell's seed.
    """
    norms = norm_tensors(model)
    return {
        name: as_identity(name, tensor) if name in norms else drawn_like(name, tensor, seed)
        for name, tensor in state.items()
    }


def norm_tensors(model: nn.Module) -> set[str]:
    """Return the names of all tensors of a network's normalisation layers."""
    return {
        f"{prefix}.{name}".removeprefix(".")
        for prefix, module in model.named_modules()
        if "Norm" in type(module).__name__
        for name in (*module._parameters, *module._buffers)
    }


def as_identity(name: str, tensor: Tensor) -> Tensor:
    """Return what a normalisation layer's tensor is while the layer changes nothing."""
    return torch.full_like(tensor, _IDENTITY.get(name.rpartition(".")[2], 0.0))


def noise_for(name: str, tensor: Tensor, seed: int) -> Tensor:
    """Return float64 standard normal values of a tensor's shape, from a generator of its own."""
    generator = torch.Generator().manual_seed(seeded(seed, "redrawn", name))
    return torch.randn(tensor.shape, generator=generator, dtype=torch.float64)


def drawn_like(name: str, tensor: Tensor, seed: int) -> Tensor:
    """Draw a tensor with another's mean and variance; a tensor of integers stays as it is."""
    if not tensor.is_floating_point():
        return tensor
    values, noise = tensor.double(), noise_for(name, tensor, seed)
    return (values.mean() + values.std(correction=0) * noise).to(tensor.dtype)
