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
    norms = {
        f"{prefix}.{name}".removeprefix(".")
        for prefix, module in model.named_modules()
        if "Norm" in type(module).__name__
        for name in (*module._parameters, *module._buffers)
    }
    return {
        name: _identity(name, tensor) if name in norms else _drawn(name, tensor, seed)
        for name, tensor in state.items()
    }


def _identity(name: str, tensor: Tensor) -> Tensor:
    return torch.full_like(tensor, _IDENTITY.get(name.rpartition(".")[2], 0.0))


def _drawn(name: str, tensor: Tensor, seed: int) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    generator = torch.Generator().manual_seed(seeded(seed, "redrawn", name))
    values = tensor.double()
    noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
    return (values.mean() + values.std(correction=0) * noise).to(tensor.dtype)
