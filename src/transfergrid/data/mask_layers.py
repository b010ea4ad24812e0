"""Where the masks of some structures come from: files, run lengths, arrays, or observers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from transfergrid.catalog.mask_pixels import NO, UNKNOWN, YES
from transfergrid.data.mask_coverage import Mask
from transfergrid.data.mask_files import read_numbers
from transfergrid.data.mask_runs import Runs, decode_runs
from transfergrid.data.mask_values import Coding
from transfergrid.runtime.errors import UserError

Size = tuple[int, int]
"""Height and width."""

RULES = ("first", "union", "intersection", "majority", "agreement")
"""How the masks of several observers become one, see `Observers`."""


class Layer(Protocol):
    """Masks of some structures in every film of a manifest; `read` may be called from threads."""

    @property
    def structures(self) -> tuple[str, ...]:
        """The structures, in order."""
        ...

    def __len__(self) -> int:
        """Return the number of films."""
        ...

    def read(self, index: int, size: Size) -> Mask:
        """Return (K, H, W) of a film of this size; UserError if the mask is missing or broken."""
        ...


@dataclass(frozen=True)
class FileLayer:
    """Masks in files, as large as their films.

    Attributes:
        root: The folder of the files.
        names: Those of each film, relative to `root`; a structure in several (the left lung's and
            the right one's) is in any of them.
        coding: What their numbers mean.
        blank: The value of every pixel of a film without a file.
        dicom: Whether files may be DICOM.
    """

    root: Path
    names: Sequence[tuple[str, ...]]
    coding: Coding
    blank: int = NO
    dicom: bool = False

    @property
    def structures(self) -> tuple[str, ...]:
        """The structures, in order."""
        return self.coding.structures

    def __len__(self) -> int:
        """Return the number of films."""
        return len(self.names)

    def paths(self, index: int) -> list[str]:
        """Return where the files of a film are."""
        return [os.path.join(self.root, name) for name in self.names[index]]

    def read(self, index: int, size: Size) -> Mask:
        """Return (K, H, W) of a film.

        Raises:
            UserError: A file is missing, broken, of another size than the film, or has numbers that
                mean nothing.
        """
        found = [self._one(path, size) for path in self.paths(index)]
        if not found:
            return np.full((len(self.structures), *size), self.blank, np.uint8)
        return joined(found)

    def _one(self, path: str, size: Size) -> Mask:
        numbers = read_numbers(path, self.dicom)
        if numbers.shape != size:
            raise UserError(
                f"mask {path} is {_by(numbers.shape)} and its film {_by(size)} (height x width); a "
                "mask is drawn on its own film: give that one, or one of its size."
            )
        try:
            return self.coding.masks(numbers)
        except ValueError as error:
            raise UserError(f"mask {path} {error}.") from None


@dataclass(frozen=True)
class Run:
    """Run lengths of one mask.

    Attributes:
        runs: The text, or COCO's numbers.
        where: Where it is written, for messages.
        size: Height and width, where they are written beside it.
    """

    runs: Runs
    where: str
    size: Size | None = None


@dataclass(frozen=True)
class RunLayer:
    """Masks in run lengths.

    Attributes:
        structures: The structures, in order.
        films: Of each film, and of each structure, its runs: none for one that is not there; a
            structure in several is in any of them. None for one of which nothing is written.
        form: How they are written, see `transfergrid.data.mask_runs`.
        blank: The value of every pixel of a structure of which nothing is written.
    """

    structures: tuple[str, ...]
    films: Sequence[Sequence[Sequence[Run] | None]]
    form: str
    blank: int = NO

    def __len__(self) -> int:
        """Return the number of films."""
        return len(self.films)

    def read(self, index: int, size: Size) -> Mask:
        """Return (K, H, W) of a film.

        Raises:
            UserError: Run lengths are broken, or of a film of another size.
        """
        found = np.full((len(self.structures), *size), NO, np.uint8)
        for mask, runs in zip(found, self.films[index], strict=True):
            if runs is None:
                mask[:] = self.blank
            for run in runs or ():
                mask[self._one(run, size)] = YES
        return found

    def _one(self, run: Run, size: Size) -> npt.NDArray[np.bool_]:
        if run.size not in (None, size):
            raise UserError(
                f"{run.where} is a mask of {_by(run.size)} and its film {_by(size)} (height x "
                "width); a mask is drawn on its own film: give that one, or one of its size."
            )
        try:
            return decode_runs(run.runs, size, self.form)
        except ValueError as error:
            raise UserError(f"{run.where} is no mask of the film ({error}); correct it.") from None


@dataclass(frozen=True)
class ArrayLayer:
    """Masks in an array, such as a map of an .npz file's.

    Attributes:
        array: (N, H, W), or (N, K, H, W) with a plane for each structure.
        coding: What its numbers mean; of planes, what those of each mean.
        names: What a message calls each mask.
        planes: The structures of the planes; None where there are none.
    """

    array: Any
    coding: Coding
    names: Sequence[str]
    planes: tuple[str, ...] | None = None

    @property
    def structures(self) -> tuple[str, ...]:
        """The structures, in order."""
        return self.coding.structures if self.planes is None else self.planes

    def __len__(self) -> int:
        """Return the number of films."""
        return len(self.array)

    def read(self, index: int, size: Size) -> Mask:
        """Return (K, H, W) of a film; UserError for another size, or numbers that mean nothing."""
        numbers = np.asarray(self.array[index])
        if numbers.shape[-2:] != size:
            raise UserError(
                f"mask {self.names[index]} is {_by(numbers.shape[-2:])} and its film {_by(size)} "
                "(height x width); correct the file."
            )
        parts = [numbers] if self.planes is None else list(numbers)
        try:
            return np.concatenate([self.coding.masks(part) for part in parts])
        except ValueError as error:
            raise UserError(f"mask {self.names[index]} {error}.") from None


@dataclass(frozen=True)
class Observers:
    """What several observers drew of the same structures, made one mask.

    Attributes:
        layers: One an observer.
        rule: "first" takes the first one's word. "union" is what any has marked, "intersection"
            what all have. "majority" is what more have marked than left out; a tie is unknown.
            "agreement" is what all say, and unknown where they differ.
    """

    layers: tuple[Layer, ...]
    rule: str

    def __post_init__(self) -> None:
        same = {(layer.structures, len(layer)) for layer in self.layers}
        if self.rule not in RULES or len(same) != 1:
            raise ValueError("observers see the same structures in the same films, by a known rule")

    @cached_property
    def structures(self) -> tuple[str, ...]:
        """The structures, in order."""
        return self.layers[0].structures

    def __len__(self) -> int:
        """Return the number of films."""
        return len(self.layers[0])

    def read(self, index: int, size: Size) -> Mask:
        """Return (K, H, W) of a film; UserError as its observers' layers raise it."""
        layers = self.layers[:1] if self.rule == "first" else self.layers
        return combined([layer.read(index, size) for layer in layers], self.rule)


def joined(masks: Sequence[Mask]) -> Mask:
    """Return what is in any of several masks; unknown where none has it and one does not know."""
    return combined(masks, "union")


def combined(masks: Sequence[Mask], rule: str) -> Mask:
    """Return one mask of several of the same shape, by a rule of `RULES`; see `Observers`."""
    if len(masks) == 1 or rule == "first":
        return masks[0]
    yes = np.sum([mask == YES for mask in masks], axis=0)
    no = np.sum([mask == NO for mask in masks], axis=0)
    count = len(masks)
    marked, left_out = {
        "union": (yes > 0, no == count),
        "intersection": (yes == count, no > 0),
        "majority": (yes > no, no > yes),
        "agreement": (yes == count, no == count),
    }[rule]
    return np.where(marked, YES, np.where(left_out, NO, UNKNOWN)).astype(np.uint8)


def _by(size: Sequence[int] | None) -> str:
    return " x ".join(map(str, size or ()))
