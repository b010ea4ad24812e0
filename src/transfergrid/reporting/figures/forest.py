"""What figures of rows share: dots with intervals, one under the other, below headings."""

from __future__ import annotations

import matplotlib.transforms as transforms
from matplotlib.axes import Axes

from transfergrid.reporting.figures import palette

ROW = 0.2  # inches from one dot to the next
HEADER = 1.25  # rows that a heading takes
EDGES = 1.0  # inches for axis, legend and titles


def heading(ax: Axes, y: float, text: str, rule: bool = True) -> None:
    """Write a heading at row `y`, under a line."""
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    ax.text(0.005, y, text, transform=across, weight="bold", va="center", clip_on=True)
    if rule:
        ax.axhline(y - 0.5, color=palette.LINE, linewidth=0.8)


def dot(ax: Axes, x: float, y: float, mark: palette.Mark) -> None:
    """Draw a mean at row `y`, in front of its interval."""
    ax.plot(
        [x],
        [y],
        marker=mark.marker,
        markersize=7.5,
        color=mark.colour,
        markeredgecolor=palette.PAPER,
        markeredgewidth=1,
        zorder=5,
    )
