"""What a network with a U-Net's decoder takes of a disk and of memory, told without computing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn
from torch.utils.flop_counter import FlopCounterMode

from transfergrid.models.mask_network import mask_network
from transfergrid.models.zoo import build

_IMAGES = 2
"""Images of a pass; batch norm takes no fewer where a map is a single pixel."""


@dataclass(frozen=True)
class MaskSize:
    """How large a network with a decoder is.

    Attributes:
        stored: Numbers of a checkpoint that holds all parameters, those without effect as well.
        macs: Multiply-accumulates of a forward pass over an image.
        held: float32 numbers that a training holds of each image until its backward pass.
    """

    stored: int
    macs: int
    held: int


def mask_size(architecture: Mapping[str, Any], outputs: int, truncation: int, px: int) -> MaskSize:
    """Return the size of a network with its decoder.

    Args:
        architecture: As `transfergrid.models.mask_network.mask_cost`.
        outputs: Number of logits of a pixel.
        truncation: Blocks to remove.
        px: Side of the images.

    Raises:
        UserError: As `mask_network` and `build`.
    """
    with torch.device("meta"):
        encoder = build(architecture, 1, truncation, seed=0)
        network = mask_network(encoder, outputs, 0, px, architecture.get("decoder")).train()
        images = torch.empty(_IMAGES, 3, px, px)
    stored = sum(parameter.numel() for parameter in network.parameters())
    counter = FlopCounterMode(display=False)
    with counter:
        held = _held(network, images)
    macs = counter.get_total_flops() // 2
    return MaskSize(stored, macs // _IMAGES, held // _IMAGES)


def _held(network: nn.Module, images: Tensor) -> int:
    """Return how many float32 numbers autograd keeps, parameters and statistics aside."""
    own = {_place(tensor) for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, UntypedStorage] = {}  # held here as well, so that no place is used again

    def keep(tensor: Tensor) -> Tensor:
        if _place(tensor) not in own:
            kept[_place(tensor)] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = network(images)
    del result
    return sum(storage.nbytes() for storage in kept.values()) // 4


def _place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
