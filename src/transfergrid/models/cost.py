"""Size and compute of a network, counted on the meta device, where nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from transfergrid.models.zoo import build, label_of
from transfergrid.runtime.errors import UserError

LARGEST_PX = 1024


@dataclass(frozen=True)
class Cost:
    """What one image costs a network.

    Attributes:
        params: Number of parameters, classifier included.
        macs: Multiply-accumulates in one forward pass: convolutions and matrix products.
    """

    params: int
    macs: int


def cost(architecture: Mapping[str, Any], outputs: int, truncation: int, px: int) -> Cost:
    """Count parameters and multiply-accumulates for `px` × `px` input.

    Forward only: PyTorch's count for the backward pass ignores groups and is far too high for
    depthwise networks.

    Raises:
        UserError: An unknown network, too deep a truncation, or too small an input.
    """
    # Of all options slim alone changes shapes, and so the numbers.
    slim = (architecture.get("options") or {}).get("slim")
    network = _Network(architecture.get("timm"), architecture.get("factory"), slim)
    return _cost(network, label_of(architecture), outputs, truncation, px)


class _Network(NamedTuple):
    timm: str | None
    factory: str | None
    slim: int | None


@lru_cache(maxsize=1024)
def _cost(network: _Network, told: str, outputs: int, truncation: int, px: int) -> Cost:
    options = {} if network.slim is None else {"slim": network.slim}
    entry = {"timm": network.timm, "factory": network.factory, "options": options}
    # A user's own may compute while it is made, such as a rate for each of its layers.
    with torch.device("cpu" if network.factory else "meta"):
        model = build(entry, outputs, truncation, seed=0).eval().to("meta")
    images = torch.empty(1, 3, px, px, device="meta")
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            model(images)
    except RuntimeError as error:
        raise UserError(
            f"{told} with {truncation} blocks removed cannot take images of {px} px "
            f"({error}); use larger images."
        ) from None
    params = sum(parameter.numel() for parameter in model.parameters())
    return Cost(params, counter.get_total_flops() // 2)


def last_map(model: nn.Module, px: int) -> tuple[int | None, int | None]:
    """Return height and width of a network's last feature map for `px` × `px` input.

    Args:
        model: A network on the meta device.
        px: Side of the images.

    Returns:
        None for both if the network has no ``forward_features`` that returns a map.
    """
    features = getattr(model, "forward_features", None)
    if features is None:
        return None, None
    with torch.no_grad():
        last = features(torch.empty(1, 3, px, px, device="meta"))
    return (last.shape[2], last.shape[3]) if last.ndim == 4 else (None, None)


def smallest_px(architecture: Mapping[str, Any], truncation: int) -> int:
    """Return the smallest square input whose last feature map is at least 2 × 2.

    Raises:
        UserError: As in `cost`, or no size up to `LARGEST_PX` is large enough.
    """
    with torch.device("meta"):
        model = build(architecture, 1, truncation, seed=0).eval()
    low, high = 1, LARGEST_PX
    if not _large_enough(model, high):
        raise UserError(
            f"the last map of {label_of(architecture)} is smaller than 2 × 2 even at {high} px."
        )
    while low < high:  # a larger input never gives a smaller map
        middle = (low + high) // 2
        low, high = (low, middle) if _large_enough(model, middle) else (middle + 1, high)
    return low


def _large_enough(model: nn.Module, px: int) -> bool:
    try:
        height, width = last_map(model, px)
    except RuntimeError:  # a kernel larger than the map
        return False
    return height is not None and width is not None and min(height, width) >= 2
