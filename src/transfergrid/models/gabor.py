"""Derived weights whose first convolution is a bank of Gabor filters.

Raghu, Zhang, Kleinberg and Bengio (2019, Transfusion) give no parameters of theirs. In this one, of
n filters of k × k pixels,

* a filter is a plane wave under a round Gaussian, g = exp(-(x² + y²) / 2s²) · cos(2πfu - p), with
  u = x cos(a) + y sin(a) and x, y in pixels from the kernel's centre;
* phases p are 0 and π/2: an even and an odd filter of each wave;
* frequencies f are spaced geometrically from one period a kernel to .36 cycles a pixel, 2 for k of
  5 or 6 and 4 from 7 on; smaller kernels have .36 alone;
* angles a are spaced evenly over half a turn, as many as the n filters need;
* s is .56 / f pixels, a bandwidth of one octave, but at most k / 4, so that the wave fades out
  within the kernel, or 1 in kernels of 3.

Filters are ordered by angle, then frequency, then phase. Of each filter the mean is taken away, and
all have the same root mean square: that of the source's filters together. Every input channel has
the same filter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from transfergrid.runtime.errors import UserError

PHASES = 2
GABOR = "gabor"
_HIGHEST = 0.36
_OCTAVE = 0.56


def bank(filters: int, size: int) -> Tensor:
    """Return a bank of Gabor filters as described above.

    Args:
        filters: Number of filters, at least 1.
        size: Side of the kernel in pixels, at least 3.

    Returns:
        (filters, size, size) float64; each filter has mean 0 and root mean square 1.
    """
    centred = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(centred, centred, indexing="ij")
    waves = frequencies(size)
    angles = -(-filters // (PHASES * len(waves)))
    made = []
    for number in range(filters):
        rest, phase = divmod(number, PHASES)
        turn, wave = divmod(rest, len(waves))
        angle, frequency = math.pi * turn / angles, waves[wave]
        width = min(_OCTAVE / frequency, max(size / 4, 1))
        along = x * math.cos(angle) + y * math.sin(angle)
        envelope = torch.exp(-(x**2 + y**2) / (2 * width**2))
        made.append(envelope * torch.cos(2 * math.pi * frequency * along - phase * math.pi / 2))
    stacked = torch.stack(made)
    stacked = stacked - stacked.mean((1, 2), keepdim=True)
    return stacked / stacked.square().mean((1, 2), keepdim=True).sqrt()


def frequencies(size: int) -> list[float]:
    """Return the frequencies of a bank of `size` × `size` kernels, in cycles a pixel, rising."""
    count = 1 if size < 5 else 2 if size < 7 else 4
    if count == 1:
        return [_HIGHEST]
    lowest = 1 / size
    return [lowest * (_HIGHEST / lowest) ** (step / (count - 1)) for step in range(count)]


def first_convolution(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return a network's first convolution and its name.

    Raises:
        UserError: It has none that a bank can take the place of.
    """
    found = (pair for pair in model.named_modules() if isinstance(pair[1], nn.Conv2d))
    name, module = next(found, ("", None))
    if not isinstance(module, nn.Conv2d):
        raise UserError(f"filters: gabor replaces a convolution, but {_kind(model)} has none.")
    size = tuple(module.kernel_size)
    if module.in_channels not in (1, 3) or module.groups != 1 or len({*size}) > 1 or size[0] < 3:
        raise UserError(
            f"filters: gabor needs a first convolution of 1 or 3 input channels, in one group, "
            f"with a square kernel of at least 3 pixels, but {name} of {_kind(model)} has "
            f"{module.in_channels} channels, {module.groups} groups and a kernel of "
            f"{' x '.join(map(str, size))}; leave this network out."
        )
    return name, module


def names(model: nn.Module, value: str) -> list[str]:
    """Return the name of the tensor that becomes the bank."""
    return [f"{first_convolution(model)[0]}.weight"]


def fill(
    model: nn.Module, source: Mapping[str, Tensor], value: str, seed: int
) -> dict[str, tuple[Tensor, str]]:
    """Return the bank with the scale of the source's filters, and "gabor" as its origin."""
    (name,) = names(model, value)
    old = source[name]
    filters, channels, size, _ = old.shape
    scale = old.double().square().mean().sqrt()
    planes = (bank(filters, size) * scale)[:, None].expand(-1, channels, -1, -1)
    return {name: (planes.to(old.dtype).contiguous(), GABOR)}


def _kind(model: nn.Module) -> str:
    return type(model).__name__
