"""Which layers of a network come before those that learn."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ALL = float("inf")
"""Depth of a phase in which all layers learn."""


@dataclass(frozen=True)
class Prefix:
    """The layers of a network before those that learn.

    Attributes:
        drop: Blocks that are not among them, counted from the end of the whole network.
        pooled: Whether it goes on to the classifier's input; otherwise it ends with the last map of
            the network without these blocks.
    """

    drop: int
    pooled: bool


def prefix_of(train_layers: str, truncation: int) -> Prefix | None:
    """Return what is frozen in a phase; None if all layers learn.

    Args:
        train_layers: What learns: ``head``, ``last_<k>`` or ``all``.
        truncation: Blocks that the network lacks.
    """
    depth = depth_of(train_layers)
    if depth == ALL:
        return None
    return Prefix(truncation + int(depth), pooled=depth == 0)


def deepest(phases: Iterable[str]) -> int | None:
    """Return the number of the phase that trains most layers; None if one trains all of them.

    What is frozen in it is frozen in the whole training.

    Args:
        phases: ``train_layers`` of each phase.
    """
    depths = [depth_of(layers) for layers in phases]
    most = max(depths)
    return None if most == ALL else depths.index(most)


def depth_of(train_layers: str) -> float:
    """Return how many blocks learn beside the classifier; `ALL` for ``all``."""
    if train_layers == "all":
        return ALL
    found = re.fullmatch(r"last_([1-9][0-9]*)", train_layers)
    return int(found[1]) if found else 0
