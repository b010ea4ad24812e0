"""Outputs of several networks, batch by batch."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from transfergrid.evaluation.inference import predict_each

IMAGES = np.random.default_rng(0).integers(0, 255, (23, 1, 8, 8), dtype=np.uint8)


def networks() -> list[nn.Module]:
    draw = torch.Generator().manual_seed(0)
    found = [nn.Sequential(nn.Flatten(), nn.Linear(64, 3)) for _ in range(2)]
    for network in found:
        network[1].weight.data.normal_(generator=draw)
    return found


def test_batches_stand_in_the_order_of_the_images() -> None:
    models = networks()
    found = predict_each(models, Tensor.float, IMAGES, batch_size=5)
    with torch.inference_mode():
        expected = [model(torch.from_numpy(IMAGES).float()).numpy() for model in models]
    assert found.dtype == np.float32 and found.shape == (2, 23, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert predict_each(models, Tensor.float, IMAGES[:0]).shape == (2, 0, 0)


def test_no_batch_is_kept_by_itself() -> None:
    """Kept among large tensors that come and go, small ones had the memory grow with the films."""
    made: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def together(outputs: Iterable[Tensor], rows: slice) -> Tensor:
        part = torch.stack([output.float() for output in outputs])
        made.append(weakref.ref(part))
        return part

    def check() -> None:
        alive.append(sum(part() is not None for part in made))

    predict_each(networks(), Tensor.float, IMAGES, 2, check=check, together=together)
    assert len(made) == 12 and max(alive) == 1
