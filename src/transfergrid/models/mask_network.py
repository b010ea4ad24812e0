"""A network that marks structures: one of a study's networks with a decoder, perhaps one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from transfergrid.models.cost import Cost
from transfergrid.models.lattice import trace
from transfergrid.models.maps import levels_of
from transfergrid.models.unet import UNet
from transfergrid.models.zoo import build, drawing_from, load_function
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded


def mask_network(
    encoder: nn.Module, outputs: int, seed: int, px: int, decoder: str | None = None
) -> nn.Module:
    """Put a decoder on a network.

    Args:
        encoder: The network with its initial weights, cut or whole; it becomes a part of the other.
        outputs: Number of logits of a pixel.
        seed: Seed of what is new.
        px: Side of the images.
        decoder: ``module:function``, called as ``function(encoder=..., outputs=..., px=...)``
            while its random numbers are seeded, or None for a U-Net.

    Returns:
        A module from (B, 3, px, px) to (B, outputs, px, px) logits.

    Raises:
        UserError: The images are too small, or what the function returned is no such module or
            has another encoder than the one that it was given.
    """
    if decoder is None:
        return UNet(encoder, outputs, seed, px)
    needed = levels_of(encoder, (px, px))
    tensors = {
        name: tensor for name, tensor in encoder.named_parameters() if name not in needed.idle
    }
    with drawing_from(seeded(seed, "decoder")):
        network = load_function(decoder)(encoder=encoder, outputs=outputs, px=px)
    _check(network, decoder, tensors, (outputs, px))
    return network


def _check(
    network: object, decoder: str, tensors: Mapping[str, Tensor], made: tuple[int, int]
) -> None:
    """Refuse a module that leaves out the encoder's weights or gives maps of another shape."""
    if not isinstance(network, nn.Module):
        raise UserError(f"{decoder} returned {type(network).__name__}; return a torch.nn.Module.")
    own = set(map(id, network.parameters()))
    lacking = [name for name, tensor in tensors.items() if id(tensor) not in own]
    if lacking:
        raise UserError(
            f"{decoder} leaves out {len(lacking)} of {len(tensors)} tensors of the encoder that it "
            f"was given, such as {lacking[0]}, whose initial weights would be lost; make that "
            "encoder itself a part of the network."
        )
    outputs, px = made
    try:
        result = trace(network, lambda module, images: module(images), (px, px)).result
    except RuntimeError as error:
        raise UserError(f"{decoder} cannot take images of {px} px ({error}).") from None
    shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
    if shape != (2, outputs, px, px):
        raise UserError(
            f"{decoder} makes {shape} of 2 images of {px} px; it must make {(2, outputs, px, px)}."
        )


def mask_cost(
    architecture: Mapping[str, Any],
    outputs: int,
    truncation: int,
    px: int,
    decoder: str | None = None,
) -> Cost:
    """Count parameters and multiply-accumulates of a network with its decoder for one image.

    Parameters on which no mask depends, such as those of a convolution after the pooling, are not
    counted.

    Args:
        architecture: As `transfergrid.models.zoo.build`.
        outputs: Number of logits of a pixel.
        truncation: Blocks to remove.
        px: Side of the images.
        decoder: As `mask_network`.

    Raises:
        UserError: As `mask_network` and `build`.
    """
    with torch.device("meta"):
        encoder = build(architecture, 1, truncation, seed=0)
        network = mask_network(encoder, outputs, 0, px, decoder).eval()
    idle = set(trace(network, lambda module, images: module(images), (px, px)).idle)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.empty(1, 3, px, px, device="meta"))
    used = (tensor for name, tensor in network.named_parameters() if name not in idle)
    return Cost(sum(map(torch.numel, used)), counter.get_total_flops() // 2)
