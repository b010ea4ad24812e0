"""What the numbers in masks mean, guessed from all that occur."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.runtime.errors import UserError, listed

MOST_STRUCTURES = 20
VOID = 255
"""What masks of several structures usually have where nobody knows."""
_HALF = 128
_NEAR = 16
_SMOOTH = 0.1
"""Share of pixels that may lie between black and white where a mask was saved with losses."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of some masks.

    Attributes:
        of_each: Those of each mask, a set once.
        between: The share of all pixels that are neither nearly 0 nor nearly 255.
    """

    of_each: Sequence[frozenset[int]]
    between: float

    @classmethod
    def of(cls, masks: Iterable[npt.NDArray[Any]]) -> Numbers:
        """Count them; each mask is read once."""
        found: set[frozenset[int]] = set()
        pixels = between = 0
        for mask in masks:
            values, counts = _counted(mask)
            found.add(frozenset(values.tolist()))
            pixels += mask.size
            between += int(counts[(values > _NEAR) & (values < VOID - _NEAR)].sum())
        return cls(sorted(found, key=sorted), between / max(pixels, 1))


@dataclass(frozen=True)
class Guessed:
    """How masks are to be read.

    Attributes:
        structures: What they show.
        settings: Settings of a layer, or of an .npz.
        why: What that rests on.
    """

    structures: list[str]
    settings: dict[str, Any]
    why: str


def _counted(mask: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return the numbers that occur, and how often; of bytes without sorting them."""
    if mask.dtype != np.uint8:
        return np.unique(mask, return_counts=True)
    counts = np.bincount(mask.ravel(), minlength=256)
    values = np.flatnonzero(counts)
    return values, counts[values]


def guess(
    numbers: Numbers, name: str, what: str, names: Sequence[str] = (), lossy: bool = False
) -> Guessed:
    """Say what numbers mean.

    Args:
        numbers: Those that occur.
        name: The structure's name, if there is one; several are numbered.
        what: What a message calls the masks.
        names: What the numbers from 0 are called, if that is told.
        lossy: Whether masks were saved with losses, as JPEG.

    Raises:
        UserError: No mask marks anything, or there are too many numbers.
    """
    every = frozenset[int]().union(*numbers.of_each)
    marks = sorted(every - {0})
    if not marks:
        raise UserError(f"no mask of {what} marks a pixel; name masks that do.")
    if lossy or marks[0] < 0 or len(marks) > MOST_STRUCTURES:
        return _at_least(numbers, name, what, marks)
    if all(own - {0} <= {1} or own - {0} <= {VOID} for own in numbers.of_each):
        return Guessed([_named(names, 1, name)], {}, f"masks have 0 and {listed(marks)}")
    settings: dict[str, Any] = {}
    why = f"masks have 0 and the numbers {listed(marks)}"
    if VOID in marks and marks[:-1] == list(range(1, len(marks))):
        marks, settings = marks[:-1], {"unknown_values": [VOID]}
        why += f", of which {VOID} is nobody knows what, as usual"
    if len(marks) == 1:
        only = _named(names, marks[0], name)
        return Guessed([only], {"values": {only: marks[0]}, **settings}, why)
    found = {_named(names, mark, f"{name}_{mark}"): mark for mark in marks}
    why += ", a structure each: rename them"
    return Guessed(list(found), {"values": found, **settings}, why)


def _named(names: Sequence[str], mark: int, name: str) -> str:
    return names[mark] if mark < len(names) else name


def _at_least(numbers: Numbers, name: str, what: str, marks: Sequence[int]) -> Guessed:
    if marks[0] < 0 or marks[-1] > VOID or marks[-1] < _HALF or numbers.between > _SMOOTH:
        raise UserError(
            f"masks of {what} have {len(marks)} numbers from {marks[0]} to {marks[-1]}, which are "
            f"no structures: a mask has 0 and a number for each of up to {MOST_STRUCTURES}; save "
            "them so, or write the study by hand (docs/segmentation.md)."
        )
    why = f"masks have many grey levels, nearly all black or white: {_HALF} and more is marked"
    return Guessed([name], {"at_least": _HALF}, why)
