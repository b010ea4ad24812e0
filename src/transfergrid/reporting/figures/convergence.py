"""How trainings converge: mean validation curves of arms, with bands, on an axis of log steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import in_two_lines, line_heights
from transfergrid.reporting.figures.palette import INK, Mark, marks_of
from transfergrid.reporting.figures.phrases import lower_is_better
from transfergrid.reporting.figures.summaries import limits
from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.words import known, level, plural, scaled
from transfergrid.statistics.curves import curve_of, over_folds
from transfergrid.statistics.places import words
from transfergrid.statistics.two_samples import mean_interval

PANEL = 1.95  # inches of a panel's height
TITLE, LABEL = 30, 18  # characters of a panel's title, and of a line of its y axis
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """The arms of one convergence question that agree in all other axes.

    Attributes:
        title: What tells it apart from the other panels.
        rows: Rows of reached.csv.
        metric: The validation metric.
    """

    title: str
    rows: pd.DataFrame
    metric: MetricWords

    @property
    def level(self) -> float:
        """The level that runs are timed to."""
        return float(self.rows["level"].iloc[0])

    @property
    def arms(self) -> dict[str, pd.DataFrame]:
        """The runs of each arm, the baseline's first."""
        base = str(self.rows["baseline"].iloc[0])
        found = {str(arm): rows for arm, rows in self.rows.groupby("arm", sort=False)}
        return dict(sorted(found.items(), key=lambda pair: pair[0] != base))


def panels_of(data: FigureData) -> list[Panel]:
    """Return a panel for each place, level and set of runs that is asked about.

    Questions that compare the same runs with different baselines have one panel: nothing that is
    drawn tells them apart.
    """
    if data.reached.empty:
        return []
    groups: dict[tuple[object, ...], pd.DataFrame] = {}
    for _, rows in data.reached.groupby(["question", "axis", *PLACE], sort=False, dropna=False):
        first = rows.iloc[0]
        asked = (first["axis"], first["level"], *(str(first[axis]) for axis in PLACE))
        groups.setdefault((*asked, frozenset(rows["cell"])), rows)
    places = [
        {axis: row[axis] for axis in PLACE if known(row[axis])}
        for row in (rows.iloc[0] for rows in groups.values())
    ]
    varying = [axis for axis in PLACE if len({str(place.get(axis)) for place in places}) > 1]
    titles = [words(place, varying) for place in places]
    found = []
    for title, rows in zip(titles, groups.values(), strict=True):
        asked_twice = titles.count(title) > 1
        told = [str(rows["question"].iloc[0]) if asked_twice else "", title]
        found.append(Panel(": ".join(filter(None, told)), rows, data.metric(rows)))
    return found


def marks_in(data: FigureData, panels: list[Panel]) -> dict[str, Mark]:
    """Return the marks of all arms of some panels; pretrainings have the marks of the study."""
    arms = dict.fromkeys(arm for panel in panels for arm in panel.arms)
    return {**marks_of(arms), **{name: mark for name, mark in data.marks.items() if name in arms}}


def run_curve(data: FigureData, run: str) -> tuple[Floats, Floats]:
    """Return a run's (steps, validation values); over folds the mean at each validation."""
    found = over_folds([curve_of(data.histories.get(cell, ())) for cell in data.parts(run)])
    return found.steps, found.values


def mean_curve(
    curves: list[tuple[Floats, Floats]], alpha: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return (steps, mean, low, high) over runs, as far as all of them go.

    Between validations a run has the value of its last one. Bounds are Student's t at each step,
    NaN of one run.
    """
    there = [curve for curve in curves if len(curve[0])]
    if not there:
        nothing = np.zeros(0)
        return nothing, nothing, nothing, nothing
    first = max(steps[0] for steps, _ in there)
    last = min(steps[-1] for steps, _ in there)
    grid = np.unique(np.concatenate([steps for steps, _ in there]))
    grid = grid[(grid >= first) & (grid <= last)]
    values = np.stack([y[np.searchsorted(x, grid, side="right") - 1] for x, y in there])
    bounds = np.array([mean_interval(column, alpha) for column in values.T]).reshape(-1, 2)
    return grid, values.mean(axis=0), bounds[:, 0], bounds[:, 1]


def lack(data: FigureData) -> str:
    """Say why there is nothing to draw; empty if there is something."""
    return "" if panels_of(data) else "No question of this study is about convergence."


def caption(data: FigureData) -> str:
    """State n and the bands."""
    panels = panels_of(data)
    runs = len({cell for panel in panels for cell in panel.rows["cell"]})
    return (
        f"Mean validation curves of {plural(runs, 'run')}, as far as all runs of an arm go; "
        f"between validations a run has the value of its last one. Bands: {level(data.confidence)} "
        "intervals of the mean over seeds, step by step (Student's t), none of a single run; they "
        "are no test, and may reach beyond the panel. Dotted: the level that runs are timed to. "
        "Steps are on a logarithmic axis."
        f"{lower_is_better(data, data.reached)}"
    )


def draw(data: FigureData) -> Figure:
    """Draw a panel for each question and place, a line for each arm."""
    panels = panels_of(data)
    marks = marks_in(data, panels)
    figure, axes = new_figure(panels, marks, [panel.metric.title for panel in panels])
    seen: dict[str, list[pd.Series]] = {}
    for ax, panel in zip(axes, panels, strict=True):
        for name, rows in panel.arms.items():
            curves = [run_curve(data, cell) for cell in rows["cell"]]
            _line(ax, mean_curve(curves, 1 - data.confidence), marks[name])
            seen.setdefault(panel.metric.title, []).extend(pd.Series(y) for _, y in curves)
        seen[panel.metric.title].append(pd.Series([panel.level]))
        ax.axhline(panel.level, color=INK, linewidth=0.9, linestyle=":")
        label_steps(ax)
    for ax, panel in zip(axes, panels, strict=True):
        # Bands of two seeds reach far; they must not press the curves into a line.
        ax.set_ylim(limits(*seen[panel.metric.title]))
    figure.supxlabel("Optimiser steps", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def new_figure(
    panels: list[Panel], marks: Mapping[str, Mark], labels: list[str]
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a titled panel for each, whose x axis is one of log steps."""
    names = in_two_lines([panel.title for panel in panels], TITLE)
    rows = -(-len(panels) // 2)
    height = rows * PANEL + 0.55 + style.legend_height(list(marks)) + line_heights(names, rows)
    figure = style.new_figure(height)
    axes = style.panels(figure, [style.wrapped(each, LABEL) for each in labels], share=True)
    for ax, panel in zip(axes, panels, strict=True):
        ax.set_title(names[panel.title], fontsize=9)
        ax.set_xscale("log")
    return figure, axes


def label_steps(ax: Axes) -> None:
    """Label a finished panel's log axis: powers of ten, and between them where they are few."""
    low, high = ax.get_xlim()
    decades = math.log10(high / low)
    between = (1, 2, 5) if decades < 1.2 else (1, 3) if decades < 2.2 else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=between))
    ax.xaxis.set_major_formatter(lambda value, _: scaled(value))
    ax.xaxis.set_minor_formatter(lambda value, _: "")


def _line(ax: Axes, curve: tuple[Floats, Floats, Floats, Floats], mark: Mark) -> None:
    steps, mean, low, high = curve
    if not len(steps):
        return
    ax.plot(steps, mean, color=mark.colour, linewidth=1.5)
    ax.plot(steps[-1:], mean[-1:], color=mark.colour, marker=mark.marker, markersize=4)
    sure = ~np.isnan(low)
    if sure.any():
        ax.fill_between(steps[sure], low[sure], high[sure], color=mark.colour, alpha=0.15, lw=0)
