"""What the network of a phase is shown of a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from transfergrid.data.store import Images


@dataclass(frozen=True)
class View:
    """The images of a split as steps and validations of a phase read them.

    Attributes:
        images: (N, ...) array or memory map, row i for image i of the split: uint8 pixels, which
            may be augmented, or float32 of what frozen layers made of them, which may not.
        normalise: From rows of `images` on the device to the input of `network`.
        network: On the device, the network or, if frozen layers are left out, the rest of it; its
            parameters are those of the network that is trained.
    """

    images: Images
    normalise: Callable[[Tensor], Tensor]
    network: nn.Module
