"""How every figure looks: colours, marks, fonts, and the way it becomes SVG text."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.words import scaled

INK = "#1c2024"
MUTED = "#5f6773"
LINE = "#dfe2e6"
PAPER = "#ffffff"
BASELINE = "#777c86"
# Okabe and Ito's colours in an order that keeps neighbours apart for every kind of colour vision.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3c9ad1")
MARKERS = ("s", "D", "^", "v", "P", "X")

# 5.6 inches are 538 CSS pixels; shrunk to a phone's 370, the 10 pt text is still 9 pixels high.
WIDTH = 5.6

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


@dataclass(frozen=True)
class Mark:
    """The colour and the marker of one pretraining, the same in every figure."""

    colour: str
    marker: str


def marks_of(pretrainings: Iterable[str]) -> dict[str, Mark]:
    """Give each pretraining its mark; ``random``, the baseline, is always the grey circle.

    Colours and markers repeat after six pretrainings, at different times, so that a pair of them
    stays unique up to thirty.
    """
    marks: dict[str, Mark] = {}
    for name in dict.fromkeys(pretrainings):
        if name == "random":
            marks[name] = Mark(BASELINE, "o")
            continue
        count = sum(other != "random" for other in marks)
        turn = count // len(PALETTE)
        marks[name] = Mark(PALETTE[count % len(PALETTE)], MARKERS[(count + turn) % len(MARKERS)])
    return marks


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

    The solver of the layout ends a trillionth of a point away from run to run, and matplotlib
    names a clip path after all digits of its corners.
    """
    svg = re.sub(r"\d+\.\d{4,}", lambda found: f"{float(found[0]):.3f}", svg)
    for number, old in enumerate(dict.fromkeys(re.findall(r'clipPath id="(\w+)"', svg))):
        svg = svg.replace(old, f"{name}-clip{number}")
    return svg


def legend(figure: Figure, axes: Axes, marks: Mapping[str, Mark], lines: bool = False) -> None:
    """Put one row of pretrainings above all panels of a figure."""
    handles = [
        axes.plot(
            [],
            [],
            linestyle="-" if lines else "none",
            marker=mark.marker,
            color=mark.colour,
            markersize=6,
            label=name,
        )[0]
        for name, mark in marks.items()
    ]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(len(handles), 4),
        handletextpad=0.4,
        columnspacing=1.4,
        borderpad=0,
    )


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


def sentence_only(sentence: str) -> Figure:
    """Return a low figure that says why there is nothing to draw (inside `styled`)."""
    figure = new_figure(0.7)
    figure.text(0.02, 0.5, sentence, color=MUTED, va="center", wrap=True)
    return figure
