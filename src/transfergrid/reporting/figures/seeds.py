"""How far seeds lie apart, against what the choice of patients does."""

from __future__ import annotations

import matplotlib.transforms as transforms
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import (
    GROUP,
    FigureData,
    at_setting,
    by_skill,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.figures.names import shortened

ROW = 0.2  # inches from one network to the next
EDGES = 1.0  # inches for axis, legend and titles


def seed_spread(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the spread of each network's seeds; networks with one finished seed are left out.

    Returns:
        The columns of `GROUP` with auroc, auroc_low, auroc_high (means over seeds), n (finished
        seeds) and sd (standard deviation between seeds, n - 1).
    """
    done = cells[cells["auroc"].notna()]
    grouped = done.groupby(GROUP, sort=False)
    table = grouped[["auroc", "auroc_low", "auroc_high"]].mean()
    table["n"] = grouped["auroc"].size()
    table["sd"] = grouped["auroc"].std()
    return table[table["n"] > 1].reset_index()


def seeds_lack(data: FigureData) -> str:
    """Say why there is no spread to draw, or nothing where there is one."""
    none = "No network of this study has finished with two seeds."
    return none if seed_spread(data.cells).empty else ""


def seed_plot(data: FigureData) -> Figure:
    """Draw each network's seeds around their mean, over the patients' interval."""
    spread = seed_spread(data.cells)
    settings = [s for s in settings_of(data.cells) if len(at_setting(spread, s))]
    shown = set(spread["pretraining"])
    marks = {name: mark for name, mark in data.marks.items() if name in shown}
    heights = [len(at_setting(spread, setting)) for setting in settings]
    figure = style.new_figure(
        sum(heights) * ROW + EDGES * len(settings) + style.legend_height(marks) - 0.25
    )
    axes = figure.subplots(len(settings), 1, squeeze=False, sharex=True, height_ratios=heights)
    order = by_skill(seed_means(data.cells))
    for setting, ax in zip(settings, axes[:, 0], strict=True):
        rows = at_setting(spread, setting)
        key = {"architecture": order.index, "pretraining": list(marks).index}
        rows = rows.sort_values(
            ["architecture", "truncation", "pretraining"],
            key=lambda column: column.map(key[column.name]) if column.name in key else column,
        )
        _panel(ax, rows, data.finished, marks)
        ax.set_title(setting_title(setting, settings))
    axes[-1, 0].xaxis.set_major_locator(style.few_ticks())
    axes[-1, 0].set_xlabel("Macro AUROC minus the mean of the seeds")
    style.legend(figure, axes[0, 0], marks)
    return figure


def _panel(ax: Axes, rows: pd.DataFrame, cells: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    labels: list[str] = []
    names = shortened(rows["architecture"], 28)
    for y, row in enumerate(rows.to_dict("records")):
        mark, mean = marks[row["pretraining"]], row["auroc"]
        low, high = row["auroc_low"] - mean, row["auroc_high"] - mean
        ax.plot([low, high], [y, y], color=style.LINE, linewidth=7, solid_capstyle="butt")
        same = cells
        for axis in GROUP:
            same = same[same[axis] == row[axis]]
        ax.plot(
            same["auroc"] - mean,
            [y] * len(same),
            linestyle="none",
            marker=mark.marker,
            markersize=5.5,
            color=mark.colour,
            markeredgecolor=style.PAPER,
            markeredgewidth=0.6,
        )
        note = f"SD {row['sd']:.3f}"
        ax.text(1.01, y, note, transform=across, va="center", color=style.MUTED, fontsize=9)
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
    ax.axvline(0, color=style.INK, linewidth=0.8)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)
