"""Masks at the films' own size: the true ones read again, and what a network marks brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from transfergrid.data.declared import kinds
from transfergrid.data.kinds import read_unchecked
from transfergrid.data.manifest import Manifest
from transfergrid.data.mask_coverage import Axis, Frame, Mask
from transfergrid.data.mask_files import film_size
from transfergrid.data.mask_set import MaskSet
from transfergrid.runtime.errors import UserError


@dataclass(frozen=True)
class FilmMasks:
    """The true masks of a data set's films, at their own size.

    Attributes:
        masks: The masks.
        row: Which of them a film's are, by its image_id.
        px: Side of the cache's films.
        rule: How films were resized.
    """

    masks: MaskSet
    row: Mapping[str, int]
    px: int
    rule: str

    @classmethod
    def of(cls, declaration: Mapping[str, Any], root: Path | None) -> FilmMasks:
        """Read where the masks of the films that a data set tests on are; see `read_tested`.

        Args:
            declaration: What its reader and its cache were made from.
            root: Where it lies.

        Raises:
            UserError: It has no masks, or a fault that its reader finds.
        """
        manifest = read_tested(declaration, root)
        if manifest.masks is None:
            raise UserError("a data set without masks has none of its films' own size.")
        row = {name: place for place, name in enumerate(manifest.table["image_id"].astype(str))}
        return cls(manifest.masks, row, int(declaration["image_px"]), str(declaration["resize"]))

    def frame(self, film: str) -> Frame:
        """Return how the cache's square comes from a film.

        Raises:
            UserError: The film is missing or broken.
        """
        try:
            size = film_size(self.masks.images, self._place(film))
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from None
        return Frame.of(size, self.px, self.rule)

    def read(self, film: str, cached: Mask) -> tuple[Mask, Frame]:
        """Return a film's masks (C, H, W), and how the cache's square comes from the film.

        Args:
            film: Its image_id.
            cached: Its masks (C, px, px) in the cache.

        Raises:
            UserError: A mask is missing, broken, or no longer the one that was cached.
        """
        place = self._place(film)
        try:
            own = self.masks.read(place)
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from None
        if not np.array_equal(self.masks.resized(own, place, self.px, self.rule), cached):
            raise UserError(
                f"the masks of {self.masks.images.name(place)} are not those that were learned and "
                "scored; restore them, or write scored_at: cache."
            )
        return own, Frame.of((own.shape[1], own.shape[2]), self.px, self.rule)

    def _place(self, film: str) -> int:
        if film not in self.row:
            raise UserError(f"the data set has no film '{film}' any more; restore it.")
        return self.row[film]


def read_tested(declaration: Mapping[str, Any], root: Path | None) -> Manifest:
    """Read the manifest of the films that a data set tests on, and perhaps of others.

    No image file is opened, but arrays are read into memory: of an .npz, those of its test split
    alone, unless there are folds.

    Raises:
        UserError: Any fault that the reader finds.
    """
    kind = kinds().get(str(declaration.get("kind")))
    if kind is not None and kind.arrays and not declaration.get("folds"):
        declaration = {**declaration, "only": "test"}
    return read_unchecked(declaration, root)


def enlarge(maps: npt.NDArray[np.float32], frame: Frame) -> npt.NDArray[np.float32]:
    """Bring maps of the cache's square back to a film's size, as the film came to the cache.

    They are interpolated between the centres of pixels, as Pillow's bilinear filter does, and where
    the film is the smaller one averaged. Padding counts nowhere, and what a crop has cut off is 0.

    Args:
        maps: (C, px, px).
        frame: How the square comes from the film.

    Returns:
        (C, H, W) float32.
    """
    down, right = _back(frame.rows, frame.px), _back(frame.columns, frame.px)
    return np.stack([(right @ (down @ one).T).T for one in maps]).astype(np.float32, copy=False)


def marked_at(probability: npt.NDArray[np.float32], exclusive: bool) -> npt.NDArray[np.bool_]:
    """Return which pixels belong to each structure by its probability.

    Args:
        probability: (C, H, W).
        exclusive: Whether a pixel has one structure at most: the most probable one, unless the
            background is as probable.
    """
    if not exclusive:
        return probability > 0.5
    rest = 1 - probability.sum(axis=0)
    best = probability.argmax(axis=0) == np.arange(len(probability))[:, None, None]
    found: npt.NDArray[np.bool_] = best & (probability > rest)
    return found


def spacing_in_square(spacing: npt.NDArray[np.float64], frame: Frame) -> npt.NDArray[np.float64]:
    """Return the (2,) spacing of the cache's pixels, of that of a film's."""
    axes = (frame.rows, frame.columns)
    return spacing * np.array([axis.span / (2 * axis.count) for axis in axes])


def _back(axis: Axis, px: int) -> csr_array:
    """Return (length, px) how much of each pixel of the square goes into each of the film's."""
    twice = 2 * np.arange(axis.length) + 1 - axis.start  # twice the centre, from what is kept on
    place = twice * axis.count / axis.span - 0.5
    reach = max(1.0, 2 * axis.count / axis.span)  # of the filter, where the film is smaller
    number = np.arange(axis.count)
    near = np.maximum(0.0, 1 - np.abs(place.clip(0, axis.count - 1)[:, None] - number) / reach)
    near /= near.sum(axis=1, keepdims=True)
    near[(twice < 0) | (twice > axis.span)] = 0
    weights = np.zeros((axis.length, px), np.float32)
    weights[:, axis.offset : axis.offset + axis.count] = near
    return csr_array(weights)
