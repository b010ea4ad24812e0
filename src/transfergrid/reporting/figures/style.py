"""How every figure looks: colours, marks, fonts, and the way it becomes SVG text."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from transfergrid.reporting.figures.palette import INK, LINE, MUTED, PAPER, Mark
from transfergrid.reporting.words import scaled

# 5.6 inches are 538 CSS pixels; shrunk to a phone's 370, the 10 pt text is still 9 pixels high.
WIDTH = 5.6
CHARACTER = 0.086
"""Inches of a character of 10 pt, about."""
LEGEND = 40
"""Characters of a name in a legend, at most."""

STYLE: Mapping[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    # matplotlib carries this font, so text is measured alike on every machine.
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "text.color": INK,
    # A dollar sign in a name is a dollar sign.
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with the house style inside this block and leave matplotlib's settings as they were."""
    with matplotlib.rc_context(dict(STYLE)):
        yield


def new_figure(height: float) -> Figure:
    """Return an empty figure of the common width and `height` inches (inside `styled`)."""
    return Figure(figsize=(WIDTH, height))


def svg_text(figure: Figure, name: str) -> str:
    """Return a figure as SVG text, the same bytes each time (inside `styled`).

    Args:
        figure: The figure; left unchanged.
        name: Salts the identifiers inside the SVG.
    """
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    return _settled(buffer.getvalue(), name)


def _settled(svg: str, name: str) -> str:
    """Round coordinates and number clip paths.

    The layout's solver differs by a trillionth of a point from run to run, and matplotlib
    names a clip path after all digits of its corners.
    """
    svg = re.sub(r"\d+\.\d{4,}", lambda found: f"{float(found[0]):.3f}", svg)
    for number, old in enumerate(dict.fromkeys(re.findall(r'clipPath id="(\w+)"', svg))):
        svg = svg.replace(old, f"{name}-clip{number}")
    return svg


def panels(
    figure: Figure, ylabels: Sequence[str], columns: int = 2, share: bool = False
) -> list[Axes]:
    """Return panels in rows; the last one fills what is left of its row.

    Args:
        figure: An empty figure.
        ylabels: What each panel's y axis shows; written once in a row of equal ones.
        columns: Panels in a row, at most.
        share: Whether panels of one label have one y axis; then only the first of a row has
            numbers.
    """
    columns = min(columns, len(ylabels))
    grid = figure.add_gridspec(-(-len(ylabels) // columns), columns)
    axes: list[Axes] = []
    for number, label in enumerate(ylabels):
        row, column = divmod(number, columns)
        last = columns if number == len(ylabels) - 1 else column + 1
        same = axes[ylabels.index(label)] if share and label in ylabels[:number] else None
        axes.append(figure.add_subplot(grid[row, column:last], sharey=same))
        if column == 0 or ylabels[number - 1] != label:
            axes[-1].set_ylabel(label)
        elif share:
            axes[-1].tick_params(labelleft=False)
    return axes


def wrapped(text: str, characters: int) -> str:
    """Break an axis's label into lines that a panel has room for, never within parentheses."""
    whole = re.sub(r"\([^()]*\)", lambda found: found[0].replace(" ", "\u00a0"), text)
    return "\n".join(textwrap.wrap(whole, characters)) or text


def _columns(names: Collection[str]) -> int:
    longest = min(max(map(len, names)), LEGEND)
    return max(1, min(len(names), int(WIDTH / (CHARACTER * longest + 0.5))))


def legend_height(names: Collection[str]) -> float:
    """Return the inches that a legend of these names takes."""
    return 0.2 * -(-len(names) // _columns(names)) + 0.05


def legend(
    figure: Figure,
    axes: Axes,
    marks: Mapping[str, Mark],
    lines: bool = False,
    top: float | None = None,
) -> None:
    """Put the pretrainings above all panels of a figure, in as many rows as their names need.

    Args:
        figure: The figure.
        axes: One of its panels.
        marks: What to name.
        lines: Whether they are lines.
        top: Where it begins, as a share of the figure's height; None for above all panels.
    """
    handles = [
        axes.plot(
            [],
            [],
            linestyle="-" if lines else "none",
            marker=mark.marker,
            color=mark.colour,
            markersize=6,
            label=name if len(name) <= LEGEND else f"{name[: LEGEND - 9]}…{name[-8:]}",
        )[0]
        for name, mark in marks.items()
    ]
    place: dict[str, Any] = {"loc": "outside upper left"}
    if top is not None:
        place = {"loc": "upper left", "bbox_to_anchor": (0.01, top), "borderaxespad": 0}
        place["labelspacing"] = 0.4  # rows of the height that `legend_height` says
    figure.legend(
        handles=handles,
        **place,
        ncols=_columns(marks),
        handletextpad=0.4,
        columnspacing=1.4,
        borderpad=0,
    )


def few_ticks(most: int = 4) -> MaxNLocator:
    """Return few enough ticks that their labels stay apart on half a figure's width.

    Args:
        most: Steps between ticks at most; 3 where labels may have three decimals.
    """
    return MaxNLocator(nbins=most)


def parameter_axis(ax: Axes, values: Iterable[float], pad: float = 0.2) -> None:
    """Make x a log axis of parameter counts, labelled with some of the counts themselves.

    Networks of a study often lie within one decade, where a log axis has no good ticks.

    Args:
        ax: The panel.
        values: Parameter counts, at least one, all positive.
        pad: Space at either end as a share of the range's decades.
    """
    counts = sorted({float(value) for value in values})
    low, high = math.log10(counts[0]), math.log10(counts[-1])
    room = pad * max(high - low, 0.1)
    ax.set_xscale("log")
    ax.set_xlim(10 ** (low - room), 10 ** (high + room))
    ticks = counts[:1]
    for value in counts[1:]:
        if math.log10(value / ticks[-1]) > 0.3 * (high - low + 2 * room):
            ticks.append(value)
    ax.set_xticks(ticks, [scaled(tick) for tick in ticks])
    ax.set_xticks([], minor=True)
