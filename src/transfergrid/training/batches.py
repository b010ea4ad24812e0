"""Which images make up each step, and how their pixels get onto the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transfergrid.data.store import Images
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.hashing import seeded

A = TypeVar("A")
R = TypeVar("R")

# Share of a GPU's free memory that the stored images may use; the network needs the rest.
RESIDENT_SHARE = 0.4
_COPY_IMAGES = 4096


@dataclass(frozen=True)
class Batch:
    """The images of one optimiser step.

    Attributes:
        step: Number of the step in its phase, from 0.
        epoch: Number of the epoch, from 0, in the whole training.
        rows: (B,) int64 rows of the training split.
        examples: Images seen once this step is done, since the start of the phase.
    """

    step: int
    epoch: int
    rows: NDArray[np.int64]
    examples: int


def pieces(count: int, size: int) -> list[slice]:
    """Cut `count` items into consecutive slices of `size`.

    The last slice holds what is left. A single item left over joins the slice before it: batch norm
    has no statistics for a single image (PyTorch refuses it). With `size` 1 it stays alone.
    """
    starts = list(range(0, count, size))
    if size > 1 and len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return [slice(a, b) for a, b in pairwise([*starts, count])]


@dataclass(frozen=True)
class Order:
    """The order of all steps of a phase, known before it starts.

    Every epoch has its own order and uses every row once. An epoch's last batch may be smaller (see
    `pieces` for a single item left over). A fraction of an epoch is its first batches; if it ends
    in a single image, that image is left out.

    Attributes:
        rows: (n,) int64 rows of the training split that are used, at least two.
        batch_size: Images per step.
        epochs: Passes over the rows, greater than 0; may be a fraction.
        seed: The cell's seed.
        first_epoch: Number of the first epoch; what is drawn depends on an epoch's number.
        first_step: Steps that earlier phases have at most; what is drawn depends on a step's number
            in the training, and not on when an earlier phase ended.
    """

    rows: NDArray[np.int64]
    batch_size: int
    epochs: float
    seed: int
    first_epoch: int = 0
    first_step: int = 0

    @cached_property
    def examples(self) -> int:
        """Images seen over the whole training."""
        total = max(2, round(self.epochs * len(self.rows)))
        alone = self.batch_size > 1 and total % len(self.rows) == 1
        return total - 1 if alone else total

    @cached_property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        whole, rest = divmod(self.examples, len(self.rows))
        return whole * len(self._slices(len(self.rows))) + len(self._slices(rest))

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield the batches in order from step `start` on."""
        size = len(self.rows)
        per_epoch = len(self._slices(size))
        done, skipped = divmod(start, per_epoch)
        step = start
        while done * size < self.examples:
            epoch = self.first_epoch + done
            order = np.random.default_rng(seeded(self.seed, "order", epoch)).permutation(self.rows)
            for cut in self._slices(min(size, self.examples - done * size))[skipped:]:
                yield Batch(step, epoch, order[cut], done * size + cut.stop)
                step += 1
            done, skipped = done + 1, 0

    def _slices(self, count: int) -> list[slice]:
        return pieces(count, self.batch_size)


def orders_of(recipe: Recipe, rows: NDArray[np.int64], seed: int) -> tuple[Order, ...]:
    """Return the order of steps of each phase, none of which depends on when another ends."""
    orders: list[Order] = []
    epoch = step = 0
    for phase in recipe.phases:
        orders.append(Order(rows, recipe.batch_size, phase.most_epochs, seed, epoch, step))
        epoch, step = epoch + math.ceil(phase.most_epochs), step + orders[-1].steps
    return tuple(orders)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to `device` without waiting for it; on the CPU return it as it is."""
    if device.type != "cuda":
        return tensor
    # Only a copy from page-locked memory leaves the host free. PyTorch's pool reuses such memory
    # only when the copy from it is done, which makes it a double buffer.
    pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
    return pinned.to(device, non_blocking=True)


def one_ahead(items: Iterable[A], work: Callable[[A], R]) -> Iterator[tuple[A, R]]:
    """Yield each item with `work(item)`, while a thread is already working on the next one."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: tuple[A, Future[R]] | None = None
        for item in items:
            following = item, pool.submit(work, item)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting is not None:
            yield waiting[0], waiting[1].result()


class Feed:
    """Stored images, or features, and targets of a split, delivered to a device batch by batch.

    On CUDA the used rows stay on the device if they fit; otherwise each batch is gathered from the
    memory map into page-locked memory, one batch ahead in a thread, and copied while the device
    computes. On the CPU batches are gathered from the memory map.
    """

    def __init__(
        self,
        images: Images,
        labels: NDArray[Any],
        rows: NDArray[np.int64],
        device: torch.device,
    ) -> None:
        """Take (N, ...) images and targets of any type, and the (n,) rows in use, rising."""
        self.images, self.labels, self.rows, self.device = images, labels, rows, device
        self.dtype = torch.from_numpy(np.empty(0, images.dtype)).dtype
        self.resident = self._resident()

    def _resident(self) -> Tensor | None:
        size = len(self.rows) * self.images[0].nbytes
        if self.device.type != "cuda":
            return None
        if size > RESIDENT_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return None
        return self.load()

    def load(self) -> Tensor:
        """Return all used rows as one tensor on the device, copied piece by piece."""
        shape = (len(self.rows), *self.images.shape[1:])
        whole = torch.empty(shape, dtype=self.dtype, device=self.device)
        for start in range(0, len(self.rows), _COPY_IMAGES):
            part = self.rows[start : start + _COPY_IMAGES]
            whole[start : start + len(part)] = torch.from_numpy(self.images[part])
        return whole

    def stream(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        """Yield each batch with its images (B, ...), as stored, and labels (B, ...)."""
        if self.device.type != "cuda" or self.resident is not None:
            for batch in batches:
                yield batch, self._pixels(batch.rows), self._labels(batch)
            return
        for batch, pixels in one_ahead(batches, lambda batch: self._gather(batch.rows)):
            yield batch, send(pixels, self.device), self._labels(batch)

    def _labels(self, batch: Batch) -> Tensor:
        return send(torch.from_numpy(self.labels[batch.rows]), self.device)

    def _pixels(self, rows: NDArray[np.int64]) -> Tensor:
        if self.resident is None:
            return self._gather(rows)
        places = torch.from_numpy(np.searchsorted(self.rows, rows))
        return self.resident[send(places, self.device)]

    def _gather(self, rows: NDArray[np.int64]) -> Tensor:
        shape = (len(rows), *self.images.shape[1:])
        buffer = torch.empty(shape, dtype=self.dtype, pin_memory=self.device.type == "cuda")
        np.take(self.images, rows, axis=0, out=buffer.numpy())
        return buffer
