"""From stored uint8 images to the input that a set of weights expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from transfergrid.runtime.errors import UserError


@dataclass(frozen=True)
class Preprocessing:
    """The input that a set of weights was trained on.

    Attributes:
        mean: Channel means on the scale 0..1, in the network's channel order.
        std: Channel standard deviations on the same scale, all positive.
        channel_order: ``rgb`` or ``bgr``.
        interpolation: Resampling that the weights were trained with; only recorded, since images
            are resized when the cache is made.
        source: Where these values come from.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channel_order: str = "rgb"
    interpolation: str = "bicubic"
    source: str = ""

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise UserError(
                f"mean {list(self.mean)} and std {list(self.std)} must have three numbers each, "
                "and std must be positive."
            )
        if self.channel_order not in ("rgb", "bgr"):
            raise UserError(f"channel_order is '{self.channel_order}'; choose rgb or bgr.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Build from a mapping that holds ``mean``, ``std`` and perhaps the other attributes.

        Raises:
            UserError: Values out of range.
        """
        optional = ("channel_order", "interpolation", "source")
        return cls(
            mean=tuple(float(value) for value in values["mean"]),  # type: ignore[arg-type]
            std=tuple(float(value) for value in values["std"]),  # type: ignore[arg-type]
            **{key: str(values[key]) for key in optional if values.get(key)},
        )

    def replaced_by(self, given: Mapping[str, Any] | None) -> Preprocessing:
        """Return the input that a declaration gives in place of this one, if it gives any.

        Args:
            given: ``mean``, ``std``, ``channel_order`` and ``source``, or None.

        Raises:
            UserError: Values out of range.
        """
        if given is None:
            return self
        return Preprocessing.from_dict({**given, "interpolation": self.interpolation})

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}


class Normalise:
    """Scale images to 0..1, subtract the mean, divide by the standard deviation.

    Grey images are repeated to three channels rather than folding the first convolution: the
    published normalisation then stays exact, and truncated and whole networks see the same input.
    """

    def __init__(self, preprocessing: Preprocessing, device: torch.device | str = "cpu") -> None:
        self.mean = torch.tensor(preprocessing.mean, dtype=torch.float32, device=device)
        self.std = torch.tensor(preprocessing.std, dtype=torch.float32, device=device)
        self.reverse = preprocessing.channel_order == "bgr"

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 (B, 3, H, W) in channels_last memory.

        Args:
            images: uint8 (0..255) or floating point (0..1), (B, H, W) grey or (B, H, W, 3) RGB,
                on this object's device.

        Raises:
            ValueError: Another shape.
        """
        if images.ndim == 3:
            images = images[..., None]
        elif images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images are {tuple(images.shape)}; allowed: (B, H, W), (B, H, W, 3)")
        if images.dtype == torch.uint8:
            images = images.float() / 255
        if self.reverse:
            images = images.flip(-1)
        # Broadcasting against (3,) repeats grey and leaves the channels innermost: after the
        # permute the memory layout is channels_last without a copy.
        return ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)
