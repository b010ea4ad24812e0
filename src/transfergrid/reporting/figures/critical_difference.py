"""The critical-difference diagram: mean ranks over data sets, and what they do not set apart.

Methods are rows, since names of twenty-five of them have no room beside an axis; bars at the right
join those of which no two differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import lower_is_better
from transfergrid.reporting.figures.summaries import titles_of
from transfergrid.reporting.words import level, number, plurals
from transfergrid.statistics.critical import not_different
from transfergrid.statistics.places import value_words

ROW = 0.25  # inches of a method
EDGES = 1.05  # inches of a panel's title, its axis and the critical difference
NAME, TITLE = 28, 60  # characters
COLUMNS = 0.24
"""Share of a panel's width that the bars take."""


@dataclass(frozen=True)
class Panel:
    """The methods of one question and place.

    Attributes:
        title: What tells it from the others; may be empty.
        rows: Its rows of mean_ranks.csv, the best first.
    """

    title: str
    rows: pd.DataFrame

    @property
    def critical(self) -> float:
        """The critical difference."""
        return float(self.rows["critical_difference"].iloc[0])

    @property
    def bars(self) -> list[tuple[int, int]]:
        """First and last row of each bar."""
        return not_different(self.rows["mean_rank"].astype(float).tolist(), self.critical)


def panels_of(data: FigureData) -> list[Panel]:
    """Return the panels in the order of the table."""
    table = data.mean_ranks
    if table.empty:
        return []
    places = ["question", *(axis for axis in PLACE if axis in table)]
    grouped = [rows for _, rows in table.groupby(places, sort=False, dropna=False)]
    return [
        Panel(title, rows.sort_values("mean_rank", kind="stable"))
        for title, rows in zip(titles_of(grouped, places), grouped, strict=True)
    ]


def lack(data: FigureData) -> str:
    """Say why there is nothing to draw; empty if there is something."""
    return "" if panels_of(data) else "No question of this study ranks methods over data sets."


def caption(data: FigureData) -> str:
    """State n, the test, and what a bar is."""
    panels = panels_of(data)
    rows = pd.concat([panel.rows for panel in panels])
    by = rows.assign(metric=rows["metric"].str.split("; ")).explode("metric")
    metrics = [data.metric(part).inline for _, part in by.groupby("metric", sort=False)]
    alike = any(panel.bars for panel in panels)
    bars = (
        "A bar joins methods of which no two differ by Nemenyi's test at the level "
        f"{1 - data.confidence:.2g}, which does not show that they are alike"
        if alike
        else f"No bar: all differ by Nemenyi's test at the level {1 - data.confidence:.2g}"
    )
    return (
        f"Mean ranks of {plurals(rows['n_methods'], 'method')} over "
        f"{plurals(rows['n_datasets'], 'data set')}, 1 the best by {' or '.join(metrics)}. "
        f"{bars}. CD: the critical difference, for all pairs together at "
        f"{level(data.confidence)}. Seeds and folds are averaged within a data set and are no "
        "blocks. p-values are in rank_pairs.csv."
        f"{lower_is_better(data, by)}"
    )


def draw(data: FigureData) -> Figure:
    """Draw a panel for each question and place: a row for each method, bars at the right."""
    panels = panels_of(data)
    heights = [ROW * len(panel.rows) + EDGES for panel in panels]
    figure = style.new_figure(sum(heights))
    grid = figure.add_gridspec(len(panels), 1, height_ratios=heights)
    titles = shortened([panel.title for panel in panels], TITLE)
    for number_, panel in enumerate(panels):
        ax = figure.add_subplot(grid[number_])
        _panel(ax, panel)
        ax.set_title(titles[panel.title])
    return figure


def _panel(ax: Axes, panel: Panel) -> None:
    means = panel.rows["mean_rank"].astype(float).tolist()
    k, bars = len(means), panel.bars
    width = k - 1 + 0.5
    for y, mean in enumerate(means):
        ax.plot([0.75, mean], [y, y], color=palette.LINE, linewidth=1.2, zorder=1)
        ax.plot(mean, y, marker="o", color=palette.INK, markersize=5.5, linestyle="none")
    columns = _columns(bars)
    room = width * COLUMNS
    step = room / max(max(columns, default=0) + 1, 2)
    for (first, last), column in zip(bars, columns, strict=True):
        x = k + 0.25 + step * (column + 0.5)
        ax.plot(
            [x, x],
            [first - 0.25, last + 0.25],
            color=palette.INK,
            linewidth=3,
            solid_capstyle="butt",
            gid="bar",
        )
    _critical(ax, panel.critical, k)
    axis = str(panel.rows["axis"].iloc[0])
    names = [
        value_words(axis, name) if axis == "truncation" else str(name)
        for name in panel.rows["method"]
    ]
    short = shortened(names, NAME)
    labels = [f"{short[name]}  {mean:.2f}" for name, mean in zip(names, means, strict=True)]
    ax.set_yticks(range(k), labels)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(k - 0.4, -1.5)
    ax.set_xlim(0.75, k + 0.25 + room)
    ticks = [tick for tick in _ticks(k) if tick <= k]
    ax.set_xticks(ticks)
    ax.set_xlabel("Mean rank (bars: not set apart)")
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)


def _critical(ax: Axes, critical: float, k: int) -> None:
    """Draw the critical difference at the top; one that is wider than the axis is only told."""
    y = -0.95
    if critical <= k - 1:
        ends = [1.0, 1.0 + critical]
        ax.plot(ends, [y, y], color=palette.MUTED, linewidth=1.6, marker="|", markersize=7)
        ax.annotate(
            f"CD {number(critical)}",
            (ends[1], y),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=palette.MUTED,
            fontsize=9,
        )
        return
    told = f"CD {number(critical)}: wider than the axis"
    ax.text(1.0, y, told, va="center", color=palette.MUTED, fontsize=9)


def _ticks(k: int) -> list[int]:
    """Return at most six whole ranks from 1 on."""
    step = -(-(k - 1) // 5) or 1
    return list(range(1, k + 1, step))


def _columns(bars: Sequence[tuple[int, int]]) -> list[int]:
    """Return a column for each bar, so that bars of one column do not touch."""
    ends: list[int] = []
    found = []
    for first, last in bars:
        column = next((place for place, end in enumerate(ends) if end < first), len(ends))
        ends[column : column + 1] = [last]
        found.append(column)
    return found
