"""A U-Net decoder on any of a study's networks, whole or cut (Ronneberger et al. 2015).

The encoder is the very network that classification trains, with the weights that it was given; the
decoder takes its maps, and sizes and places of these are looked up, not assumed. Each step brings
the deeper map to the next finer one by repeating pixels, puts both together, and applies two
convolutions of 3 × 3 with batch norm and ReLU; a last step without a finer map ends at the size of
the images. Widths are those that segmentation-models-pytorch has by default: 16 for the size of the
images and twice that for each doubling of the pixels' distance, up to 256.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from transfergrid.models.lattice import Lattice
from transfergrid.models.maps import Levels, levels_of, maps_of
from transfergrid.models.truncation import blocks_of
from transfergrid.models.zoo import drawing_from, head_keys
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded

ENCODER = "encoder."
"""What the names of an encoder's tensors begin with in those of the whole network."""

_NARROWEST, _WIDEST = 16, 256


@dataclass(frozen=True)
class Fit:
    """How a map is brought to a finer one.

    Attributes:
        ratio: How often each pixel is repeated, down and across.
        shift: Where the first repeated pixel lies in the finer map, (y, x); may be negative.
        size: Height and width of the finer map.
    """

    ratio: tuple[int, int]
    shift: tuple[int, int]
    size: tuple[int, int]

    def __call__(self, map_: Tensor) -> Tensor:
        """Return (B, C, *size) of (B, C, h, w).

        What reaches beyond the finer map is cropped; where the map does not reach, its edge is
        repeated.
        """
        if self.ratio != (1, 1):
            ratio = (float(self.ratio[0]), float(self.ratio[1]))
            map_ = functional.interpolate(map_, scale_factor=ratio, mode="nearest")
        for axis in (0, 1):
            map_ = _laid(map_, axis + 2, self.shift[axis], self.size[axis])
        return map_


def _laid(map_: Tensor, axis: int, shift: int, size: int) -> Tensor:
    """Lay a map along an axis so that it begins at `shift` and the result has `size`."""
    length = map_.shape[axis]
    begin, end = max(0, -shift), min(length, size - shift)
    if (begin, end, shift) == (0, length, 0) and length == size:
        return map_
    parts = [map_.narrow(axis, begin, end - begin)]
    # Not `pad(mode="replicate")`, whose gradient is not deterministic on a GPU.
    for count, edge in ((max(0, shift), 0), (max(0, size - shift - length), -1)):
        if count:
            piece = map_.narrow(axis, edge % length, 1)
            shape = [count if dim == axis else -1 for dim in range(map_.ndim)]
            parts.insert(0 if edge == 0 else len(parts), piece.expand(shape))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=axis)


def fit_of(deep: Lattice, fine: Lattice, size: tuple[int, int]) -> Fit:
    """Return how a map is brought to a finer one by the true centres of both maps' pixels.

    A pixel that is repeated n times covers n pixels whose middle is as near to its own centre as
    whole pixels allow. Of two such places it is the one nearer to where plain resizing puts it, so
    maps of a network that pads by half its kernels stay where every other U-Net has them.

    Args:
        deep: Where the deeper map lies.
        fine: Where the finer one lies.
        size: Height and width of the finer one.

    Raises:
        UserError: The distance of one's pixels is no multiple of the other's.
    """
    ratio, shift = [], []
    for axis in (0, 1):
        times = deep.step[axis] / fine.step[axis]
        if times < 1 or not times.is_integer():
            raise UserError(
                f"a map with a pixel every {deep.step[axis]:g} pixels of the image cannot be "
                f"brought to one with a pixel every {fine.step[axis]:g}; use another network."
            )
        ratio.append(int(times))
        off = (deep.first[axis] - fine.first[axis]) / fine.step[axis] - (times - 1) / 2
        shift.append(int(math.copysign(math.ceil(abs(off) - 0.5), off)))
    return Fit((ratio[0], ratio[1]), (shift[0], shift[1]), size)


class Step(nn.Module):
    """Two convolutions of 3 × 3, each with batch norm and ReLU."""

    def __init__(self, inputs: int, width: int) -> None:
        """Take the channels that come in, both maps together, and those that go out."""
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, map_: Tensor) -> Tensor:
        """Return (B, width, h, w) of (B, inputs, h, w)."""
        map_ = functional.relu(self.norm1(self.conv1(map_)), inplace=True)
        return functional.relu(self.norm2(self.conv2(map_)), inplace=True)


@dataclass(frozen=True)
class _Plan:
    """How the maps for one size of images are put together, deepest first."""

    places: tuple[int, ...]
    fits: tuple[Fit, ...]


class UNet(nn.Module):
    """A network and a decoder on its maps.

    Attributes:
        encoder: The network, without its classifier.
        steps: The decoder, deepest step first.
        head: The convolution that makes logits.
        idle: Names of the encoder's tensors on which masks do not depend, such as a convolution
            after the pooling. They stay, with the weights that they have, so that what was trained
            on masks can go on to labels.
    """

    def __init__(self, encoder: nn.Module, outputs: int, seed: int, px: int = 224) -> None:
        """Put a new decoder on a network.

        Args:
            encoder: The network, cut or whole, with its weights. It becomes a part of this one, and
                its classifier is removed.
            outputs: Number of logits of a pixel.
            seed: Seed of the decoder's weights, which depend on nothing else.
            px: A size that the network takes; others will do as well.

        Raises:
            UserError: The network shows no maps, or is too deep for images of `px`.
        """
        super().__init__()
        remove_classifier(encoder)
        self.encoder = encoder
        levels = levels_of(encoder, (px, px))
        self.idle = levels.idle
        channels = [level.channels for level in levels.maps]
        steps = [level.lattice.step[0] for level in levels.maps]
        widths = [_width(step) for step in (*steps[1:], 1.0)]
        before = [channels[0], *widths[:-1]]
        skips = [*channels[1:], 0]
        sizes = zip(before, skips, widths, strict=True)
        with drawing_from(seed):  # torch draws what is drawn anew below
            self.steps = nn.ModuleList(Step(deep + skip, width) for deep, skip, width in sizes)
            self.head = nn.Conv2d(widths[-1], outputs, 3, padding=1)
        self._plans = {(px, px): _plan(levels, (px, px))}
        _draw(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, outputs, H, W) logits of images (B, 3, H, W)."""
        plan = self._plan((images.shape[2], images.shape[3]))
        map_, between = maps_of(self.encoder, images)
        for step, fit, place in zip(self.steps, plan.fits, (*plan.places, None), strict=True):
            map_ = fit(map_)
            if place is not None:
                map_ = torch.cat([map_, between[place]], dim=1)
            map_ = step(map_)
        logits: Tensor = self.head(map_)
        return logits

    def blocks_of(self) -> list[list[nn.Module]]:
        """Return the encoder's blocks, stem first; what is new is in none of them."""
        return blocks_of(self.encoder)

    def new_layers(self) -> list[nn.Module]:
        """Return the decoder, which no initial weights fill."""
        return [*self.steps, self.head]

    def _plan(self, size: tuple[int, int]) -> _Plan:
        if size not in self._plans:
            self._plans[size] = _plan(levels_of(self.encoder, size), size)
        return self._plans[size]


def _plan(levels: Levels, size: tuple[int, int]) -> _Plan:
    fits = [fit_of(a.lattice, b.lattice, b.size) for a, b in pairwise(levels.maps)]
    fits.append(fit_of(levels.maps[-1].lattice, Lattice((0.0, 0.0), (1.0, 1.0)), size))
    return _Plan(tuple(cast(int, level.place) for level in levels.maps[1:]), tuple(fits))


def _width(step: float) -> int:
    return int(min(_WIDEST, _NARROWEST * step))


def remove_classifier(network: nn.Module) -> None:
    """Put a layer that changes nothing in the place of a network's classifier.

    Raises:
        UserError: It has no linear classifier.
    """
    name = head_keys(network)[0].rpartition(".")[0]
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())


def _draw(network: UNet, seed: int) -> None:
    """Draw the decoder from a generator of its own (He et al. 2015 for what has a ReLU)."""
    generator = torch.Generator().manual_seed(seeded(seed, "decoder"))
    for module in (*network.steps.modules(), network.head):
        if not isinstance(module, nn.Conv2d):
            continue
        inputs, outputs = module.in_channels * 9, module.out_channels * 9
        last = module is network.head
        bound = math.sqrt(6 / (inputs + outputs)) if last else math.sqrt(6 / inputs)
        shape = module.weight.shape
        drawn = torch.empty(shape, device="cpu").uniform_(-bound, bound, generator=generator)
        with torch.no_grad():
            module.weight.copy_(drawn)
            if module.bias is not None:
                module.bias.zero_()
