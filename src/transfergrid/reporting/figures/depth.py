"""Something of each layer against depth: a panel per network, a line per pretraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import in_two_lines, line_heights
from transfergrid.statistics.places import place_words

PANEL, TITLE = 1.75, 26  # inches of a panel's height, characters of its title
MOST = 12
"""Panels that a figure has room for; the others stand in the table alone."""
PLACE = ["dataset", "architecture", "truncation", "protocol"]
DODGE = 0.09
"""Layers between the lines of two pretrainings, so that their intervals stand side by side."""
ROOM = 7
"""Names of layers that a panel has room for."""


@dataclass(frozen=True)
class Panel:
    """One network.

    Attributes:
        title: What it differs in from the others.
        layers: Names in order.
        rows: Means over seeds and folds by pretraining and layer: ``value``, ``low``, ``high``.
    """

    title: str
    layers: tuple[str, ...]
    rows: pd.DataFrame


def panels_of(rows: pd.DataFrame, columns: Mapping[str, str]) -> list[Panel]:
    """Return a panel for each network, the first `MOST`.

    Args:
        rows: One row per cell and layer, with `PLACE`, pretraining, layer and depth.
        columns: The columns of ``value`` and, where there are intervals, ``low`` and ``high``.
    """
    rows = rows[rows["depth"].notna() & rows[columns["value"]].notna()]
    places = list(rows[PLACE].drop_duplicates().itertuples(index=False, name=None))
    differs = [len({place[i] for place in places}) > 1 for i in range(len(PLACE))]
    found = []
    for place in places[:MOST]:
        here = rows[(rows[PLACE] == list(place)).all(axis=1)].sort_values("depth", kind="stable")
        grouped = here.groupby(["pretraining", "layer"], sort=False)[[*columns.values()]].mean()
        means = grouped.rename(columns={old: new for new, old in columns.items()}).reset_index()
        words = [place_words(axis, value) for axis, value in zip(PLACE, place, strict=True)]
        title = ", ".join(word for word, told in zip(words, differs, strict=True) if told)
        found.append(Panel(title or str(place[1]), tuple(dict.fromkeys(here["layer"])), means))
    return found


def left_out(rows: pd.DataFrame, table: str) -> str:
    """Say how many networks are not drawn; empty where all are."""
    count = len(rows[PLACE].drop_duplicates())
    if count <= MOST:
        return ""
    return f" Of {count} networks the first {MOST} are drawn; the others stand in {table}."


def draw_panels(data: FigureData, found: Sequence[Panel], label: str, zero: bool) -> Figure:
    """Draw panels on one scale (inside `style.styled`).

    Args:
        data: The figures' data, for the marks of pretrainings.
        found: The panels, at least one.
        label: What the y axis shows.
        zero: Whether a line marks 0.
    """
    names = {name for panel in found for name in panel.rows["pretraining"]}
    marks = {name: mark for name, mark in data.marks.items() if name in names}
    titles = in_two_lines([panel.title for panel in found], TITLE)
    rows = -(-len(found) // 2)
    height = rows * (PANEL + 0.25) + 0.4 + style.legend_height(marks) + line_heights(titles, rows)
    figure = style.new_figure(height)
    axes = style.panels(figure, [label] * len(found), share=True)
    for ax, panel in zip(axes, found, strict=True):
        _panel(ax, panel, marks, zero)
        ax.set_title(titles[panel.title], fontsize=9)
    figure.supxlabel("Layer, from the input on", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _panel(ax: Axes, panel: Panel, marks: Mapping[str, palette.Mark], zero: bool) -> None:
    if zero:
        ax.axhline(0, color=palette.MUTED, linewidth=0.8, linestyle="dotted")
    at = {layer: number for number, layer in enumerate(panel.layers)}
    there = [name for name in marks if (panel.rows["pretraining"] == name).any()]
    for place, name in enumerate(there):
        line, mark = panel.rows[panel.rows["pretraining"] == name], marks[name]
        shift = DODGE * (place - (len(there) - 1) / 2)
        x = [at[layer] + shift for layer in line["layer"]]
        if "low" in line:
            for across, low, high in zip(x, line["low"], line["high"], strict=True):
                ax.plot([across] * 2, [low, high], color=mark.colour, linewidth=1, alpha=0.7)
        ax.plot(
            x,
            line["value"],
            color=mark.colour,
            marker=mark.marker,
            markersize=5.5,
            markeredgecolor=palette.PAPER,
            markeredgewidth=0.7,
        )
    step = -(-len(at) // ROOM)
    ticks = [(number, _short(layer)) for layer, number in at.items() if number % step == 0]
    ax.set_xticks([number for number, _ in ticks], [name for _, name in ticks], fontsize=9)
    ax.set_xlim(-0.5, len(at) - 0.5)


def _short(layer: str) -> str:
    """Return ``3`` for ``block3``: there is little room."""
    number = layer.removeprefix("block")
    return number if number.isdigit() else layer
