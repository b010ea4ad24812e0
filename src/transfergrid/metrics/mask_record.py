"""What is stored of each film's masks for metrics, as one row of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.overlap import Overlap, State
from transfergrid.metrics.surfaces import Surfaces
from transfergrid.runtime.errors import UserError

COUNTS = ("true_positive", "predicted", "true", "known")
OUTLINES = ("diagonal", "hd95", "outline_predicted", "outline_true")
AT_TOLERANCE = ("tolerance", "near_predicted", "near_true")


def pack(overlap: Overlap, surfaces: Surfaces | None = None) -> NDArray[np.float64]:
    """Return the rows from which every metric of masks is computed.

    HD95 has a value in every state: 0 where both masks are empty, the image's diagonal where one
    is.

    Args:
        overlap: Counts (...) of pixels.
        surfaces: Of the same masks, or None where no metric asks for outlines.

    Returns:
        (..., 4) of `COUNTS`; with outlines (..., 8 + 3 R) of `COUNTS`, `OUTLINES` and, for each
        tolerance, `AT_TOLERANCE`. Whole numbers are exact: an image has less than 2^53 pixels.
    """
    columns: list[NDArray] = [getattr(overlap, name) for name in COUNTS]
    if surfaces is not None:
        state = overlap.state
        alone = (state == State.MISSED) | (state == State.FALSE_ALARM)
        distance = np.where(alone, surfaces.diagonal, np.nan_to_num(surfaces.hd95))
        columns += [surfaces.diagonal, distance, surfaces.predicted, surfaces.true]
        for number, tolerance in enumerate(surfaces.tolerances):
            near = surfaces.near_predicted[..., number], surfaces.near_true[..., number]
            columns += [np.full(state.shape, tolerance), *near]
    return np.stack(columns, axis=-1).astype(np.float64)


@dataclass(frozen=True)
class MaskRecord:
    """Rows that `pack` made.

    Attributes:
        rows: (..., K) float64.
    """

    rows: NDArray[np.float64]

    @classmethod
    def of(cls, rows: ArrayLike) -> MaskRecord:
        """Take rows of numbers.

        Raises:
            UserError: Nothing that `pack` made has so many columns.
        """
        found = np.asarray(rows, dtype=np.float64)
        width = found.shape[-1] if found.ndim else 0
        more = width - len(COUNTS) - len(OUTLINES)
        if width != len(COUNTS) and (more < 0 or more % len(AT_TOLERANCE)):
            raise UserError(
                f"rows of {width} numbers are no counts of masks; see mask_record.pack."
            )
        return cls(found)

    @cached_property
    def overlap(self) -> Overlap:
        """The counts of pixels."""
        return Overlap(*np.moveaxis(self.rows[..., : len(COUNTS)], -1, 0).astype(np.int64))

    @property
    def hd95(self) -> NDArray[np.float64]:
        """(...) distances, with a value in every state."""
        return self._outlines()[..., OUTLINES.index("hd95")]

    @property
    def outline_sizes(self) -> NDArray[np.float64]:
        """(...) pixels of both outlines."""
        sizes: NDArray[np.float64] = self._outlines()[..., -2:].sum(axis=-1)
        return sizes

    def near(self, tolerance: float) -> NDArray[np.float64]:
        """Return (...) pixels of both outlines that are within a tolerance of the other one.

        Raises:
            UserError: It was not measured at that tolerance.
        """
        self._outlines()
        first = len(COUNTS) + len(OUTLINES)
        groups = self.rows[..., first:].reshape(*self.rows.shape[:-1], -1, len(AT_TOLERANCE))
        for group in range(groups.shape[-2]):
            if (groups[..., group, 0] == tolerance).all():
                found: NDArray[np.float64] = groups[..., group, 1:].sum(axis=-1)
                return found
        known = sorted({f"{value:g}" for value in groups[..., 0].ravel()})
        raise UserError(
            f"a tolerance of {tolerance:g} was not measured; there is {', '.join(known) or 'none'}."
        )

    def _outlines(self) -> NDArray[np.float64]:
        if self.rows.shape[-1] == len(COUNTS):
            raise UserError("only the overlap of the masks was measured; measure outlines as well.")
        return self.rows[..., len(COUNTS) : len(COUNTS) + len(OUTLINES)]
