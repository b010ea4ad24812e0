"""Masks brought to a cache's size: by how much of each pixel they cover, never between labels.

A film that is made smaller is averaged; an average of two labels is a third one that nobody gave. A
pixel of a smaller mask belongs to a structure if at least half of the pixel's area does, in exact
arithmetic, so that a tie falls to the same side everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from transfergrid.catalog.mask_pixels import NO, UNKNOWN, YES

Mask = npt.NDArray[np.uint8]
"""(..., H, W) of `NO`, `YES` and `UNKNOWN`."""


@dataclass(frozen=True)
class Axis:
    """How pixels of a row, or of a column, come from a film's.

    Attributes:
        length: The film's pixels.
        start: Twice the place at which the part that is kept begins, in the film's pixels.
        span: Twice its length.
        count: Pixels that it becomes.
        offset: Pixels of padding before them.
    """

    length: int
    start: int
    span: int
    count: int
    offset: int

    def weights(self) -> csr_array:
        """Return (count, length) int64: how much of each pixel a film's pixel covers.

        The unit is a film's pixel divided by twice `count`, in which every edge is a whole number;
        a row adds up to `span`.
        """
        unit = 2 * self.count
        edges = self.start * self.count + self.span * np.arange(self.count + 1, dtype=np.int64)
        first, end = edges[:-1] // unit, -(-edges[1:] // unit)
        touched = end - first
        row = np.repeat(np.arange(self.count), touched)
        begin = np.cumsum(touched) - touched
        column = np.arange(len(row)) - np.repeat(begin - first, touched)
        low = np.maximum(edges[row], unit * column)
        high = np.minimum(edges[row + 1], unit * (column + 1))
        return csr_array((high - low, (row, column)), shape=(self.count, self.length))


@dataclass(frozen=True)
class Frame:
    """How a square comes from a film, as `transfergrid.data.images.resize` makes it.

    Attributes:
        px: Side of the square.
        rows: From the film's height.
        columns: From its width.
    """

    px: int
    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, size: tuple[int, int], px: int, rule: str) -> Frame:
        """Return the frame of a film.

        Args:
            size: The film's height and width.
            px: Side of the square.
            rule: "crop", "pad" or "stretch".

        Raises:
            ValueError: The rule is none of these, or a number is below 1.
        """
        if rule not in ("crop", "pad", "stretch") or min(*size, px) < 1:
            raise ValueError(f"there is no frame of {size} at {px} by the rule '{rule}'")
        if rule == "pad":
            scale = px / max(size)
            counts = [max(1, round(length * scale)) for length in size]
        else:
            counts = [px, px]
        kept = [min(size)] * 2 if rule == "crop" else list(size)
        rows, columns = (
            Axis(length, length - part, 2 * part, count, (px - count) // 2)
            for length, part, count in zip(size, kept, counts, strict=True)
        )
        return cls(px, rows, columns)

    @property
    def area(self) -> int:
        """The area of a pixel of the square, in the unit of `covered`."""
        return self.rows.span * self.columns.span

    def covered(self, masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return (N, px, px): how much of each pixel is covered; padding is not.

        Args:
            masks: (N, H, W), as large as the film.
        """
        found = np.zeros((len(masks), self.px, self.px), np.int64)
        down, right = self.rows.weights(), self.columns.weights()
        y, x = self.rows.offset, self.columns.offset
        for place, mask in enumerate(masks):
            box = _box(mask)
            if box is not None:
                rows, columns = box
                inside = mask[rows, columns].astype(np.int64)
                part = (down[:, rows] @ inside) @ right[:, columns].T
                found[place, y : y + self.rows.count, x : x + self.columns.count] = part
        return found


def resize_masks(masks: Mask, px: int, rule: str, exclusive: bool = False) -> Mask:
    """Bring a film's masks to the square that the film is brought to.

    A pixel belongs to a structure if at least half of its area does, and is unknown if more than
    half of it is. Of structures that exclude each other, it belongs to the one that covers most of
    it (the first of several), unless what is none of them covers more. Padding belongs to none.

    Args:
        masks: (C, H, W), one structure after the other.
        px: Side of the square.
        rule: "crop", "pad" or "stretch", see `transfergrid.data.images.resize`.
        exclusive: Whether a pixel belongs to one structure at most.

    Returns:
        (C, px, px).

    Raises:
        ValueError: A value is no mask's, or structures overlap that exclude each other.
    """
    _check(masks, exclusive)
    size = (masks.shape[1], masks.shape[2])
    frame = Frame.of(size, px, rule)
    yes = frame.covered(masks == YES)
    unknown = frame.covered(masks[:1] == UNKNOWN if exclusive else masks == UNKNOWN)
    if exclusive:
        rest = frame.area - yes.sum(axis=0) - unknown[0]
        most = yes.argmax(axis=0)
        belongs = (np.arange(len(masks))[:, None, None] == most) & (yes >= rest) & (yes > 0)
    else:
        belongs = 2 * yes >= frame.area
    found = np.where(belongs, YES, NO)
    return np.where(2 * unknown > frame.area, UNKNOWN, found).astype(np.uint8)


def presence(masks: Mask) -> npt.NDArray[np.float32]:
    """Return (C,) whether a film shows each structure: 1, 0, or NaN where no pixel is known.

    Args:
        masks: (C, H, W) of the film's own size, because small structures may vanish from a smaller
            one.
    """
    shown = (masks == YES).any(axis=(1, 2))
    known = (masks != UNKNOWN).any(axis=(1, 2))
    return np.where(known, shown, np.nan).astype(np.float32)


def _box(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Return where a mask lies, beyond which nothing has to be added up; None of an empty one."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _check(masks: Mask, exclusive: bool) -> None:
    if masks.ndim != 3 or masks.dtype != np.uint8:
        raise ValueError(f"an array of {masks.dtype} {masks.shape} is not (C, H, W) of uint8")
    strange = (masks - np.uint8(2)) < UNKNOWN - 2  # 0 and 1 become 254 and 255
    if strange.any():
        value = masks[strange][0]
        raise ValueError(f"a mask has the value {value}; there are 0, 1 and 255 (unknown)")
    if not exclusive:
        return
    if (np.count_nonzero(masks == YES, axis=0) > 1).any():
        raise ValueError("a pixel belongs to two structures, which are said to exclude each other")
    unknown = masks == UNKNOWN
    if (unknown != unknown[:1]).any():
        raise ValueError(
            "a pixel is unknown of one structure and known of another that excludes it"
        )
