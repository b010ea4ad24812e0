"""PyTorch's settings that affect numbers: threads, deterministic kernels, number format."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded


@contextmanager
def settings(device: torch.device, threads: int | None, deterministic: bool) -> Iterator[None]:
    """Apply a training's settings for the duration of the block, and lend it the generators.

    With `deterministic`, kernels that have a deterministic form use it, and those that do not
    warn; without it, cuDNN may choose the fastest kernel by timing. Afterwards everything is
    restored, including the state of the global random generators.
    """
    cudnn = torch.backends.cudnn
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        cudnn.deterministic,
        cudnn.benchmark,
    )
    if deterministic and device.type == "cuda":
        # cuBLAS reads it when its handle is created.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    devices = [device] if device.type == "cuda" else []
    try:
        if threads:
            torch.set_num_threads(threads)
        _deterministic(deterministic, True, False)
        cudnn.deterministic, cudnn.benchmark = deterministic, not deterministic
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(before[0])
        _deterministic(*before[1:4])
        cudnn.deterministic, cudnn.benchmark = before[4:]


def _deterministic(mode: bool, warn_only: bool, fill: bool) -> None:
    torch.use_deterministic_algorithms(mode, warn_only=warn_only)
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


def seed_step(device: torch.device, seed: int, step: int) -> None:
    """Seed the lent generators for one step.

    Dropout and stochastic depth only draw from the global generators. Seeded by step, they draw the
    same in a resumed training as in one never interrupted.
    """
    # Not torch.manual_seed, which would reseed GPUs that were not lent.
    number = seeded(seed, "step", step)
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        with torch.cuda.device(device):  # the current GPU is the one seeded
            torch.cuda.manual_seed(number)


def autocast(device: torch.device, precision: str) -> Any:
    """Return the context of the forward pass: bfloat16 if the recipe asks for it, on CUDA only.

    Raises:
        UserError: `precision` is neither "fp32" nor "bf16".
    """
    if precision not in ("fp32", "bf16"):
        raise UserError(f"The precision {precision!r} is unknown: use 'fp32' or 'bf16'.")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=used(device, precision))


def used(device: torch.device, precision: str) -> bool:
    """Tell whether the forward pass runs under autocast."""
    return precision == "bf16" and device.type == "cuda"


def precision_used(device: torch.device, precision: str) -> str:
    """Return what the forward pass computes in: "bf16", "tf32" (its convolutions) or "fp32".

    TF32 is a permission, which GPUs before Ampere cannot use.
    """
    if used(device, precision):
        return "bf16"
    if device.type != "cuda" or not torch.backends.cudnn.allow_tf32:
        return "fp32"
    return "tf32" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"


def forget(device: torch.device) -> None:
    """Free unreferenced memory on a device, and reset its peak of memory."""
    gc.collect()  # modules may refer to themselves, and the collector rarely runs
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def keep_float32(layer: nn.Module) -> None:
    """Make the layer that ends in logits compute in float32 under autocast, weights as they are.

    Args:
        layer: A classifier, or the last convolution of a decoder.
    """
    compute = layer.forward

    def forward(features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return cast(Tensor, compute(features.float()))

    layer.forward = forward
