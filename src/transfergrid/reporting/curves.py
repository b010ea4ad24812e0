"""Lines: AUROC against what is left of a network, and against examples seen in training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting import style
from transfergrid.reporting.figure_data import (
    FigureData,
    limits,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.history import curve_of
from transfergrid.reporting.words import scaled

PANEL = 1.75  # inches of a small panel's height
LINES = ("-", "--", ":", "-.")


def truncation_curves(data: FigureData) -> Figure:
    """Draw AUROC against what is left of a network, pretrainings side by side, a row per network.

    The band is the margin of equivalence around the whole network, where a question fixed one.
    """
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
    drawn = pd.concat([part for _, _, part in rows])["pretraining"].unique()
    marks = {
        name: mark for name, mark in style.marks_of(data.pretrainings).items() if name in drawn
    }
    columns = min(2, len(marks))
    deep = math.ceil(len(marks) / columns)
    figure = style.new_figure(len(rows) * deep * PANEL + 0.7)
    grid = figure.subplots(len(rows) * deep, columns, squeeze=False)
    for number, (setting, name, part) in enumerate(rows):
        panels = list(grid[number * deep : (number + 1) * deep].flat)
        where = setting_title(setting, settings)
        titles = {mark: "\n".join(filter(None, [f"{name} · {mark}", where])) for mark in marks}
        _truncation_row(panels, titles, part, marks, truncation_margin(data.contrasts))
    figure.supxlabel("Parameters; numbers: blocks removed", fontsize=10)
    style.legend(figure, grid[0, 0], marks, lines=True)
    return figure


def truncation_margin(contrasts: pd.DataFrame) -> float | None:
    """Return the margin within which a cut network counts as equal to the whole; None without one.

    Of several margins the narrowest.
    """
    if not {"b", "margin"} <= set(contrasts.columns):
        return None
    margins = contrasts.loc[contrasts["b"] == "drop0", "margin"].dropna()
    return None if margins.empty else float(margins.min())


def _truncation_row(
    panels: list[Axes],
    titles: Mapping[str, str],
    part: pd.DataFrame,
    marks: Mapping[str, style.Mark],
    margin: float | None,
) -> None:
    whole = part.loc[part["truncation"] == 0, "auroc"]
    edges = [whole - (margin or 0), whole + (margin or 0)]
    shared = limits(part["auroc_low"], part["auroc_high"], *edges, share=0.08)
    for ax, (pretraining, mark) in zip(panels, marks.items(), strict=False):
        line = part[part["pretraining"] == pretraining].sort_values("truncation")
        base = line.loc[line["truncation"] == 0, "auroc"]
        if margin is not None and len(base):
            at = float(base.iloc[0])
            ax.axhspan(at - margin, at + margin, color=mark.colour, alpha=0.13, linewidth=0)
        _interval_line(ax, line["params"], line, mark)
        for row in line.to_dict("records"):
            ax.annotate(
                f"{row['truncation']}",
                (row["params"], row["auroc"]),
                xytext=(6, 4),
                textcoords="offset points",
                fontsize=9,
            )
        style.parameter_axis(ax, part["params"])
        ax.set_ylim(shared)
        ax.set_title(titles[pretraining], fontsize=9)
    for ax in panels[len(marks) :]:
        ax.set_visible(False)
    for ax in panels[:: min(2, len(marks))]:
        ax.set_ylabel("AUROC")


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
