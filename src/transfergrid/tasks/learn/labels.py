"""What is shared by the kinds of task whose target is one label per task and image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.store import Split
from transfergrid.tasks.learn.kind import Keep


def outputs(tasks: int) -> int:
    """Return one logit per task."""
    return tasks


def complete(network: nn.Module, tasks: int, seed: int) -> nn.Module:
    """Return the network as it is: its linear layer is all that it needs."""
    return network


def target(split: Split) -> NDArray[Any]:
    """Return the (N, T) float32 labels, NaN where unknown."""
    return split.labels


def follow(target: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the labels as they are: moving an image changes nothing of what it shows."""
    return target


def keep(split: Split) -> Keep:
    """Return what keeps the logits, float32."""
    return lambda output, rows: output.float()
