"""How far the outline of a predicted mask is from that of the true one.

The outline is made of the mask's pixels that have a neighbour outside of it, above, below, left or
right; what is beyond the image's edge is outside. Distances are between centres of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from transfergrid.metrics.overlap import as_masks, each_mask
from transfergrid.runtime.errors import UserError

PERCENTILE = 95.0
"""The share of an outline's pixels whose distances HD95 looks at; larger ones may be stray."""


@dataclass(frozen=True)
class Surfaces:
    """What metrics of outlines need of each film.

    Attributes:
        diagonal: (...) float64, the largest distance that two pixels of the image can have.
        hd95: (...) float64, the larger of the two directed 95th percentiles; NaN where a mask is
            empty.
        predicted: (...) int64, pixels of the predicted outline.
        true: (...) int64, pixels of the true outline.
        tolerances: R distances.
        near_predicted: (..., R) int64, pixels of the predicted outline that are no farther than a
            tolerance from the true one.
        near_true: (..., R) int64, the reverse.
        unit: What distances and tolerances are in.
    """

    diagonal: NDArray[np.float64]
    hd95: NDArray[np.float64]
    predicted: NDArray[np.int64]
    true: NDArray[np.int64]
    tolerances: tuple[float, ...]
    near_predicted: NDArray[np.int64]
    near_true: NDArray[np.int64]
    unit: Literal["px", "mm"]


def measure_surfaces(
    predicted: ArrayLike,
    truth: ArrayLike,
    tolerances: Sequence[float] = (),
    spacing: ArrayLike | None = None,
) -> Surfaces:
    """Measure the outlines of masks, one pair after the other.

    Args:
        predicted: (..., H, W) bool, or 0 and 1.
        truth: (..., H, W) uint8: 0, 1, or 255 for unknown. Unknown pixels belong to neither mask,
            so the edge of what is known may be a part of both outlines.
        tolerances: Distances >= 0, in mm where spacing is known and in pixels otherwise.
        spacing: (..., 2) mm from row to row and from column to column, or what broadcasts to it;
            all NaN, or None, where it is known of no film.

    Raises:
        UserError: Shapes differ, a value is not a mask's, a tolerance is negative, or spacing is
            not positive or known of some films only.
    """
    predicted, truth = as_masks(predicted, truth)
    if any(not tolerance >= 0 for tolerance in tolerances):
        raise UserError(
            f"tolerances are {list(tolerances)}; each must be a distance of at least 0."
        )
    shape = truth.shape[:-2]
    steps, unit = _steps(spacing, shape)
    sides = np.array(truth.shape[-2:]) - 1
    diagonal = np.hypot(sides[0] * steps[..., 0], sides[1] * steps[..., 1])
    hd95 = np.full(shape, np.nan)
    sizes = np.zeros((*shape, 2), dtype=np.int64)
    near = np.zeros((*shape, 2, len(tolerances)), dtype=np.int64)
    limits = np.asarray(tolerances, dtype=np.float64)[:, None]
    for place, answer, true, _ in each_mask(predicted, truth):
        outlines = _outlines(answer, true)
        sizes[place] = [len(points) for points in outlines]
        if not all(map(len, outlines)):
            continue
        ways = _distances(*outlines, steps[place])
        hd95[place] = max(float(np.percentile(way, PERCENTILE)) for way in ways)
        near[place] = [(way <= limits).sum(axis=1) for way in ways]
    return Surfaces(
        diagonal,
        hd95,
        predicted=sizes[..., 0],
        true=sizes[..., 1],
        tolerances=tuple(map(float, tolerances)),
        near_predicted=near[..., 0, :],
        near_true=near[..., 1, :],
        unit=unit,
    )


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask (H, W) that have one of four neighbours outside of it."""
    edge = mask.copy()
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    edge[1:-1, 1:-1] &= ~inner
    return edge


def surface_distances(
    predicted: NDArray[np.bool_], true: NDArray[np.bool_], spacing: ArrayLike = (1.0, 1.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each pixel of either outline is from the nearest one of the other.

    Args:
        predicted: (H, W), with at least one pixel.
        true: (H, W), with at least one pixel.
        spacing: Distances from row to row and from column to column.

    Returns:
        (P,) distances of the predicted outline's pixels and (Q,) of the true one's.
    """
    return _distances(*_outlines(predicted, true), np.asarray(spacing, dtype=np.float64))


def _outlines(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """Return the rows and columns (P, 2) of both outlines' pixels."""
    found = []
    for mask in (predicted, true):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            found.append(np.zeros((0, 2), dtype=np.int64))
            continue
        corner = rows[0], columns[0]
        edge = outline(mask[corner[0] : rows[-1] + 1, corner[1] : columns[-1] + 1])
        found.append(np.argwhere(edge) + corner)
    return found[0], found[1]


def _distances(
    predicted: NDArray, true: NDArray, steps: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # An outline has few pixels: looking up the nearest of them costs less than a map of distances.
    points = predicted * steps, true * steps
    trees = [cKDTree(each, balanced_tree=False, compact_nodes=False) for each in points]
    there, back = trees[1].query(points[0])[0], trees[0].query(points[1])[0]
    return np.asarray(there), np.asarray(back)


def _steps(
    spacing: ArrayLike | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], Literal["px", "mm"]]:
    """Return (..., 2) distances between neighbouring pixels, and their unit."""
    given = np.asarray(np.nan if spacing is None else spacing, dtype=np.float64)
    try:
        steps = np.broadcast_to(given, (*shape, 2))
    except ValueError:
        raise UserError(
            f"spacing has the shape {given.shape}; two distances are needed, row to row and "
            f"column to column, for all or for each of {shape} masks."
        ) from None
    unknown = np.isnan(steps)
    if unknown.all():
        return np.ones(steps.shape), "px"
    if unknown.any():
        raise UserError(
            f"the spacing of {int(unknown.any(axis=-1).sum())} of {steps[..., 0].size} masks is "
            "not known; distances in mm and in pixels have no mean, so give that of all or none."
        )
    if not (np.isfinite(steps) & (steps > 0)).all():
        raise UserError(f"spacing holds {steps.min():g}; distances in mm must be greater than 0.")
    return steps, "mm"
