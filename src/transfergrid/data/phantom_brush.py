"""Soft shapes on a film: the strokes with which the phantoms are drawn.

Films are float32 arrays (height, width) and are drawn one at a time: at this size a film's arrays
fit in the processor's cache, so drawing a batch of films at once would be slower, not faster.
Lengths share one unit, chosen by the caller.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Always float32, although numpy's type hints lose that when a Python float is involved."""

Number = float | Array


def ramp(distance: Array, width: Number) -> Array:
    """Rise smoothly from 0 to 1 as a signed distance goes from -width/2 to +width/2."""
    t = np.clip(distance / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def ridge(distance: Array, width: Number) -> Array:
    """Fall from 1 on a line to 0.25 at `width` from it: a bell without an exponential."""
    t = distance / width
    return 1 / np.square(1 + t * t)


def tube(distance: Array, half_width: Number, rim: float = 0.5) -> Array:
    """Profile of a projected bone: a filled band (0 to 1) whose rims are `rim` brighter."""
    inside = ramp(half_width - np.abs(distance), 0.6 * half_width)
    t = np.clip(np.abs(distance) / half_width, 0, 1)
    return inside * (1 - rim + rim * t * t)


def turned(x: Array, y: Array, angle: float) -> tuple[Array, Array]:
    """Coordinates along and across an axis that is `angle` (radians) below the x axis."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return x * cosine + y * sine, y * cosine - x * sine


def length(x: Array, y: Array) -> Array:
    """Length of a vector; much faster than `np.hypot`, whose precautions are not needed here."""
    return np.sqrt(x * x + y * y)


def ellipse(x: Array, y: Array, radius_x: float, radius_y: float) -> Array:
    """Signed depth inside an ellipse at the origin, in about the unit of the radii."""
    scale = (radius_x * radius_y) ** 0.5
    return scale * (1 - length(x / radius_x, y / radius_y))


def segment(
    x: Array, y: Array, start: tuple[float, float], end: tuple[float, float]
) -> tuple[Array, Array]:
    """Distance to a line segment and the share (0 to 1) of the way along it."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy + 1e-6), 0, 1)
    return length(x - start[0] - along * dx, y - start[1] - along * dy), along


@cache
def spline_matrix(pixels: int, knots: int) -> Array:
    """Weights (pixels, knots) of cubic B-splines on evenly spaced knots; each row sums to 1."""
    at = np.linspace(0.5, knots - 1.5, pixels)[:, None] - np.arange(knots)[None, :]
    t = np.abs(at)
    near = 2 / 3 - t**2 + t**3 / 2
    far = np.clip(2 - t, 0, None) ** 3 / 6
    weights = np.where(t < 1, near, far)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def cloud(knots: Array, height: int, width: int) -> Array:
    """Smooth field (height, width) through random knots (rows, columns)."""
    rows, columns = knots.shape
    return spline_matrix(height, rows) @ knots @ spline_matrix(width, columns).T
