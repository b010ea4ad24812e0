"""How far apart seeds lie, beside what the choice of patients does."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.transforms as transforms
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.forest import EDGES, ROW
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import interval_of, tested_on
from transfergrid.reporting.figures.summaries import (
    GROUP,
    SCORE,
    at_setting,
    by_skill,
    cells_of,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.words import plural, plurals


def seed_spread(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the spread of each network's seeds; networks with one finished seed are left out.

    Returns:
        The columns of `GROUP` with metric, score, score_low, score_high (means over seeds), n
        (finished seeds) and sd (standard deviation between seeds, n - 1).
    """
    done = cells[cells["score"].notna()]
    grouped = done.groupby(GROUP, sort=False)
    table = grouped[SCORE].mean()
    table["metric"] = grouped["metric"].first()
    table["n"] = grouped["score"].size()
    table["sd"] = grouped["score"].std()
    return table[table["n"] > 1].reset_index()


def lack(data: FigureData) -> str:
    """Say why there is no spread to draw; empty if there is one."""
    none = "No network of this study has finished with two seeds."
    return none if seed_spread(data.cells).empty else ""


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells that title and caption are about."""
    return cells_of(data.finished, [seed_spread(data.cells)])


def caption(data: FigureData) -> str:
    """State n, the interval, and how far apart seeds lie overall."""
    data = data.only(drawn_cells(data))
    spread = seed_spread(data.cells)
    several = spread["metric"].nunique() > 1
    told = [
        f"{_size(rows)}{f' ({data.metric(rows).inline})' if several else ''}"
        for _, rows in spread.groupby("metric", sort=False)
    ]
    return (
        f"Seeds of {plural(len(spread), 'network')}, each around its own mean; {tested_on(data)}; "
        f"{plurals(spread['n'], 'seed')} each. Grey bars: mean over seeds of each cell's "
        f"{interval_of(data)}. "
        f"SD: between seeds (n − 1). Over networks it is {'; '.join(told)}. The bar is how far "
        f"one {data.metric(spread).inline} would move with other patients; seeds share theirs, so "
        "it is no test of the seeds."
    )


def _size(spread: pd.DataFrame) -> str:
    arm = (spread["score_high"] - spread["score_low"]) / 2
    ratio = float((spread["sd"] / arm).median())
    sd = float((spread["sd"] ** 2).mean() ** 0.5)
    return (
        f"{sd:.3f} (root mean square), and in the median {ratio:.2f} of half the patients' interval"
    )


def draw(data: FigureData) -> Figure:
    """Draw each network's seeds around their mean, over the patients' interval."""
    spread = seed_spread(data.cells)
    settings = [s for s in settings_of(data.cells) if len(at_setting(spread, s))]
    shown = set(spread["pretraining"])
    marks = {name: mark for name, mark in data.marks.items() if name in shown}
    heights = [len(at_setting(spread, setting)) for setting in settings]
    figure = style.new_figure(
        sum(heights) * ROW + EDGES * len(settings) + style.legend_height(marks) - 0.25
    )
    parts = [at_setting(spread, setting) for setting in settings]
    metrics = [data.metric(part) for part in parts]
    axes = _axes(figure, metrics, heights)
    for setting, rows, ax, metric in zip(settings, parts, axes, metrics, strict=True):
        alike = data.cells[data.cells["metric"].isin(rows["metric"])]
        order = by_skill(seed_means(alike), metric.higher_is_better)
        rows = _in_order(rows, order, list(marks))
        _panel(ax, rows, data.finished, marks)
        ax.set_title(setting_title(setting, settings))
    style.legend(figure, axes[0], marks)
    return figure


def _in_order(rows: pd.DataFrame, networks: list[str], names: list[str]) -> pd.DataFrame:
    key = {"architecture": networks.index, "pretraining": names.index}
    return rows.sort_values(
        ["architecture", "truncation", "pretraining"],
        key=lambda column: column.map(key[column.name]) if column.name in key else column,
    )


def _axes(figure: Figure, metrics: Sequence[MetricWords], heights: Sequence[int]) -> list[Axes]:
    """Return one panel per setting; those of one metric share their x axis."""
    grid = figure.add_gridspec(len(metrics), 1, height_ratios=heights)
    axes: list[Axes] = []
    for number, metric in enumerate(metrics):
        first = metrics.index(metric)
        axes.append(figure.add_subplot(grid[number], sharex=axes[first] if axes[first:] else None))
        if metric in metrics[number + 1 : number + 2]:
            axes[-1].tick_params(labelbottom=False)
        else:
            axes[-1].xaxis.set_major_locator(style.few_ticks())
            axes[-1].set_xlabel(f"{metric.score} minus the mean of the seeds")
    return axes


def _panel(
    ax: Axes, rows: pd.DataFrame, cells: pd.DataFrame, marks: dict[str, palette.Mark]
) -> None:
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    labels: list[str] = []
    names = shortened(rows["architecture"], 28)
    for y, row in enumerate(rows.to_dict("records")):
        mark, mean = marks[row["pretraining"]], row["score"]
        low, high = row["score_low"] - mean, row["score_high"] - mean
        ax.plot([low, high], [y, y], color=palette.LINE, linewidth=7, solid_capstyle="butt")
        same = cells
        for axis in GROUP:
            same = same[same[axis] == row[axis]]
        ax.plot(
            same["score"] - mean,
            [y] * len(same),
            linestyle="none",
            marker=mark.marker,
            markersize=5.5,
            color=mark.colour,
            markeredgecolor=palette.PAPER,
            markeredgewidth=0.6,
        )
        note = f"SD {row['sd']:.3f}"
        ax.text(1.01, y, note, transform=across, va="center", color=palette.MUTED, fontsize=9)
        cut = f" −{row['truncation']}" if row["truncation"] else ""
        labels.append(f"{names[row['architecture']]}{cut}")
    # A network's name stands once, at the first of its pretrainings.
    shown = [
        name if number == 0 or labels[number - 1] != name else ""
        for number, name in enumerate(labels)
    ]
    ax.set_yticks(range(len(labels)), shown)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.axvline(0, color=palette.INK, linewidth=0.8)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)
