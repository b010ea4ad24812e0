"""Logits of images, as validation during training and evaluation after it both compute them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BATCH_SIZE = 64
"""Images per forward pass; fixed, because another size may round another last bit."""


def to_device(model: nn.Module, device: torch.device | str) -> nn.Module:
    """Move a network to a device, in the memory layout that training and prediction share."""
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def predict_each(
    models: Sequence[nn.Module],
    normalise: Callable[[Tensor], Tensor],
    images: NDArray[np.uint8],
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    check: Callable[[], None] | None = None,
) -> NDArray[np.float32]:
    """Return the logits of several networks in one pass over the images.

    Everything is computed in evaluation mode and without autocast: logits rounded to bfloat16 tie,
    and ties move the AUROC. The networks are left in evaluation mode.

    Args:
        models: C networks on `device` with as many outputs each.
        normalise: From uint8 images on `device` to the networks' input.
        images: (N, H, W) or (N, H, W, 3) uint8, a memory map or an array.
        batch_size: Images per forward pass; fewer where memory runs out.
        device: Where to compute.
        check: Called before every batch; may raise to end the work.

    Returns:
        (C, N, T) float32; (C, 0, 0) for no images.
    """
    device = torch.device(device)
    for model in models:
        model.eval()
    parts = []
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for start in range(0, len(images), batch_size):
            if check is not None:
                check()
            pixels = torch.from_numpy(np.array(images[start : start + batch_size]))
            if device.type == "cuda":
                pixels = pixels.pin_memory().to(device, non_blocking=True)
            parts.append(_logits(models, normalise, pixels))
        if not parts:
            return np.zeros((len(models), 0, 0), dtype=np.float32)
        return torch.cat(parts, dim=1).cpu().numpy()


def _logits(
    models: Sequence[nn.Module], normalise: Callable[[Tensor], Tensor], pixels: Tensor
) -> Tensor:
    """Return (C, n, T) logits; in halves where memory runs out, which may round other last bits."""
    try:
        inputs = normalise(pixels)
        return torch.stack([model(inputs).float() for model in models])
    except torch.OutOfMemoryError:
        if len(pixels) == 1:
            raise
    # Outside the handler, whose traceback holds on to the tensors.
    halves = pixels.split(-(-len(pixels) // 2))
    return torch.cat([_logits(models, normalise, half) for half in halves], dim=1)


def predict(
    model: nn.Module,
    normalise: Callable[[Tensor], Tensor],
    images: NDArray[np.uint8],
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    check: Callable[[], None] | None = None,
) -> NDArray[np.float32]:
    """Return the (N, T) float32 logits of one network; see `predict_each`."""
    return predict_each([model], normalise, images, batch_size, device, check)[0]
