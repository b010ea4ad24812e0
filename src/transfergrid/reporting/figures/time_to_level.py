"""When runs reach a level: the share of each arm's runs that have, on an axis of log steps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.figures import convergence, style
from transfergrid.reporting.figures.convergence import (
    Panel,
    label_steps,
    marks_in,
    new_figure,
    panels_of,
)
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.phrases import lower_is_better
from transfergrid.reporting.words import known, plural
from transfergrid.statistics.survival import KaplanMeier

lack = convergence.lack
DODGE = 0.008
"""By how much lines of equal share stand apart."""


def caption(data: FigureData) -> str:
    """State n, and what a line that ends below 1 is."""
    shown = pd.concat([panel.rows for panel in panels_of(data)])
    runs = shown.drop_duplicates(["cell", "level"])
    never = int((~runs["reached"].astype(bool)).sum())
    return (
        f"Share of the runs of an arm that have reached the level, by optimiser steps (Kaplan and "
        f"Meier), of {plural(len(runs), 'run')}, {never} of which never did. A line ends at the "
        "horizon, the last step at which it is known of every run whether it had; no interval is "
        f"drawn. Lines of equal share are set a little apart.{lower_is_better(data, runs)}"
    )


def draw(data: FigureData) -> Figure:
    """Draw a panel for each question and place, a line of steps for each arm."""
    panels = panels_of(data)
    marks = marks_in(data, panels)
    labels = [f"Runs at {panel.metric.inline} {panel.level:.3g}" for panel in panels]
    figure, axes = new_figure(panels, marks, labels)
    for ax, panel in zip(axes, panels, strict=True):
        horizon = _horizon(panel, data.convergence)
        for number, (name, rows) in enumerate(panel.arms.items()):
            when = np.minimum(rows["steps"].to_numpy(float), horizon)
            there = rows["reached"].to_numpy(bool) & (rows["steps"].to_numpy(float) <= horizon)
            curve = KaplanMeier.of(np.where(there, when, horizon), there)
            start = min(float(rows["steps"].min()), horizon) / 3
            x = np.concatenate(([start], curve.times, [horizon]))
            y = np.concatenate(([0.0], 1 - curve.survival))
            y = np.append(y, y[-1]) + DODGE * number
            ax.step(x, y, where="post", color=marks[name].colour, linewidth=1.5)
            ax.plot(
                x[1:], y[1:], ls="none", color=marks[name].colour, marker=marks[name].marker, ms=4
            )
        ax.set_ylim(-0.04, 1.08)
        ax.set_yticks([0, 0.5, 1])
        label_steps(ax)
    figure.supxlabel("Optimiser steps", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _horizon(panel: Panel, table: pd.DataFrame) -> float:
    """Return the horizon in steps of a panel's rows of convergence.csv."""
    first = panel.rows.iloc[0]
    same = table[(table["unit"] == "steps") & (table["question"] == first["question"])]
    for axis in PLACE:
        if known(first[axis]):
            same = same[same[axis].astype(str) == str(first[axis])]
    return float(same["horizon"].iloc[0])
