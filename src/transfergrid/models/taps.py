"""What passes the end of each block of a network, taken at some positions of each image."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any

import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn

from transfergrid.models.truncation import blocks_of
from transfergrid.models.zoo import head_of
from transfergrid.planning.layers import POOLED, layer_names
from transfergrid.runtime.errors import UserError, listed

Shape = tuple[int, int, int]
"""Channels, height and width of a layer's output; 1 × 1 for pooled features."""


def block_ends(model: nn.Module) -> dict[str, nn.Module]:
    """Return the module at the end of each block, stem first, by the layer's name.

    Raises:
        UserError: The network's blocks are not known.
    """
    try:
        ends = [block[-1] for block in blocks_of(model)]
    except UserError:
        raise UserError(
            f"the blocks of {type(model).__name__} are not known; write similarity.layers: "
            f"[{POOLED}], or give the network a method blocks_of()."
        ) from None
    if isinstance(model, ResNet):
        # Its ReLU has no weights, and so is in no block; the published layer is the one after it.
        ends[0] = model.act1
    return dict(zip(layer_names(len(ends)), ends, strict=False))


class Taps:
    """Collects what passes some layers while a network computes; a context.

    Attributes:
        first: Row of the batch's first image.
    """

    def __init__(self, network: nn.Module, layers: tuple[str, ...] | None) -> None:
        """Take a network and the names of layers; None for the end of every block and `POOLED`.

        Raises:
            UserError: It lacks a layer.
        """
        ends = {} if layers == (POOLED,) else block_ends(network)
        names = (*ends, POOLED) if layers is None else layers
        lacking = [name for name in names if name not in (*ends, POOLED)]
        if lacking:
            raise UserError(
                f"similarity.layers names '{lacking[0]}', but {type(network).__name__} has "
                f"{listed([*ends, POOLED], 20)}."
            )
        self.first = 0
        self._network = network
        self._modules = {name: ends[name] for name in names if name != POOLED}
        self._pooled = POOLED in names
        self._order = [name for name in (*ends, POOLED) if name in names]
        self._handles: list[Any] = []
        self._rows: Mapping[str, Tensor] | None = None
        self._into: Mapping[str, Any] = {}
        self._shapes: dict[str, Shape] = {}

    def __enter__(self) -> Taps:
        for name, module in self._modules.items():
            hook = partial(self._after, name)
            self._handles.append(module.register_forward_hook(hook))
        if self._pooled:
            head = head_of(self._network)
            self._handles.append(head.register_forward_pre_hook(self._before_head))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def shapes(self, inputs: Tensor) -> dict[str, Shape]:
        """Return the shape of each layer's output for one image, in the network's order.

        Args:
            inputs: (B, 3, H, W), the network's input.
        """
        self._rows, self._shapes = None, {}
        with torch.inference_mode():
            self._network(inputs)
        return {name: self._shapes[name] for name in self._order}

    def fill(self, positions: Mapping[str, Tensor], into: Mapping[str, Any]) -> None:
        """Have what passes from now on written down.

        Args:
            positions: By layer (N, p) int64 on the network's device: the positions of each image,
                counted row by row.
            into: By layer a (N * p, C) float32 array; image i has the rows from i * p on.
        """
        self._rows, self._into = positions, into

    def _after(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        self._take(name, output)

    def _before_head(self, module: nn.Module, inputs: Any) -> None:
        self._take(POOLED, inputs[0])

    def _take(self, name: str, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim not in (2, 4):
            what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise UserError(
                f"layer {name} of {type(self._network).__name__} gives {what}, and activations are "
                "stored of (B, C) and (B, C, H, W) tensors; name other layers in "
                "similarity.layers."
            )
        map_ = output if output.ndim == 4 else output[:, :, None, None]
        if self._rows is None:
            self._shapes[name] = (map_.shape[1], map_.shape[2], map_.shape[3])
            return
        count = len(map_)
        chosen = self._rows[name][self.first : self.first + count]
        flat = map_.flatten(2).transpose(1, 2)  # (B, H * W, C)
        images = torch.arange(count, device=flat.device)[:, None]
        taken = flat[images, chosen].flatten(0, 1).float().cpu().numpy()
        start = self.first * chosen.shape[1]
        # If memory runs out, half of the batch comes again, to the same rows.
        self._into[name][start : start + len(taken)] = taken
