"""Films that are slices of NIfTI volumes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.decoding import Levels
from transfergrid.data.nifti import AXES, Header, Volume, header_of, read_volume
from transfergrid.data.nifti_held import Held
from transfergrid.data.slices import slice_numbers
from transfergrid.data.tablefile import Table
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.progress import progress

Pixels = npt.NDArray[np.uint8]

PERCENTILES = (0.5, 99.5)
"""Of the values of a whole volume, which are black and white unless a data set says otherwise."""

_DRAWN = {
    "axial": "the patient's right on the left and the front on top",
    "coronal": "the patient's right on the left and the head on top",
    "sagittal": "the patient's front on the left and the head on top",
}
_WORKERS = 8


@dataclass(frozen=True)
class Greys:
    """Which scaled values are black and white.

    Attributes:
        ends: These two; None goes by percentiles.
        percentiles: Of the values of the whole volume, 0 to 100, interpolated linearly.
    """

    ends: tuple[float, float] | None
    percentiles: tuple[float, float] = PERCENTILES

    @classmethod
    def declared(cls, nifti: Mapping[str, Any]) -> Greys:
        """Take them from a data set's ``nifti``."""
        ends, shares = nifti.get("range"), nifti.get("percentiles") or PERCENTILES
        return cls(None if ends is None else (float(ends[0]), float(ends[1])), tuple(shares))

    @property
    def words(self) -> str:
        """What is black and white, for a reader."""
        if self.ends is not None:
            return f"the values {self.ends[0]:g} and {self.ends[1]:g}"
        low, high = self.percentiles
        return f"the percentiles {low:g} and {high:g} of the volume's values"

    def of(self, volume: Volume, path: str) -> tuple[float, float]:
        """Return black and white of a volume.

        Raises:
            UserError: Its percentiles are equal, or are those of what is no number.
        """
        if self.ends is not None:
            return self.ends
        _check_finite(volume.stored, path)
        turned = volume.header.slope < 0  # then the greatest stored number is the least value
        shares = [100 - share if turned else share for share in self.percentiles]
        low, high = volume.scaled(np.percentile(volume.stored, shares)).tolist()
        if not low < high:
            raise UserError(
                f"volume {path} has {low:g} at both percentiles {self.percentiles[0]:g} and "
                f"{self.percentiles[1]:g}; give nifti.range or other nifti.percentiles."
            )
        return low, high


@dataclass(frozen=True, eq=False)
class _Film:
    """A volume with its black and white."""

    volume: Volume
    black: float
    white: float


@dataclass(frozen=True)
class NiftiSlices:
    """Slices of volumes, for a manifest.

    Attributes:
        root: Folder of the volumes.
        files: The volume of each, relative to `root`.
        numbers: Its number along the axis, from 0.
        axis: One of `AXES`.
        greys: Black and white.
        headers: The header of each volume, by `files`.
    """

    root: Path
    files: Sequence[str]
    numbers: Sequence[int]
    axis: str
    greys: Greys
    headers: Mapping[str, Header]
    _held: Held[_Film] = field(init=False, compare=False)

    levels = Levels()
    """As every collection of files says it: nothing of black and white, and no DICOM."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_held", Held(self._film))

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> Pixels:
        """Return a slice, (H, W) uint8, drawn as `Volume.plane` says.

        The grey of a value v is round(255 x (v - black) / (white - black)), halves up, and 0 or
        255 beyond these.

        Raises:
            UserError: Its volume is missing or broken, or it has values that are no number.
        """
        path = self.path(index)
        film = self._held.get(path)
        numbers = film.volume.plane(self.axis, self.numbers[index])
        _check_finite(numbers, f"{path}, slice {self.numbers[index]},")
        share = (film.volume.scaled(numbers) - film.black) / (film.white - film.black)
        return np.floor(share.clip(0, 1) * 255 + 0.5).astype(np.uint8)

    def path(self, index: int) -> str:
        """Return where the volume of a slice is."""
        return os.path.join(self.root, self.files[index])

    def name(self, index: int) -> str:
        """Return the volume's path relative to the root, and the slice's number."""
        return self.names[index]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each slice is called."""
        pairs = zip(self.files, self.numbers, strict=True)
        return tuple(f"{file}/{number}" for file, number in pairs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of results has to know."""
        return (
            f"Films are {self.axis} slices of NIfTI volumes, drawn with {_DRAWN[self.axis]}; black "
            f"and white are {self.greys.words}.",
        )

    @property
    def sizes(self) -> Sizes:
        """The slices with their sizes alone, for masks."""
        return Sizes(self)

    def _film(self, path: str) -> _Film:
        volume = read_volume(path)
        return _Film(volume, *self.greys.of(volume, path))


@dataclass(frozen=True)
class Sizes:
    """Slices as large as they are and black, which the volumes' headers tell.

    Attributes:
        slices: The slices.
    """

    slices: NiftiSlices

    def __len__(self) -> int:
        return len(self.slices)

    def read(self, index: int) -> Pixels:
        """Return (H, W) of 0, of which nothing is stored or read."""
        header = self.slices.headers[self.slices.files[index]]
        return np.broadcast_to(np.uint8(0), header.size(self.slices.axis))

    def name(self, index: int) -> str:
        """Return the slice's name."""
        return self.slices.name(index)


def slices_of(
    table: Table, files: Sequence[str], options: Mapping[str, Any], root: Path
) -> NiftiSlices:
    """Return the slices that a table names; of their volumes, the headers are read.

    Args:
        table: A row a slice.
        files: The volume of each row, relative to `root`.
        options: The data set's settings, with ``nifti``.
        root: Folder of the volumes.

    Raises:
        UserError: Rows of a volume are apart, a volume is missing or not read, or it has no such
            slice.
    """
    nifti = options["nifti"]
    axis, numbers = str(nifti["axis"]), slice_numbers(table, nifti)
    _check_together(table, files)
    headers = headers_of(root, list(dict.fromkeys(files)), "volume")
    for row, (file, number) in enumerate(zip(files, numbers, strict=True), 1):
        count = headers[file].shape[AXES[axis]]
        if number >= count:
            raise UserError(
                f"{table.path} names slice {number} of {file} in row {row}, which has the {axis} "
                f"slices 0 to {count - 1}; correct the row, or nifti.axis."
            )
    return NiftiSlices(root, tuple(files), numbers, axis, Greys.declared(nifti), headers)


def headers_of(root: Path, files: Sequence[str], what: str) -> dict[str, Header]:
    """Return the headers of volumes by file.

    Args:
        root: Their folder.
        files: The volumes, each once.
        what: What a message calls one.

    Raises:
        UserError: Some are missing or not read; the first are named.
    """

    def read(file: str) -> Header | str:
        try:
            return header_of(os.path.join(root, file), what)
        except UserError as fault:
            return str(fault)

    with ThreadPoolExecutor(_WORKERS) as executor:
        read_all = executor.map(read, files)
        found = list(progress(read_all, len(files), f"reading headers of {what}s"))
    headers, faults = {}, {}
    for file, told in zip(files, found, strict=True):
        if isinstance(told, Header):
            headers[file] = told
        else:
            faults[file] = told
    if len(faults) == 1:
        raise UserError(*faults.values())
    if faults:
        raise UserError(
            f"{len(faults)} of {len(files)} {what}s cannot be read: {listed(list(faults), 5)}; the "
            f"first says: {next(iter(faults.values()))}"
        )
    return headers


def _check_together(table: Table, files: Sequence[str]) -> None:
    """Refuse a table by which a volume would be read for each of its slices again."""
    last: dict[str, int] = {}
    for row, file in enumerate(files, 1):
        if row - last.get(file, row - 1) > 1:
            raise UserError(
                f"{table.path} names {file} in row {row} and before that in row {last[file]}, with "
                "other volumes between; sort the table by volume, so that each is unpacked once."
            )
        last[file] = row


def _check_finite(numbers: npt.NDArray[Any], where: str) -> None:
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        count = int((~np.isfinite(numbers)).sum())
        raise UserError(
            f"volume {where} has {count} voxel(s) that are no finite number, for which there is no "
            "grey; write a number there, such as that of air."
        )
