"""Logits of images, computed alike by validation during training and by evaluation after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.store import Images
from transfergrid.tasks.learn.kind import Keep, KeepTogether, LearnHalf

BATCH_SIZE = 64
"""Images per forward pass; fixed, because another size may round the last bits differently."""


def batch_of(task: LearnHalf) -> int:
    """Return the images per forward pass of a kind of task."""
    return int(getattr(task, "batch", BATCH_SIZE))


def to_device(model: nn.Module, device: torch.device | str) -> nn.Module:
    """Move a network to a device, in the memory layout that training and prediction share."""
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def predict_each(
    models: Sequence[nn.Module],
    normalise: Callable[[Tensor], Tensor],
    images: Images,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    check: Callable[[], None] | None = None,
    keep: Keep | None = None,
    together: KeepTogether | None = None,
) -> NDArray[np.float32]:
    """Return several networks' outputs for images, in one pass over them.

    Everything is computed in evaluation mode and without autocast: logits rounded to bfloat16 tie,
    and ties change an AUROC. The networks are left in evaluation mode.

    Args:
        models: C networks on `device`, all with the same number of outputs.
        normalise: From images on `device` to the networks' input.
        images: (N, ...): uint8 images or float32 features; a memory map, an array, or something
            read like one.
        batch_size: Images per forward pass; fewer if memory runs out.
        device: Where to compute.
        check: Called before every batch; may raise to end the work.
        keep: What is kept of outputs and rows; None for the outputs themselves, float32.
        together: What is kept of the outputs of all networks, in place of `keep`.

    Returns:
        (C, N, T) float32; (C, 0, 0) for no images.
    """
    gather = together or _one_by_one(keep)
    found: Tensor | None = None
    row = 0
    # Into one array: a small tensor kept of each batch would lie between the large ones that come
    # and go, and the memory between them serves nothing else.
    for part in _parts(models, normalise, images, batch_size, device, check, gather, 0):
        if found is None:
            found = part.new_empty((len(part), len(images), *part.shape[2:]))
        found[:, row : row + part.shape[1]] = part
        row += part.shape[1]
    if found is None:
        return np.zeros((len(models), 0, 0), dtype=np.float32)
    return found.cpu().numpy()


def outputs_of(
    models: Sequence[nn.Module],
    normalise: Callable[[Tensor], Tensor],
    images: Images,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    check: Callable[[], None] | None = None,
    keep: Keep | None = None,
    first: int = 0,
) -> Iterator[Tensor]:
    """Yield what `predict_each` returns batch by batch, (C, n, T) on `device`, from a row on."""
    gather = _one_by_one(keep)
    yield from _parts(models, normalise, images, batch_size, device, check, gather, first)


def _one_by_one(keep: Keep | None) -> KeepTogether:
    """Return what keeps of each network's outputs by itself, none longer than it takes."""
    kept = keep or (lambda output, rows: output.float())
    return lambda outputs, rows: torch.stack([kept(output, rows) for output in outputs])


def _parts(
    models: Sequence[nn.Module],
    normalise: Callable[[Tensor], Tensor],
    images: Images,
    batch_size: int,
    device: torch.device | str,
    check: Callable[[], None] | None,
    gather: KeepTogether,
    first: int,
) -> Iterator[Tensor]:
    device = torch.device(device)
    for model in models:
        model.eval()
    for start in range(first, len(images), batch_size):
        if check is not None:
            check()
        pixels = torch.from_numpy(np.array(images[start : start + batch_size]))
        if device.type == "cuda":
            pixels = pixels.pin_memory().to(device, non_blocking=True)
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            part = _outputs(models, normalise, pixels, start, gather)
        yield part


def _outputs(
    models: Sequence[nn.Module],
    normalise: Callable[[Tensor], Tensor],
    pixels: Tensor,
    first: int,
    gather: KeepTogether,
) -> Tensor:
    """Return (C, n, T) for n images from row `first` on.

    If memory runs out, it is done in halves, which may round the last bits differently.
    """
    try:
        inputs, rows = normalise(pixels), slice(first, first + len(pixels))
        return gather((model(inputs) for model in models), rows)
    except torch.OutOfMemoryError:
        if len(pixels) == 1:
            raise
    # Outside the handler, whose traceback would keep the tensors alive.
    halves = pixels.split(-(-len(pixels) // 2))
    starts = (first, first + len(halves[0]))
    parts = [
        _outputs(models, normalise, half, start, gather)
        for half, start in zip(halves, starts, strict=True)
    ]
    return torch.cat(parts, dim=1)


def predict(
    model: nn.Module,
    normalise: Callable[[Tensor], Tensor],
    images: Images,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    check: Callable[[], None] | None = None,
    keep: Keep | None = None,
) -> NDArray[np.float32]:
    """Return the (N, T) float32 logits of one network; see `predict_each`."""
    return predict_each([model], normalise, images, batch_size, device, check, keep)[0]
