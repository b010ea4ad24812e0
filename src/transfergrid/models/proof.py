"""Proof that weights were loaded: a fixed input through the network, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from transfergrid.models.zoo import head_of

PROBE_IMAGES = 2
PROBE_PX = 128
DIGITS = 6


def probe_px(model: nn.Module, architecture: Mapping[str, Any]) -> int:
    """Return the side of the probe's images: 128, or the only size that the network takes."""
    config = getattr(model, "pretrained_cfg", None) or {}
    if config.get("fixed_input_size"):
        return int(config["input_size"][-1])
    return PROBE_PX if not architecture.get("factory") else int(architecture.get("input_px") or 224)


def probe(model: nn.Module, px: int) -> Tensor:
    """Return the mean feature vector (float64, (width,)) of fixed pseudo-random images.

    The features are the classifier's input in evaluation mode, averaged over `PROBE_IMAGES`
    standard normal images of `px` × `px`; the model's mode is restored afterwards.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(PROBE_IMAGES, 3, px, px, generator=generator)
    seen: list[Tensor] = []
    handle = head_of(model).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    training = model.training
    try:
        with torch.inference_mode():
            model.eval()(images)
    finally:
        handle.remove()
        model.train(training)
    return seen[0].double().mean(0)


@dataclass(frozen=True)
class Probe:
    """Statistics of two mean feature vectors, rounded to six digits.

    Attributes:
        images: Number of probe images.
        px: Their side.
        width: Length of the feature vectors.
        mean: Mean of the loaded network's vector.
        std: Its standard deviation over channels.
        random_mean: The same for the network before loading.
        random_std: The same for the network before loading.
        relative_difference: Euclidean norm of the difference, divided by the random vector's norm.
        finite: Whether the loaded network's features are finite.
    """

    images: int
    px: int
    width: int
    mean: float | None
    std: float | None
    random_mean: float
    random_std: float
    relative_difference: float | None
    finite: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def compare(loaded: Tensor, random: Tensor, px: int) -> Probe:
    """Compare a network's mean feature vectors after and before loading."""
    finite = bool(loaded.isfinite().all())
    difference = (loaded - random).norm() / random.norm().clamp_min(1e-30)
    return Probe(
        images=PROBE_IMAGES,
        px=px,
        width=loaded.numel(),
        mean=_rounded(loaded.mean()) if finite else None,
        std=_rounded(loaded.std(correction=0)) if finite else None,
        random_mean=_rounded(random.mean()),
        random_std=_rounded(random.std(correction=0)),
        relative_difference=_rounded(difference) if finite else None,
        finite=finite,
    )


def _rounded(value: Tensor) -> float:
    # A convolution's last digits depend on the machine; a proof should not.
    return float(f"{value.item():.{DIGITS}g}")
