"""Masks that are slices of NIfTI volumes, as their films are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from transfergrid.data.images import missing
from transfergrid.data.mask_coverage import Mask
from transfergrid.data.mask_layers import FileLayer, Size, joined
from transfergrid.data.mask_values import Coding, Numbers
from transfergrid.data.nifti import Header, Volume, read_volume
from transfergrid.data.nifti_films import NiftiSlices, headers_of
from transfergrid.data.nifti_held import Held
from transfergrid.runtime.errors import UserError

_WHOLE = 2**24
"""From here on, numbers of 32 bits skip some whole ones."""
_APART = 0.1
"""Share of a voxel's smallest side by which corners of a mask may lie elsewhere: rounding."""


@dataclass(frozen=True, kw_only=True)
class NiftiLayer(FileLayer):
    """Masks in volumes on the same grid as the films', of which the same slice is read.

    Attributes:
        slices: The films.
    """

    slices: NiftiSlices
    _held: Held[Volume] = field(
        default_factory=lambda: Held(partial(read_volume, what="mask")), compare=False
    )

    def read(self, index: int, size: Size) -> Mask:
        """Return (K, H, W) of a film: numbers as they are stored, none of them interpolated.

        Raises:
            UserError: A file is missing or broken, or has fractions or numbers that mean nothing.
        """
        found = [self._of(path, index) for path in self.paths(index)]
        if not found:
            return np.full((len(self.structures), *size), self.blank, np.uint8)
        return joined(found)

    def _of(self, path: str, index: int) -> Mask:
        number = self.slices.numbers[index]
        try:
            plane = self._held.get(path).plane(self.slices.axis, number)
            return self.coding.masks(_whole(plane))
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"mask {path}, slice {number}, {error}.") from None


def layer_of(
    slices: NiftiSlices, root: Path, names: Sequence[tuple[str, ...]], coding: Coding, blank: int
) -> NiftiLayer:
    """Return masks in volumes; of these, the headers are read and compared with the films'.

    Args:
        slices: The films.
        root: Folder of the masks.
        names: The masks' volumes of each film, relative to `root`. Missing ones are not told here.
        coding: What their numbers mean.
        blank: The value of every pixel of a film without a mask.

    Raises:
        UserError: A mask is not read, is scaled, or is not on its film's grid.
    """
    pairs = zip(slices.files, names, strict=True)
    of = dict.fromkeys((film, mask) for film, masks in pairs for mask in masks)
    there = [name for name in dict.fromkeys(mask for _, mask in of) if _is_there(root, name)]
    headers = headers_of(root, there, "mask")
    for film, mask in of:
        if mask in headers:
            _check_fits(os.path.join(root, mask), headers[mask], film, slices.headers[film])
    return NiftiLayer(root, names, coding, blank, slices=slices)


def _is_there(root: Path, name: str) -> bool:
    return not missing(os.path.join(root, name))


def _check_fits(path: str, mask: Header, film: str, films: Header) -> None:
    if (mask.slope, mask.inter) != (1.0, 0.0):
        raise UserError(
            f"mask {path} scales its numbers (by {mask.slope:g}, and adds {mask.inter:g}), so "
            "programs read different labels from it; save it as whole numbers that are not scaled."
        )
    if mask.shape != films.shape:
        raise UserError(
            f"mask {path} has {_by(mask)} voxels and its volume {film} {_by(films)} (right x front "
            "x head); a mask is drawn on its own volume: give that one, or one on its grid."
        )
    apart = float(np.linalg.norm(mask.corners - films.corners, axis=1).max())
    side = float(np.linalg.norm(films.affine[:3, :3], axis=0).min())
    if apart > _APART * side:
        raise UserError(
            f"mask {path} lies up to {apart:.3g} mm from its volume {film}, by their affines; a "
            "mask is drawn on its own volume: give that one, or one on its grid."
        )


def _by(header: Header) -> str:
    return " x ".join(map(str, header.shape))


def _whole(numbers: Numbers) -> Numbers:
    """Return whole numbers in this machine's order of bytes.

    Raises:
        ValueError: There are fractions, or what is no number.
    """
    if numbers.dtype.kind == "f":
        if not (np.abs(numbers) < _WHOLE).all() or (numbers != np.round(numbers)).any():
            raise ValueError(
                "has values that are no whole number; save it as whole numbers, one a structure"
            )
        return numbers.astype(np.int32)
    if numbers.dtype.itemsize > 2:
        return numbers.astype(np.int64)
    return numbers.astype(numbers.dtype.newbyteorder("="))
