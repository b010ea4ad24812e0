"""Training and validation loss during training, side by side: whether networks overfit."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.learning import (
    PANEL,
    TITLE,
    dashes_of,
    draw_curve,
    examples_axis,
    first_seeds,
    shared_ends,
    told_dashes,
)
from transfergrid.reporting.figures.names import in_two_lines, line_heights
from transfergrid.reporting.figures.phrases import seeds_in
from transfergrid.reporting.page.history import curve_of
from transfergrid.reporting.words import plural

SIDES = {"train_loss": "training", "valid_loss": "validation"}
"""Fields of a history, and what is written above their panels."""
MOST, NETWORKS = 250, 12
"""Cells, and networks of a data set, that are drawn at most: each takes two lines, or panels."""


def lack(data: FigureData) -> str:
    """Say why there is no loss to draw; empty if there is one."""
    return "" if _parts(data) else "No losses of this study have been recorded."


def caption(data: FigureData) -> str:
    """State what the two sides are, how many lines there are, and that they decide nothing."""
    every, networks = len(data.trained), len(_parts(data))
    data = first_seeds(data, MOST)
    drawn = pd.concat([rows for _, rows in _parts(data)[:NETWORKS]])
    text = (
        "Loss during training, the mean over the examples since the last validation (left), with "
        "augmentation and dropout as the recipe has them, and on the validation split (right), on "
        f"one scale a row; {plural(len(drawn), 'cell')}, one line each "
        f"({seeds_in(drawn)}), without interval or test. Checkpoints are "
        "chosen by the validation metric and not by a loss, and losses of two data sets may be of "
        "other kinds; the test split takes no part."
    )
    if len(data.trained) < every:
        text += f" Of {plural(every, 'cell')}, those of the first seeds are drawn."
    if networks > NETWORKS:
        text += f" Of {networks} networks, the first {NETWORKS} are drawn."
    return text + told_dashes(drawn)


def draw(data: FigureData) -> Figure:
    """Draw a row per data set and architecture, one line per cell on each side."""
    data = first_seeds(data, MOST)
    parts = _parts(data)[:NETWORKS]
    drawn = pd.concat([rows for _, rows in parts])
    marks = {name: mark for name, mark in data.marks.items() if name in set(drawn["pretraining"])}
    lines = dashes_of(drawn)
    titles = in_two_lines(
        [f"{name}, {side}" for name, _ in parts for side in SIDES.values()], TITLE
    )
    height = len(parts) * PANEL + 0.55 + style.legend_height(marks)
    figure = style.new_figure(height + line_heights(titles, len(parts)))
    axes = style.panels(figure, ["Loss"] * (2 * len(parts)))
    ends = []
    for number, (name, rows) in enumerate(parts):
        pair = axes[2 * number : 2 * number + 2]
        pair[1].sharey(pair[0])
        pair[1].tick_params(labelleft=False)
        seen = 0.0
        for ax, (field, side) in zip(pair, SIDES.items(), strict=True):
            for row in rows.to_dict("records"):
                points = curve_of(data.histories.get(row["cell"], ()), field)
                dash = lines[int(row["truncation"])]
                seen = max(seen, draw_curve(ax, points, marks[row["pretraining"]], dash))
            ax.set_title(titles[f"{name}, {side}"], fontsize=9)
        ends += [seen, seen]
    for ax, end in zip(axes, shared_ends(ends), strict=True):
        examples_axis(ax, end)
    figure.supxlabel("Training examples", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _parts(data: FigureData) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of panels: trainings of one data set and architecture with a loss."""
    rows = data.trained
    there = [
        any(len(curve_of(data.histories.get(cell, ()), field)) > 1 for field in SIDES)
        for cell in rows["cell"]
    ]
    several = rows["dataset"].nunique() > 1
    grouped = rows[there].groupby(["dataset", "architecture"], sort=False)
    return [
        (f"{name}, {dataset}" if several else str(name), part) for (dataset, name), part in grouped
    ]
