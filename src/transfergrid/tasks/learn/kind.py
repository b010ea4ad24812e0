"""What training asks of a kind of task; each kind is a module that has these functions.

A kind with settings of its own is a module with ``of_spec``, which makes what has them. One whose
stored numbers have no mean has ``keep_together``, which keeps of the best k checkpoints, for every
k, what their mean probability gives.

For a kind whose target is one label per task, the output is one logit per task. For one whose
target has a place in the image, `complete` puts a decoder on the network, `target` returns what is
drawn on the images, `follow` moves it with them, and `keep` counts what scoring needs instead of
keeping the whole output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, cast

from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.store import Split
from transfergrid.tasks.lookup import half_of

Keep = Callable[[Tensor, slice], Tensor]
"""From a network's output for some images, and their rows, to what is kept of each of them."""

KeepTogether = Callable[[Iterable[Tensor], slice], Tensor]
"""From several networks' outputs for some images, and their rows, to what is kept of each image."""


class LearnHalf(Protocol):
    """The half of a kind of task that needs torch."""

    def outputs(self, tasks: int) -> int:
        """Return how many outputs the linear layer at the network's end has for `tasks` tasks."""
        ...

    def complete(self, network: nn.Module, tasks: int, seed: int) -> nn.Module:
        """Return the network that learns, from one with initial weights and a new linear layer."""
        ...

    def target(self, split: Split) -> NDArray[Any]:
        """Return what is learned, one row per image, NaN where it is not known."""
        ...

    def follow(self, target: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the target of changed images.

        Args:
            target: (B, ...) rows of `target`.
            move: Changes maps (B, C, H, W) in shape as the images were changed.
        """
        ...

    def known(self, target: Tensor) -> Tensor:
        """Return a bool tensor that marks the entries which the loss is averaged over."""
        ...

    def loss_sum(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the () float32 loss summed over the known entries, not averaged.

        Sums of batches of any size combine exactly; divide by the number of known entries.
        """
        ...

    def keep(self, split: Split) -> Keep:
        """Return what turns a network's outputs on a split into what scoring stores."""
        ...

    def stored_loss(self, stored: Tensor, target: Any) -> tuple[Tensor, Tensor]:
        """Return loss sum and known entries of a whole split.

        Args:
            stored: What `keep` kept of it.
            target: What `target` returned for it.
        """
        ...


def learn_half(task_kind: str, spec: Mapping[str, Any] | None = None) -> LearnHalf:
    """Return the half of a kind of task by name.

    Args:
        task_kind: Its name.
        spec: The cell's specification, for a kind with settings of its own.

    Raises:
        UserError: There is no such kind, or the settings do not fit.
    """
    half = half_of(task_kind, "learn")
    made = getattr(half, "of_spec", None)
    return cast(LearnHalf, half if made is None else made(spec or {}))
