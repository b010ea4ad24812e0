"""Derived weights that keep a network's first blocks (transfusion)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from transfergrid.models.derived import SOURCE
from transfergrid.models.truncation import blocks_of
from transfergrid.models.within import names_within
from transfergrid.models.zoo import head_keys
from transfergrid.runtime.errors import UserError


def names(model: nn.Module, value: int | str) -> list[str]:
    """Return the tensors of a network's first blocks, in the network's order.

    Args:
        model: The network, perhaps truncated.
        value: Number of blocks, the stem included, as `blocks_of` counts them; or "all".

    Raises:
        UserError: It has fewer blocks, or they are not known.
    """
    if value == "all":
        head = set(head_keys(model))
        return [name for name in model.state_dict() if name not in head]
    count = int(value)
    if count == 0:
        return []
    blocks = blocks_of(model)
    if count > len(blocks):
        raise UserError(
            f"derive keeps through: {count}, but {type(model).__name__} has {len(blocks)} blocks "
            f"here, stem included; write at most {len(blocks)}, or all."
        )
    return names_within(model, (module for block in blocks[:count] for module in block))


def fill(
    model: nn.Module, source: Mapping[str, Tensor], value: int | str, seed: int
) -> dict[str, tuple[Tensor, str]]:
    """Return what the blocks become, and that it came from the source, by name."""
    return {name: (source[name], SOURCE) for name in names(model, value)}
