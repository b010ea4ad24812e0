"""The maps of a network that a decoder is put on, deepest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from transfergrid.models.lattice import Lattice, Trace, trace
from transfergrid.models.taps import block_ends
from transfergrid.runtime.errors import UserError


@dataclass(frozen=True)
class Level:
    """One map.

    Attributes:
        place: Number of the map among those that `maps_of` returns; None for the last one.
        channels: Its channels.
        size: Height and width.
        lattice: Where its pixels lie in the input.
    """

    place: int | None
    channels: int
    size: tuple[int, int]
    lattice: Lattice


@dataclass(frozen=True)
class Levels:
    """The maps of a network for one size of images.

    Attributes:
        maps: The last map, then one for each finer step of pixels, finest last.
        idle: Names of the network's tensors that none of its maps depends on.
    """

    maps: tuple[Level, ...]
    idle: tuple[str, ...]


def maps_of(network: nn.Module, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return a network's last map and those on the way to it, in one pass.

    The last map is that of ``forward_features``, which a cut network's intermediate features may
    lack. Those on the way are timm's ``forward_intermediates``, or else what leaves each of the
    network's blocks: of a DenseNet the raw concatenations, as they are.

    Args:
        network: One of timm's, or one with ``forward_features`` whose blocks are known.
        images: (B, 3, H, W).

    Returns:
        (B, C, h, w), and a list of such tensors of any sizes, which may have the last one, too.

    Raises:
        UserError: The network has neither.
    """
    intermediates: Callable[..., Any] | None = getattr(network, "forward_intermediates", None)
    if intermediates is not None:
        last, found = intermediates(images, output_fmt="NCHW")
        return last, list(found)
    features = getattr(network, "forward_features", None)
    if features is None:
        raise UserError(
            f"{type(network).__name__} shows no maps to a decoder; give it a method "
            "forward_features(), and blocks_of() or forward_intermediates()."
        )
    between = list[Tensor]()
    handles = [
        block.register_forward_hook(lambda module, inputs, output: between.append(output))
        for block in block_ends(network).values()
    ]
    try:
        return features(images), between
    finally:
        for handle in handles:
            handle.remove()


def levels_of(network: nn.Module, size: tuple[int, int]) -> Levels:
    """Return which maps a decoder takes of a network for images of a size.

    Of several maps with the same distance of pixels it is the last. Sizes are those of the maps,
    never the input's divided by something.

    Args:
        network: As `maps_of`.
        size: Height and width of the images.

    Raises:
        UserError: The images are too small for the network, or its last map is none.
    """
    name = type(network).__name__
    try:
        seen = trace(network, maps_of, size)
    except RuntimeError as error:
        raise UserError(
            f"{name} cannot take images of {size[0]} × {size[1]} px ({error}); use larger images."
        ) from None
    last, between = seen.result
    if last.ndim != 4:
        raise UserError(f"{name} ends on {tuple(last.shape)}, and a decoder needs a map.")
    end = _level(seen, None, last, size)
    finer: dict[float, Level] = {}
    for place, map_ in enumerate(between):
        level = _level(seen, place, map_, size)
        if level.lattice.step[0] < end.lattice.step[0]:
            finer[level.lattice.step[0]] = level
    ordered = [finer[step] for step in sorted(finer, reverse=True)]
    return Levels((end, *ordered), seen.idle)


def _level(seen: Trace, place: int | None, map_: Tensor, size: tuple[int, int]) -> Level:
    own = (map_.shape[2], map_.shape[3])
    lattice = seen.lattice(map_) or Lattice.spread(own, size)
    return Level(place, map_.shape[1], own, lattice)
