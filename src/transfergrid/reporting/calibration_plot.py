"""Reliability curves: what share of cases of a probability is positive, a panel per pretraining."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting import style
from transfergrid.reporting.figure_data import FigureData
from transfergrid.reporting.words import count

PANEL = 3.0  # inches of a panel's height


def calibration_panels(data: FigureData) -> Figure:
    """Draw a reliability curve per pretraining and data set."""
    table = data.reliability
    if table.empty:
        return style.sentence_only("No ensemble of this study has probabilities yet.")
    marks = style.marks_of(data.pretrainings)
    order = {name: number for number, name in enumerate(marks)}
    groups = {
        (str(dataset), str(pretraining)): part
        for (dataset, pretraining), part in table.groupby(["dataset", "pretraining"], sort=False)
    }
    datasets = list(dict.fromkeys(dataset for dataset, _ in groups))
    places = sorted(groups, key=lambda key: (datasets.index(key[0]), order[key[1]]))
    columns = min(2, len(places))
    rows = math.ceil(len(places) / columns)
    figure = style.new_figure(rows * PANEL + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax, key in zip(grid.flat, places, strict=False):
        _panel(ax, groups[key], marks[key[1]])
        name = key[1] if len(datasets) == 1 else f"{key[1]} · {key[0]}"
        row = groups[key].iloc[0]
        ax.set_title(
            f"{name}\nECE {row['ece']:.3f}, Brier {row['brier']:.3f}\nn {count(row['n_cases'])}"
        )
    for ax in list(grid.flat)[len(places) :]:
        ax.set_visible(False)
    for ax in grid[:, 0]:
        ax.set_ylabel("Share of positives")
    figure.supxlabel("Mean predicted probability", fontsize=10)
    return figure


def _panel(ax: Axes, rows: pd.DataFrame, mark: style.Mark) -> None:
    ax.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.9, linestyle=":")
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
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_box_aspect(1)
