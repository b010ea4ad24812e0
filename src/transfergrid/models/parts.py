"""The tensors of each layer of a network by name, and what kind of layer they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from transfergrid.models.truncation import blocks_of
from transfergrid.models.within import names_within
from transfergrid.models.zoo import head_keys
from transfergrid.planning.layers import layer_names
from transfergrid.runtime.errors import UserError

HEAD, BODY = "head", "body"
"""The classifier, and everything before it."""


@dataclass(frozen=True)
class Parts:
    """A network's tensors by layer.

    Attributes:
        layers: Names of parameters and buffers by layer, in the network's order: the stem, each
            block, `HEAD` and `BODY`. Of a network whose blocks are not known `HEAD` and `BODY`
            alone.
        groups: By parameter ``convolution``, ``linear``, ``norm``, ``bias`` (of convolutions and
            linear layers) or ``other``; buffers, such as running statistics, have none.
        first: Name of the first convolution's weight, or None without any.
    """

    layers: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, str]
    first: str | None

    @classmethod
    def of(cls, network: nn.Module) -> Parts:
        """Take a network apart."""
        head = tuple(head_keys(network))
        layers = {**_blocks(network), HEAD: head}
        layers[BODY] = tuple(name for name in network.state_dict() if name not in head)
        convolutions = (
            f"{name}.weight"
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d)
        )
        return cls(layers, _groups(network), next(convolutions, None))


def _blocks(network: nn.Module) -> dict[str, tuple[str, ...]]:
    try:
        blocks = blocks_of(network)
    except UserError:
        return {}
    names = layer_names(len(blocks))  # one more than the blocks, for what is pooled
    return {
        name: tuple(names_within(network, block))
        for name, block in zip(names, blocks, strict=False)
    }


def _groups(network: nn.Module) -> dict[str, str]:
    found = {}
    for prefix, module in network.named_modules():
        for name, tensor in module._parameters.items():
            if tensor is not None:
                found[f"{prefix}.{name}".removeprefix(".")] = _group(module, name)
    return found


def _group(module: nn.Module, name: str) -> str:
    if "Norm" in type(module).__name__:
        return "norm"
    if isinstance(module, nn.Conv2d | nn.Linear):
        if name == "bias":
            return "bias"
        return "convolution" if isinstance(module, nn.Conv2d) else "linear"
    return "other"
