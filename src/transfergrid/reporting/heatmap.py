"""AUROC of every network and task as a grid of numbers on colour, a panel per pretraining."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from transfergrid.reporting import style
from transfergrid.reporting.figure_data import (
    FigureData,
    by_skill,
    seed_means,
    setting_title,
    settings_of,
)

# Even in lightness, and told apart with every kind of colour vision.
COLOURS = "cividis"
# Numbers stand on the colours of cells, which a dark page leaves as they are.
LIGHT, DARK = "#fdfdfd", "#111111"
ROW, TITLE = 0.19, 0.3  # inches of a network's row, and above a panel
CHARACTER = 0.075  # inches of a character of 8 pt, about


def tasks_of(cells: pd.DataFrame) -> list[str]:
    """Return the tasks that a table of cells has columns for."""
    return [name.removeprefix("n_pos_") for name in cells.columns if name.startswith("n_pos_")]


def task_means(cells: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Return the mean AUROC over seeds: a row per architecture and truncation, a column per task.

    Tasks that none of the cells has an AUROC for are left out.

    Args:
        cells: Rows of cells.csv.
        order: Architectures, the first row's first.
    """
    tasks = [task for task in tasks_of(cells) if cells[f"auroc_{task}"].notna().any()]
    grouped = cells.groupby(["architecture", "truncation"], sort=False)
    table = grouped[[f"auroc_{task}" for task in tasks]].mean()
    table.columns = pd.Index(tasks)
    return table.loc[sorted(table.index, key=lambda key: (order.index(key[0]), key[1]))]


def task_heatmap(data: FigureData) -> Figure:
    """Draw the per-task AUROC of all networks, pretrainings one under the other."""
    settings = settings_of(data.cells)
    panels: list[tuple[str, pd.DataFrame]] = []
    for dataset, protocol in settings:
        here = data.finished
        here = here[(here["dataset"] == dataset) & (here["protocol"] == protocol)]
        # One order for all pretrainings, so that rows can be compared.
        order = by_skill(seed_means(here))
        for pretraining in data.pretrainings:
            part = here[here["pretraining"] == pretraining]
            if len(part) and tasks_of(part):
                where = setting_title((dataset, protocol), settings)
                title = " · ".join(filter(None, (pretraining, where)))
                panels.append((title, task_means(part, order)))
    if not panels:
        return style.sentence_only("No network of this study has an AUROC for a single task yet.")
    values = np.concatenate([table.to_numpy().ravel() for _, table in panels])
    scale = Normalize(float(np.nanmin(values)), max(float(np.nanmax(values)), 1e-9))
    longest = max(len(task) for _, table in panels for task in table.columns)
    head = longest * CHARACTER * 0.62 + 0.1
    heights = [TITLE + head + ROW * len(table) for _, table in panels]
    figure = style.new_figure(sum(heights) + 0.1)
    figure.set_layout_engine("none")
    left = 0.06 + CHARACTER * max(len(_label(key)) for _, t in panels for key in t.index)
    top = sum(heights) + 0.1
    for (title, table), height in zip(panels, heights, strict=True):
        figure.text(0.01, (top - 0.15) / figure.get_figheight(), title, weight="bold", va="center")
        bottom, tall = top - height, ROW * len(table)
        # Names rise to the right: the last one ends beyond its column.
        room = style.WIDTH - left - max(0.35, 0.62 * CHARACTER * len(str(table.columns[-1])))
        wide = min(room, 0.55 * table.shape[1])
        high = figure.get_figheight()
        box = (left / style.WIDTH, bottom / high, wide / style.WIDTH, tall / high)
        ax = figure.add_axes(box)
        _panel(ax, table, scale)
        top -= height
    return figure


def _label(key: tuple[str, int]) -> str:
    return key[0] if key[1] == 0 else f"{key[0]} −{key[1]}"


def _panel(ax: Axes, table: pd.DataFrame, scale: Normalize) -> None:
    colours: Colormap = matplotlib.colormaps[COLOURS]
    values = table.to_numpy(dtype=float)
    rows, columns = values.shape
    ax.pcolormesh(
        np.arange(columns + 1),
        np.arange(rows + 1),
        np.ma.masked_invalid(values),
        cmap=colours,
        norm=scale,
        edgecolors=style.PAPER,
        linewidth=1,
    )
    for (row, column), value in np.ndenumerate(values):
        text, ink = "–", style.MUTED
        if np.isfinite(value):
            text = f"{value:.2f}".removeprefix("0")
            ink = DARK if scale(value) > 0.5 else LIGHT
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=ink)
    ax.set_xlim(0, columns)
    ax.set_ylim(rows, 0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    names = [str(name).replace("_", " ") for name in table.columns]
    ax.set_xticks(
        np.arange(columns) + 0.5, names, rotation=45, ha="left", fontsize=8, rotation_mode="anchor"
    )
    ax.set_yticks(np.arange(rows) + 0.5, [_label(key) for key in table.index], fontsize=8)
