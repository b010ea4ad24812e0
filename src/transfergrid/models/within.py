"""The tensors of some of a network's modules, by their names in the network."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn


def names_within(network: nn.Module, modules: Iterable[nn.Module]) -> list[str]:
    """Return the names of the tensors of some modules, in the order of the network's state dict.

    A tensor that the network holds under several names has all of them, as in its state dict. The
    modules need not be registered in the network under a name of their own, as those that
    ``blocks_of()`` of a user's network may make to hold several layers.

    Args:
        network: The network.
        modules: Modules whose layers are the network's.
    """
    inside = {id(part) for module in modules for part in module.modules()}
    held = {
        f"{prefix}.{name}".removeprefix(".")
        for prefix, part in network.named_modules(remove_duplicate=False)
        if id(part) in inside
        for name in (*part._parameters, *part._buffers)
    }
    return [name for name in network.state_dict() if name in held]
