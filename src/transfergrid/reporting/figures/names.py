"""Names in figures that never overlap: shortened, wrapped, or moved beside a point."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from transfergrid.reporting.figures import palette

SIZE = 9.0
"""Size of the letter beside a point, in points."""
DIRECTIONS = (45, 135, 315, 225, 0, 180, 90, 270, 20, 160, 340, 200, 70, 110, 250, 290)
DISTANCES = (9.0, 13.0, 18.0, 24.0, 31.0, 39.0, 48.0, 58.0)
"""Points from a point to its letter; beyond the first a line leads there."""
LINE = 0.15
"""Inches of another line of a panel's title."""
MARKER = 4.0
"""Half the width of a marker, in points."""


def shortened(names: Iterable[str], most: int) -> dict[str, str]:
    """Cut names of more than `most` characters in their middle; no two become the same."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        text, number = name, 1
        while len(text) > most or text in found.values():
            tail = f"…{name[-(most // 2) :]}" if number == 1 else f"…{number}"
            text = name[: most - len(tail)] + tail
            number += 1
        found[name] = text
    return found


def in_two_lines(names: Iterable[str], most: int) -> dict[str, str]:
    """Break names of more than `most` characters into two lines; cut those that take more.

    No two become the same.
    """
    short = shortened(names, most)
    found = {}
    for name, text in short.items():
        lines = textwrap.wrap(name, most, break_long_words=False, break_on_hyphens=False)
        fits = len(lines) == 2 and all(len(line) <= most for line in lines)
        found[name] = "\n".join(lines) if fits and text != name else text
    return found


def line_heights(titles: Mapping[str, str], rows: int) -> float:
    """Return the inches that second lines of titles take in a figure with so many rows."""
    return LINE * rows if any("\n" in title for title in titles.values()) else 0.0


@dataclass(frozen=True)
class Spot:
    """A point that needs its letter.

    Attributes:
        ax: Its panel.
        letter: What to write beside it.
        x: Its place, as data.
        y: Its place, as data.
        low: Lower end of its interval.
        high: Upper end.
    """

    ax: Axes
    letter: str
    x: float
    y: float
    low: float
    high: float


def place_letters(figure: Figure, spots: Sequence[Spot]) -> None:
    """Write every letter where it touches no letter or point, and preferably no interval.

    The figure has its final layout afterwards.

    Args:
        figure: The figure, complete except for the letters (inside `styled`).
        spots: The points.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in dict.fromkeys(spot.ax for spot in spots):
        _place(ax, [spot for spot in spots if spot.ax is ax], 72 / figure.dpi)


def _place(ax: Axes, spots: Sequence[Spot], scale: float) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        across, up = ax.transData.transform((x, y)) * scale
        # The layout's solver differs by a trillionth of a point from run to run.
        return round(float(across), 1), round(float(up), 1)

    middles = [at(spot.x, spot.y) for spot in spots]
    markers = [_box(*middle, MARKER, MARKER) for middle in middles]
    ends = [(at(spot.x, spot.low), at(spot.x, spot.high)) for spot in spots]
    lines = [Bbox.from_extents(a[0] - 0.5, a[1], b[0] + 0.5, b[1]) for a, b in ends]
    frame = Bbox(ax.get_window_extent().get_points() * scale)
    taken: list[Bbox] = []
    for spot, middle in sorted(
        zip(spots, middles, strict=True), key=lambda pair: (pair[1], pair[0].letter)
    ):
        shift, far, box = _choice(middle, spot.letter, frame, [*markers, *taken], lines)
        taken.append(box)
        text = ax.annotate(
            spot.letter,
            (spot.x, spot.y),
            xytext=shift,
            ha="center",
            va="center",
            textcoords="offset points",
            fontsize=SIZE,
            arrowprops=_leader() if far else None,
        )
        text.set_in_layout(False)


def _leader() -> dict[str, object]:
    return {
        "arrowstyle": "-",
        "color": palette.MUTED,
        "linewidth": 0.5,
        "shrinkA": 0,
        "shrinkB": MARKER,
    }


def _choice(
    middle: tuple[float, float],
    letter: str,
    frame: Bbox,
    solid: Sequence[Bbox],
    lines: Sequence[Bbox],
) -> tuple[tuple[float, float], bool, Bbox]:
    """Return a letter's offset in points, whether a line must lead there, and its box."""
    half = (0.34 * SIZE * len(letter) + 0.6, 0.5 * SIZE + 0.6)
    places = [
        (distance, (distance * math.cos(angle), distance * math.sin(angle)))
        for distance in DISTANCES
        for angle in map(math.radians, DIRECTIONS)
    ]
    candidates = [
        (shift, distance > DISTANCES[0], _box(middle[0] + shift[0], middle[1] + shift[1], *half))
        for distance, shift in places
    ]
    inside = [one for one in candidates if _within(one[2], frame)] or candidates
    free = [one for one in inside if not any(one[2].overlaps(other) for other in solid)]
    near = [one for one in free if not one[1]]
    for some in (near, free):
        for one in some:
            if not any(one[2].overlaps(line) for line in lines):
                return one
    return (near or free or inside)[0]


def _box(x: float, y: float, half_width: float, half_height: float) -> Bbox:
    return Bbox.from_extents(x - half_width, y - half_height, x + half_width, y + half_height)


def _within(box: Bbox, frame: Bbox) -> bool:
    return bool(
        frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    )
