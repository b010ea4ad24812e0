"""Reliability curves: what share of cases of a probability is positive, a panel a comparison."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.words import plural

PANEL = 2.6  # inches of a panel's height, without the lines of its title
LINE = 0.15  # inches of such a line


def calibration_lack(data: FigureData) -> str:
    """Say why there is no curve to draw, or nothing where there is one."""
    return "No ensemble of this study has probabilities yet." if data.reliability.empty else ""


def calibration_panels(data: FigureData) -> Figure:
    """Draw the reliability curves of pretrainings that are compared on the same networks."""
    table = data.reliability
    several = table["dataset"].nunique() > 1
    groups = [part for _, part in table.groupby(["dataset", "comparison"], sort=False)]
    deepest = max(part["pretraining"].nunique() for part in groups) + 1
    shown = set(table["pretraining"])
    marks = {name: mark for name, mark in data.marks.items() if name in shown}
    rows_of_panels = -(-len(groups) // 2)
    height = rows_of_panels * (PANEL + deepest * LINE) + style.legend_height(marks) + 0.25
    figure = style.new_figure(height)
    axes = style.panels(figure, len(groups))
    for ax, part in zip(axes, groups, strict=True):
        lines = [_head(part, several)]
        for name, rows in part.groupby("pretraining", sort=False):
            _curve(ax, rows, data.marks[str(name)])
            short, row = shortened([str(name)], 18)[str(name)], rows.iloc[0]
            lines.append(f"{short}: {row['ece']:.3f}, {row['brier']:.3f}")
        ax.set_title("\n".join(lines), fontsize=8.5, fontweight="normal")
        _frame(ax, square=len(groups) > 1)
    for ax in axes[::2]:
        ax.set_ylabel("Share of positives")
    figure.supxlabel("Mean predicted probability", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _head(part: pd.DataFrame, several: bool) -> str:
    networks = plural(part["n_networks"].iloc[0], "network")
    where = f"{part['dataset'].iloc[0]}, " if several else "On "
    return f"{where}{networks}; ECE, Brier:"


def _curve(ax: Axes, rows: pd.DataFrame, mark: style.Mark) -> None:
    for x, low, high in zip(rows["predicted"], rows["low"], rows["high"], strict=True):
        ax.plot([x, x], [low, high], color=mark.colour, linewidth=1.2)
    ax.plot(
        rows["predicted"],
        rows["observed"],
        color=mark.colour,
        marker=mark.marker,
        markersize=6,
        markeredgecolor=style.PAPER,
        markeredgewidth=0.8,
    )


def _frame(ax: Axes, square: bool) -> None:
    ax.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.9, linestyle=":", zorder=0)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    if square:
        ax.set_box_aspect(1)
