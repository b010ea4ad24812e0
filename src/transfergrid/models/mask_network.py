"""A network that marks structures: one of a study's networks with a decoder, perhaps one's own.

A decoder of one's own is a module with three parts, named as the U-Net's are, because training,
checkpoints and cells that start from one go by these names: ``encoder``, the network that it was
given; ``steps``, all that is new but for the last layer; and ``head``, which ends in logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from transfergrid.models.cost import Cost
from transfergrid.models.lattice import trace
from transfergrid.models.maps import levels_of
from transfergrid.models.truncation import blocks_of
from transfergrid.models.unet import UNet, remove_classifier
from transfergrid.models.zoo import build, drawing_from, load_function
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import seeded

PARTS = ("encoder", "steps", "head")
"""What the names of a network's tensors begin with."""


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
        UserError: The images are too small; or the function fails, as one does that needs more maps
            than a cut network has, or what it returns is no such module or has another encoder.
    """
    if decoder is None:
        return UNet(encoder, outputs, seed, px)
    remove_classifier(encoder)
    levels = levels_of(encoder, (px, px))
    steps = listed([f"{level.lattice.step[0]:g}" for level in levels.maps], 9)
    there = f"which has {len(levels.maps)} maps (a pixel every {steps} pixels of an image)"
    named = f"decoder {decoder} on {type(encoder).__name__}, {there},"
    function = load_function(decoder)
    try:
        with drawing_from(seeded(seed, "decoder")):
            network: nn.Module = function(encoder=encoder, outputs=outputs, px=px)
    except Exception as error:
        # A map that is not there is looked for in a list; other failures have other causes.
        maps = isinstance(error, LookupError)
        advice = "let it take no more maps than there are" if maps else "correct it"
        raise UserError(f"{named} failed with {_told(error)}; {advice}.") from error
    _check_parts(network, decoder, encoder)
    _check_passes(network, named, (outputs, px))
    for method in (_blocks_of, _new_layers):  # unless it has its own
        name = method.__name__.lstrip("_")
        if not hasattr(network, name):
            setattr(network, name, MethodType(method, network))
    return network


def _check_parts(network: object, decoder: str, encoder: nn.Module) -> None:
    """Refuse what is no module, has other parts or another encoder."""
    if not isinstance(network, nn.Module):
        raise UserError(f"{decoder} returned {type(network).__name__}; return a torch.nn.Module.")
    if getattr(network, "encoder", None) is not encoder:
        count = sum(1 for _ in encoder.parameters())
        raise UserError(
            f"{decoder} leaves out the encoder that it was given, with the initial weights of its "
            f"{count} tensors; keep that very module, no copy of it, as the attribute encoder."
        )
    found = {name.partition(".")[0] for name in network.state_dict()}
    if found != set(PARTS):
        raise UserError(
            f"{decoder} returned a module with the parts {listed(sorted(found))}; it must have "
            f"{listed(PARTS)}: the network that it was given, what is new, and the last layer."
        )


def _check_passes(network: nn.Module, named: str, made: tuple[int, int]) -> None:
    """Refuse a module that makes maps of another shape, or makes them without its encoder."""
    outputs, px = made
    try:
        seen = trace(network, lambda module, images: module(images), (px, px))
    except Exception as error:
        raise UserError(f"{named} cannot take images of {px} px: {_told(error)}.") from error
    shape = tuple(seen.result.shape) if isinstance(seen.result, Tensor) else type(seen.result)
    if shape != (2, outputs, px, px):
        raise UserError(
            f"{named} makes {shape} of 2 images of {px} px; it must make {(2, outputs, px, px)}."
        )
    encoder = {f"encoder.{name}" for name, _ in network.get_submodule("encoder").named_parameters()}
    if encoder <= set(seen.idle):
        raise UserError(
            f"{named} makes its result without any tensor of that network; take the maps of the "
            "encoder itself, and not of a copy."
        )


def _told(error: Exception) -> str:
    return f"{type(error).__name__} ({error})"


def _blocks_of(network: nn.Module) -> list[list[nn.Module]]:
    """Return the encoder's blocks, stem first; what is new is in none of them."""
    return blocks_of(network.get_submodule("encoder"))


def _new_layers(network: nn.Module) -> list[nn.Module]:
    """Return what no initial weights fill, the layer that ends in logits last."""
    return [network.get_submodule("steps"), network.get_submodule("head")]


def mask_cost(architecture: Mapping[str, Any], outputs: int, truncation: int, px: int) -> Cost:
    """Count parameters and multiply-accumulates of a network with its decoder for one image.

    Parameters on which no mask depends, such as those of a convolution after the pooling, are not
    counted.

    Args:
        architecture: As `transfergrid.models.zoo.build`, and perhaps ``decoder``, as
            `mask_network`.
        outputs: Number of logits of a pixel.
        truncation: Blocks to remove.
        px: Side of the images.

    Raises:
        UserError: As `mask_network` and `build`.
    """
    decoder = architecture.get("decoder")
    # What is a user's own may compute while it is made, such as a rate for each of its layers.
    own = decoder or architecture.get("factory")
    with torch.device("cpu" if own else "meta"):
        encoder = build(architecture, 1, truncation, seed=0)
        network = mask_network(encoder, outputs, 0, px, decoder).eval().to("meta")
    idle = set(trace(network, lambda module, images: module(images), (px, px)).idle)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.empty(1, 3, px, px, device="meta"))
    used = (tensor for name, tensor in network.named_parameters() if name not in idle)
    return Cost(sum(map(torch.numel, used)), counter.get_total_flops() // 2)
