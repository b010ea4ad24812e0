"""Lines: AUROC against what is left of a network, and against examples seen in training."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting import style
from transfergrid.reporting.figure_data import (
    FigureData,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.history import curve_of
from transfergrid.reporting.words import scaled

PANEL = 1.55  # inches of a small panel's height
LINES = ("-", "--", ":", "-.")


def truncation_curves(data: FigureData) -> Figure:
    """Draw AUROC against blocks removed and against parameters, a row per network."""
    means = seed_means(data.finished)
    settings = settings_of(data.cells)
    rows = [
        (setting, str(name), part)
        for setting in settings
        for name, part in means[
            (means["dataset"] == setting[0]) & (means["protocol"] == setting[1])
        ].groupby("architecture", sort=False)
        if part["truncation"].nunique() > 1
    ]
    if not rows:
        return style.sentence_only("No network of this study was both kept whole and truncated.")
    marks = style.marks_of(data.pretrainings)
    figure = style.new_figure(len(rows) * PANEL + 0.7)
    grid = figure.subplots(len(rows), 2, squeeze=False, sharey="row")
    for (setting, name, part), (left, right) in zip(rows, grid, strict=True):
        for pretraining, mark in marks.items():
            line = part[part["pretraining"] == pretraining].sort_values("truncation")
            _interval_line(left, line["truncation"], line, mark)
            _interval_line(right, line["params"], line, mark)
        where = setting_title(setting, settings)
        left.set_title(f"{name} · {where}" if where else name)
        left.set_xticks(sorted(part["truncation"].unique()))
        left.set_ylabel("AUROC")
        left.margins(x=0.15)
        style.parameter_axis(right, part["params"])
    grid[-1, 0].set_xlabel("Blocks removed")
    grid[-1, 1].set_xlabel("Parameters")
    style.legend(figure, grid[0, 0], marks, lines=True)
    return figure


def _interval_line(ax: Axes, x: pd.Series, rows: pd.DataFrame, mark: style.Mark) -> None:
    for at, low, high in zip(x, rows["auroc_low"], rows["auroc_high"], strict=True):
        ax.plot([at, at], [low, high], color=mark.colour, linewidth=1, alpha=0.7)
    ax.plot(
        x,
        rows["auroc"],
        color=mark.colour,
        marker=mark.marker,
        markersize=6.5,
        markeredgecolor=style.PAPER,
        markeredgewidth=0.8,
    )


def learning_curves(data: FigureData) -> Figure:
    """Draw validation AUROC against training examples, a line per cell."""
    panels = {
        str(name): part
        for name, part in data.cells.groupby("architecture", sort=False)
        if any(data.histories.get(cell) for cell in part["cell"])
    }
    if not panels:
        return style.sentence_only("No learning curve of this study has been recorded.")
    marks = style.marks_of(data.pretrainings)
    truncations = sorted(int(t) for t in data.cells["truncation"].unique())
    lines = {t: LINES[i % len(LINES)] for i, t in enumerate(truncations)}
    columns = min(2, len(panels))
    count = math.ceil(len(panels) / columns)
    figure = style.new_figure(count * PANEL + 0.8)
    grid = figure.subplots(count, columns, squeeze=False, sharex=True, sharey=True)
    for ax, (name, part) in zip(grid.flat, panels.items(), strict=False):
        for row in part.to_dict("records"):
            mark, dash = marks[row["pretraining"]], lines[int(row["truncation"])]
            _curve(ax, data, row["cell"], mark, dash)
        ax.set_title(name)
    for ax in list(grid.flat)[len(panels) :]:
        ax.set_visible(False)
    for ax in grid[:, 0]:
        ax.set_ylabel("AUROC")
    figure.supxlabel("Training examples", fontsize=10)
    grid[0, 0].xaxis.set_major_formatter(lambda value, _: scaled(value) if value else "0")
    grid[0, 0].set_xlim(left=0)
    style.legend(figure, grid[0, 0], marks, lines=True)
    return figure


def _curve(ax: Axes, data: FigureData, cell: str, mark: style.Mark, dash: str) -> None:
    points = curve_of(data.histories.get(cell, ()))
    if points:
        x, y = zip(*points, strict=True)
        ax.plot(x, y, color=mark.colour, linestyle=dash, linewidth=1.3, alpha=0.85)
        ax.plot(x[-1:], y[-1:], color=mark.colour, marker=mark.marker, markersize=4)
