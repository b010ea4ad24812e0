"""Matrices of pairs: two measures of the same pairs, one below the diagonal and one above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.tasks import COLOURS, DARK, LIGHT

CELL, FEWER = 0.34, 0.23  # inches of a square at most, and from which on it has its number
TITLE, HEAD, GAP = 0.3, 0.2, 0.14  # above a matrix, of its columns' numbers, and below it
NAME = 28  # characters of a row's name
CHARACTER = 0.068  # inches of a character of 8 pt, about
MOST = 22
"""Rows that a matrix has room for."""
CHANCE = "°"
"""Behind a value that is not above its floor band."""

Pairs = Mapping[tuple[str, str], tuple[float, bool]]
"""A value of two arms, and whether chance gives as much; a pair stands under either order."""


@dataclass(frozen=True)
class Matrix:
    """Arms of one place against each other.

    Attributes:
        title: Above it; may be empty.
        names: The arms, at most `MOST`.
        values: (K, K) float in about [0, 1]; NaN where there is no pair.
        chance: (K, K) bool, values that chance gives as well.
        corner: What rows and columns are, above the rows' names; may be empty.
        across: Names of the columns, slanted above them; without any they have their rows' numbers.
    """

    title: str
    names: tuple[str, ...]
    values: NDArray[np.float64]
    chance: NDArray[np.bool_]
    corner: str = ""
    across: tuple[str, ...] = ()

    @classmethod
    def of(cls, title: str, names: Sequence[str], below: Pairs, above: Pairs) -> Matrix:
        """Put the first measure on and below the diagonal, the second above it."""
        names = tuple(names[:MOST])
        values = np.full((len(names), len(names)), np.nan)
        chance = np.zeros(values.shape, dtype=bool)
        for (row, column), _ in np.ndenumerate(values):
            pairs, ends = below if row >= column else above, (names[row], names[column])
            found = pairs.get(ends) or pairs.get(ends[::-1])
            if found:
                values[row, column], chance[row, column] = found
        return cls(title, names, values, chance)


def draw_matrices(matrices: Sequence[Matrix]) -> Figure:
    """Draw matrices one under the other, on one scale from 0 to 1 (inside `style.styled`)."""
    labels = shortened([name for one in matrices for name in one.names], NAME)
    wide = [*labels.values(), *(one.corner for one in matrices)]
    left = 0.35 + CHARACTER * max(map(len, wide))
    slants = [_slant(one) for one in matrices]
    sizes = [
        min(CELL, (style.WIDTH - left - 0.1 - slant) / len(one.names))
        for one, slant in zip(matrices, slants, strict=True)
    ]
    heads = [
        HEAD + slant + TITLE * bool(one.title) for one, slant in zip(matrices, slants, strict=True)
    ]
    heights = [
        head + size * len(one.names) + GAP
        for head, size, one in zip(heads, sizes, matrices, strict=True)
    ]
    high = sum(heights)
    figure = style.new_figure(high)
    figure.set_layout_engine("none")
    top = high
    for one, size, head, height in zip(matrices, sizes, heads, heights, strict=True):
        if one.title:
            title = shortened([one.title], 60)[one.title]
            figure.text(0.01, (top - 0.16) / high, title, weight="bold", va="center")
        side = size * len(one.names)
        box = (left / style.WIDTH, (top - head - side) / high, side / style.WIDTH, side / high)
        _panel(figure.add_axes(box), one, size, [labels[name] for name in one.names])
        top -= height
    return figure


def _slant(matrix: Matrix) -> float:
    """Return how many inches the columns' names, at 45 degrees, reach up and to the right."""
    return 0.71 * CHARACTER * max(map(len, matrix.across), default=0)


def _panel(ax: Axes, matrix: Matrix, size: float, labels: Sequence[str]) -> None:
    k = len(labels)
    colours = matplotlib.colormaps[COLOURS]
    for (row, column), value in np.ndenumerate(matrix.values):
        if not np.isfinite(value):
            continue
        shade = float(np.clip(value, 0, 1))
        ax.add_patch(
            Rectangle(
                (column, row),
                1,
                1,
                facecolor=colours(shade),
                edgecolor=palette.PAPER,
                linewidth=1,
            )
        )
        if size >= FEWER:
            text = _number(value) + CHANCE * bool(matrix.chance[row, column])
            ink = DARK if shade > 0.5 else LIGHT
            ax.text(
                column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7.5, color=ink
            )
    ax.set_xlim(0, k)
    ax.set_ylim(k, 0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, pad=3)
    ax.xaxis.tick_top()
    at = np.arange(k) + 0.5
    if matrix.across:
        ax.set_xticks(at, matrix.across, fontsize=8, rotation=45, ha="left", rotation_mode="anchor")
        ax.set_yticks(at, labels, fontsize=8)
    else:
        ax.set_xticks(at, [str(number + 1) for number in range(k)], fontsize=8)
        named = [f"{name}  {number + 1}" for number, name in enumerate(labels)]
        ax.set_yticks(at, named, fontsize=8)
    ax.text(
        *(-0.1, -0.25), matrix.corner, ha="right", va="center", fontsize=7.5, color=palette.MUTED
    )


def _number(value: float) -> str:
    """Print ``.53``, ``1.0`` or ``−.02``, in the few characters that a square has room for."""
    text = f"{value:.2f}"
    if text in ("1.00", "0.00", "-0.00"):
        return text.removeprefix("-")[:3]
    return text.replace("-0.", "−.").removeprefix("0").replace("-", "−")
