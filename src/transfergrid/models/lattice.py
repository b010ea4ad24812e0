"""Where the pixels of a network's maps lie in its input, followed through its operations.

A map's size does not say it: a network whose convolutions do not pad has maps that begin some
pixels inside of the image (Inception's at stride 8 begin at pixel 13), and TensorFlow's padding
depends on the size of the input. So operations are watched on the meta device, where nothing is
computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Pair = tuple[float, float]
"""Along rows and along columns: first what is told of a map's height, then of its width."""

_aten = torch.ops.aten


@dataclass(frozen=True)
class Lattice:
    """Centres of a map's pixels, in pixels of the input.

    Attributes:
        first: Centre of the first pixel, 0 for that of the input's first one; (y, x).
        step: Distance of neighbours, (y, x).
    """

    first: Pair
    step: Pair

    @classmethod
    def spread(cls, size: tuple[int, int], over: tuple[int, int]) -> Lattice:
        """Return a map of `size` spread evenly over an input; its step is a whole number."""
        step = tuple(
            float(max(1, round(whole / own))) for own, whole in zip(size, over, strict=True)
        )
        return cls(((step[0] - 1) / 2, (step[1] - 1) / 2), (step[0], step[1]))

    def after(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Lattice:
        """Return the map that a sliding window makes of this one."""
        first, step = [], []
        for axis in (0, 1):
            middle = dilation[axis] * (kernel[axis] - 1) / 2 - padding[axis]
            first.append(self.first[axis] + middle * self.step[axis])
            step.append(self.step[axis] * stride[axis])
        return Lattice((first[0], first[1]), (step[0], step[1]))

    def padded(self, top: float, left: float) -> Lattice:
        """Return the map with rows and columns put before its first; fewer if negative."""
        y, x = self.first[0] - top * self.step[0], self.first[1] - left * self.step[1]
        return Lattice((y, x), self.step)


@dataclass(frozen=True)
class Trace:
    """What was seen while a network computed.

    Attributes:
        result: What the function returned, on the meta device.
        idle: Names of the network's tensors that no operation read.
    """

    result: Any
    idle: tuple[str, ...]
    _lattices: Mapping[int, Lattice]

    def lattice(self, map_: Tensor) -> Lattice | None:
        """Return where a (B, C, h, w) tensor of the result lies, or None if it was lost track of.

        It is lost where pixels change places otherwise than by windows, padding and cropping at
        the end, such as where a network turns channels into the last dimension.
        """
        return self._lattices.get(id(map_))


def trace(
    network: nn.Module, compute: Callable[[nn.Module, Tensor], Any], size: tuple[int, int]
) -> Trace:
    """Watch what a network does with images of a size, without computing it.

    The network keeps its weights, its statistics and its mode, on whatever device it is.

    Args:
        network: The network.
        compute: Called with the network and (2, 3, H, W) images on the meta device.
        size: Height and width of the images.
    """
    caller = _Caller(network, compute)
    tensors = {**dict(caller.named_parameters()), **dict(caller.named_buffers())}
    empty = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    modes = [(module, module.training) for module in network.modules()]
    watch = _Watch()
    try:
        # In inference mode convolutions would not be seen as such.
        with torch.inference_mode(False), torch.no_grad():
            network.eval()
            images = torch.empty(2, 3, *size, device="meta")
            watch.note(images, Lattice((0.0, 0.0), (1.0, 1.0)))
            with watch:
                result = functional_call(caller, empty, (images,))
    finally:
        for module, mode in modes:
            module.training = mode
    idle = (name.removeprefix("network.") for name in empty if id(empty[name]) not in watch.read)
    return Trace(result, tuple(idle), watch.lattices)


class _Caller(nn.Module):
    def __init__(self, network: nn.Module, compute: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.training = network.training  # a new module's mode is not handed down
        self.network = network
        self._compute = compute

    def forward(self, images: Tensor) -> Any:
        return self._compute(self.network, images)


class _Watch(TorchDispatchMode):
    """Follows maps through all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.lattices: dict[int, Lattice] = {}
        self.read: set[int] = set()
        self._alive: list[Tensor] = []  # so that no other tensor takes the number of one

    def note(self, map_: Tensor, lattice: Lattice) -> None:
        self._alive.append(map_)
        self.lattices[id(map_)] = lattice

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is _aten.native_batch_norm.default:
            # Nine tenths of the time, and nothing but its shape is asked for.
            result = (torch.empty_like(args[0]), args[3], args[4])
        else:
            result = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.read.update(map(id, given))
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and leaf.ndim == 4]
        for map_ in made:
            lattice = _window(func, args, self.lattices) or self._passed_on(map_, given)
            if lattice is not None:
                self.note(map_, lattice)
        return result

    def _passed_on(self, made: Tensor, given: list[Tensor]) -> Lattice | None:
        """Return the place of a map that an operation leaves in place."""
        for map_ in given:
            if id(map_) in self.lattices and map_.shape[2:] == made.shape[2:]:
                return self.lattices[id(map_)]
        return None


def _window(func: Any, args: tuple[Any, ...], known: Mapping[int, Lattice]) -> Lattice | None:
    """Return the place of what a sliding window or a padding makes; None for anything else."""
    before = known.get(id(args[0])) if args else None
    if before is None:
        return None
    if func is _aten.convolution.default:
        weight, stride, padding, dilation, transposed = args[1], *args[3:7]
        kernel = weight.shape[2:]
        return (
            None if transposed else before.after(*map(_pair, (kernel, stride, padding, dilation)))
        )
    if func is _aten.max_pool2d_with_indices.default:
        return _pooled(before, args[1:5])
    if func is _aten.avg_pool2d.default:
        return _pooled(before, args[1:4])
    if func is _aten.constant_pad_nd.default:
        borders = (*args[1], 0, 0)  # left, right, top, bottom
        return before.padded(borders[2], borders[0])
    return None


def _pooled(before: Lattice, settings: tuple[Any, ...]) -> Lattice:
    kernel, stride, padding, dilation = [*settings, None, None, None][:4]
    return before.after(
        _pair(kernel), _pair(stride or kernel), _pair(padding or 0), _pair(dilation or 1)
    )


def _pair(values: Any) -> Pair:
    if isinstance(values, int):
        return (values, values)
    found = tuple(values)
    return (found[0], found[-1])
