"""Rows of several memory maps, read as if they were one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[Any]


class Stacked:
    """Chosen rows of several arrays of images, one after the other; nothing is copied until read.

    Attributes:
        shape: (N, ...): (N, H, W) or (N, H, W, 3) for images.
        dtype: That of the arrays: uint8 for images, float32 for features.
    """

    def __init__(self, maps: Sequence[Map], rows: Sequence[npt.NDArray[np.int64]]) -> None:
        """Take arrays whose images have one shape, and rows of each."""
        self._maps = tuple(maps)
        self._map = np.repeat(np.arange(len(maps)), [len(part) for part in rows])
        self._row = np.concatenate(rows)
        self.shape: tuple[int, ...] = (len(self._row), *maps[0].shape[1:])
        self.dtype = maps[0].dtype

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, key: Any) -> Map:
        """Return one image, or those of a slice, of row numbers or of a mask, as a new array."""
        row = self._row[key]
        if np.ndim(row) == 0:
            return self._maps[self._map[key]][row]
        return self._read(self._map[key], row, np.empty((len(row), *self.shape[1:]), self.dtype))

    def take(self, indices: Any, axis: int = 0, out: Map | None = None, mode: str = "raise") -> Map:
        """Return images by row number, as `numpy.take` does, which calls this."""
        if axis != 0 or mode != "raise":
            raise ValueError("images are taken along their first axis, by numbers that exist")
        rows = np.asarray(indices)
        if out is None:
            return self[rows]
        return self._read(self._map[rows], self._row[rows], out)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Map:
        """Return all of it."""
        return np.asarray(self[:], dtype)

    def _read(self, of: npt.NDArray[np.intp], row: npt.NDArray[np.int64], out: Map) -> Map:
        for number in np.unique(of):
            places = np.flatnonzero(of == number)
            out[places] = self._maps[number][row[places]]
        return out


def stacked(maps: Sequence[Map], rows: Sequence[npt.NDArray[np.int64]]) -> Map | Stacked:
    """Return rows of arrays, one array after the other; all of a single one as it is."""
    if len(maps) == 1 and len(rows[0]) == len(maps[0]):
        return maps[0]
    return Stacked(maps, rows)
