"""Networks of many checkpoints in little memory: some stay, the others share one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from torch import nn


class Lent(Sequence[nn.Module]):
    """The networks of checkpoints, in evaluation mode, each loaded when it is asked for.

    The first ones stay in memory, as many as there is room for. All others are one network, which
    gets the weights of the checkpoint that is asked for: use it before asking for the next one.
    """

    def __init__(
        self,
        load: Callable[[str], nn.Module],
        refill: Callable[[nn.Module, str], object],
        files: Sequence[str],
        sizes: Sequence[int],
        room: int,
    ) -> None:
        """Load nothing yet.

        Args:
            load: Makes a network from a checkpoint's file.
            refill: Gives a network the weights of another checkpoint.
            files: The checkpoints.
            sizes: Bytes of each.
            room: Bytes that the ones that stay may take together.
        """
        self._load, self._refill, self._files = load, refill, list(files)
        self._staying = sum(total <= room for total in accumulate(sizes))
        self._held: dict[int, nn.Module] = {}
        self._shared: nn.Module | None = None

    def __len__(self) -> int:
        """Return the number of checkpoints."""
        return len(self._files)

    def __getitem__(self, number: int) -> nn.Module:  # type: ignore[override]
        """Return the network of a checkpoint by its number."""
        file = self._files[number]
        if number in self._held:
            return self._held[number]
        if number < self._staying:
            self._held[number] = self._load(file).eval()
            return self._held[number]
        # Not a new network each time: the old one may be part of a cycle, and stay for long.
        if self._shared is None:
            self._shared = self._load(file).eval()
        else:
            self._refill(self._shared, file)
        return self._shared
