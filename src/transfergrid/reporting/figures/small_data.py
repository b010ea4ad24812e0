"""Few patients: the score against the number of training patients, a line and a band per arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import in_two_lines, line_heights
from transfergrid.reporting.figures.phrases import (
    lower_is_better,
    methods_of,
    tested_on,
)
from transfergrid.reporting.figures.summaries import limits, titles_of
from transfergrid.reporting.words import level, plurals, scaled
from transfergrid.statistics.named import SCORE
from transfergrid.statistics.places import value_words

PANEL = 2.1  # inches of a panel's height
TITLE, LABEL = 26, 18  # characters of a panel's title, and of a line of its y axis
PLACES = ["question", "metric", "axis", "dataset", "architecture", "pretraining", "truncation"]
DODGE = 0.012
"""Shift between the intervals of two arms, as a share of the axis's length."""


@dataclass(frozen=True)
class Panel:
    """The curves of one place.

    Attributes:
        title: What tells it from the others; may be empty.
        rows: Its rows of small_data.csv that are scores.
    """

    title: str
    rows: pd.DataFrame


def panels_of(data: FigureData) -> list[Panel]:
    """Return the panels in the order of the table: those with two sizes."""
    table = data.small_data
    if table.empty:
        return []
    scores = table[table["quantity"] == SCORE]
    grouped = [rows for _, rows in scores.groupby(PLACES, sort=False, dropna=False)]
    grouped = [rows for rows in grouped if rows["patients"].nunique() > 1]
    # The metric stands at the y axis, and the arms in the legend.
    titles = titles_of(grouped, [axis for axis in PLACES if axis not in ("metric", "axis")])
    return [Panel(title, rows) for title, rows in zip(titles, grouped, strict=True)]


def lack(data: FigureData) -> str:
    """Say why there is no curve to draw; empty if there is one."""
    return "" if panels_of(data) else "No question of this study is about numbers of patients."


def caption(data: FigureData) -> str:
    """State n, seeds, interval and band."""
    rows = pd.concat([panel.rows for panel in panels_of(data)])
    own = data.only(data.finished[data.finished["dataset"].isin(rows["dataset"])])
    confidence = level(data.confidence)
    return (
        f"Score after training on {plurals(rows['patients'], 'patient')} (log scale), mean over "
        f"{plurals(rows['n_seeds'], 'seed')}; each seed draws its own patients, the same for "
        f"every arm, and smaller numbers are parts of larger ones. {tested_on(own)}. Vertical "
        f"lines: {confidence} interval at that number; bands: {confidence} at all "
        f"{plurals(rows['n_sizes'], 'number')} at once. Method: {methods_of(rows)}. No test "
        "is made: differences within seeds, in small_data.csv, have their own intervals."
        f"{lower_is_better(data, rows)}"
    )


def draw(data: FigureData) -> Figure:
    """Draw scores against the logarithm of training patients: a panel per place."""
    panels = panels_of(data)
    arms = {
        (str(row["axis"]), str(row["arm"])): _arm_name(row)
        for panel in panels
        for row in panel.rows.to_dict("records")
    }
    marks = palette.marks_of(arms.values())
    titles = in_two_lines([panel.title for panel in panels], TITLE)
    metrics = [data.metric(panel.rows) for panel in panels]
    labels = [style.wrapped(f"{each.title}{each.direction}", LABEL) for each in metrics]
    rows = -(-len(panels) // 2)
    height = rows * PANEL + 0.45 + style.legend_height(marks) + line_heights(titles, rows)
    figure = style.new_figure(height)
    axes = style.panels(figure, labels)
    for ax, panel in zip(axes, panels, strict=True):
        _panel(ax, panel.rows, marks)
        ax.set_title(titles[panel.title], fontsize=9)
    figure.supxlabel("Training patients", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _arm_name(row: Mapping[Any, Any]) -> str:
    axis, arm = str(row["axis"]), row["arm"]
    return value_words(axis, arm) if axis == "truncation" else str(arm)


def _panel(ax: Axes, rows: pd.DataFrame, marks: Mapping[str, palette.Mark]) -> None:
    sizes = sorted(rows["patients"].unique())
    step = (sizes[-1] / sizes[0]) ** DODGE
    arms = {_arm_name(row): row["arm"] for row in rows.to_dict("records")}
    for place, (name, arm) in enumerate(arms.items()):
        line, mark = rows[rows["arm"] == arm].sort_values("patients"), marks[name]
        x = line["patients"] * step ** (place - (len(arms) - 1) / 2)
        ax.fill_between(
            x, line["band_low"], line["band_high"], color=mark.colour, alpha=0.13, linewidth=0
        )
        for at, low, high in zip(x, line["low"], line["high"], strict=True):
            ax.plot([at, at], [low, high], color=mark.colour, linewidth=1, alpha=0.8)
        ax.plot(
            x,
            line["value"],
            color=mark.colour,
            marker=mark.marker,
            markersize=6,
            markeredgecolor=palette.PAPER,
            markeredgewidth=0.8,
        )
    # A band of three seeds may be wider than the metric; it is cut, the intervals are not.
    ax.set_ylim(limits(rows["low"], rows["high"], rows["value"], share=0.1))
    ax.set_xscale("log")
    ax.set_xlim(sizes[0] / step**6, sizes[-1] * step**6)
    ticks = _ticks([int(size) for size in sizes])
    ax.set_xticks(ticks, [scaled(tick) for tick in ticks])
    ax.set_xticks([], minor=True)


def _ticks(sizes: Sequence[int]) -> list[int]:
    """Return sizes whose labels stay apart, the first among them."""
    room = (sizes[-1] / sizes[0]) ** 0.18
    ticks = [sizes[0]]
    for size in sizes[1:]:
        if size >= ticks[-1] * room:
            ticks.append(size)
    return ticks
