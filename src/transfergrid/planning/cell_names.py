"""The parts of a cell's name, for folders of which nothing else is known.

Whoever has a cell's specification or its entry in a study reads its place from there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = r"[A-Za-z0-9][A-Za-z0-9_.]*"
_NAME = re.compile(
    rf"(?P<dataset>{_WORD})-(?P<architecture>{_WORD})-(?P<pretraining>{_WORD})"
    rf"-drop(?P<truncation>\d+)-(?P<protocol>{_WORD})-seed(?P<seed>\d+)(?:-fold(?P<fold>\d+))?"
    r"-(?P<digest>[0-9a-f]{8})"
)
_HASH = re.compile(r"-[0-9a-f]{8}$")


@dataclass(frozen=True)
class CellName:
    """What a cell's name says.

    Attributes:
        dataset: The data set.
        architecture: The network.
        truncation: Blocks removed.
        protocol: The recipe.
    """

    dataset: str
    architecture: str
    truncation: int
    protocol: str


def taken_apart(name: str) -> CellName | None:
    """Return the parts of a folder's name; None where it is no cell's."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return CellName(
        dataset=found["dataset"],
        architecture=found["architecture"],
        truncation=int(found["truncation"]),
        protocol=found["protocol"],
    )


def place_of(name: str) -> str:
    """Return a cell's name without its hash; a name without one as it is."""
    return _HASH.sub("", name)
