"""Networks of many checkpoints in little memory: some stay, the others are loaded as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import overload

from torch import nn


class Lent(Sequence[nn.Module]):
    """The networks of checkpoints, in evaluation mode, each loaded when it is asked for.

    The first ones stay in memory, as many as there is room for, and at least one.
    """

    def __init__(
        self,
        load: Callable[[str], nn.Module],
        files: Sequence[str],
        sizes: Sequence[int],
        room: int,
    ) -> None:
        """Load nothing yet.

        Args:
            load: Makes a network from a checkpoint's file.
            files: The checkpoints.
            sizes: Bytes of each.
            room: Bytes that the ones that stay may take together.
        """
        self._load, self._files = load, list(files)
        self._staying = max(1, sum(total <= room for total in accumulate(sizes)))
        self._held: dict[int, nn.Module] = {}

    def __len__(self) -> int:
        """Return the number of checkpoints."""
        return len(self._files)

    @overload
    def __getitem__(self, number: int) -> nn.Module: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[nn.Module]: ...
    def __getitem__(self, number: int | slice) -> nn.Module | Sequence[nn.Module]:
        """Return a network; whoever keeps it keeps it in memory."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if number in self._held:
            return self._held[number]
        network = self._load(self._files[number]).eval()
        if number < self._staying:
            self._held[number] = network
        return network
