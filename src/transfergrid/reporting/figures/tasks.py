"""The score of every network and task as a grid of numbers on colour, a panel per pretraining.

Data sets with one task have no grid: what it would show is in the figure of scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import interval_of, seeds_of, tested_on
from transfergrid.reporting.figures.summaries import (
    at_setting,
    by_skill,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.words import capital, listing

# Even in lightness, and told apart with every kind of colour vision.
COLOURS = "cividis"
# Numbers stand on the colours of cells, which a dark page leaves as they are.
LIGHT, DARK = "#fdfdfd", "#111111"
ROW, TITLE = 0.19, 0.3  # inches of a network's row, and above a panel
CHARACTER = 0.075  # inches of a character of 8 pt, about
HEAD = 0.62 * CHARACTER  # inches that a character of a slanted name rises
TASKS = 14  # tasks side by side; with more, their numbers would touch
ROWS = 30  # characters of a network's name
STAR = "*"


def task_scores(data: FigureData) -> pd.DataFrame:
    """Return the score of every finished cell and task in its data set's metric, with its place.

    Returns:
        The rows of scores.csv with a value, with the columns of cells.csv; of data sets that have
        several tasks.
    """
    scores = data.scores
    if scores.empty:
        return scores
    scores = scores[scores["task"].notna() & scores["value"].notna()]
    named = scores.reindex(columns=["cell", "metric", "task", "value", "n_folds"])
    found = data.finished.merge(named, on=["cell", "metric"], how="inner")
    return found[found.groupby("dataset")["task"].transform("nunique") > 1]


def task_means(
    scores: pd.DataFrame, order: list[str], column: str = "value", by: str = "mean"
) -> pd.DataFrame:
    """Return the mean score over seeds: a row per architecture and truncation, a column per task.

    Args:
        scores: Rows of `task_scores`.
        order: Architectures, the first row's first.
        column: Another of its columns to take, instead of the score.
        by: What to take of the seeds, instead of the mean.
    """
    tasks = list(dict.fromkeys(scores["task"]))
    groups = scores.groupby(["architecture", "truncation", "task"], sort=False)[column]
    table = groups.agg(by).unstack("task")[tasks]
    return table.loc[sorted(table.index, key=lambda key: (order.index(key[0]), key[1]))]


@dataclass(frozen=True)
class Grid:
    """One panel, over some of its data set's tasks: the networks of a pretraining, or one in all.

    `partial` has the shape of `table`, and tells which scores rest on some of the folds only;
    `rows` names the rows.
    """

    title: str
    table: pd.DataFrame
    partial: pd.DataFrame
    rows: tuple[str, ...]
    metric: MetricWords


@dataclass(frozen=True)
class Part:
    """The networks of a pretraining, over all tasks of its data set."""

    pretraining: str
    table: pd.DataFrame
    partial: pd.DataFrame


def _grids(data: FigureData) -> list[Grid]:
    settings = settings_of(data.cells)
    scores = task_scores(data)
    found: list[Grid] = []
    for setting in settings if len(scores) else ():
        here = at_setting(data.finished, setting)
        metric = data.metric(here)
        # One order for all pretrainings, so that rows can be compared.
        order = by_skill(seed_means(here), metric.higher_is_better)
        parts = list(_parts(data, at_setting(scores, setting), order, _folds(data, setting[0])))
        where = setting_title(setting, settings)
        # Panels of a row each would be more titles than numbers.
        alone = len(parts) > 1 and all(len(part.table) == 1 for part in parts)
        found += (_together if alone else _apart)(parts, where, metric)
    return found


def _parts(data: FigureData, scores: pd.DataFrame, order: list[str], folds: int) -> Iterator[Part]:
    for name in data.pretrainings:
        own = scores[scores["pretraining"] == name]
        if len(own):
            least = task_means(own, order, "n_folds", "min")
            yield Part(name, task_means(own, order), least < folds)


def _apart(parts: list[Part], where: str, metric: MetricWords) -> Iterator[Grid]:
    for part in parts:
        title = " · ".join(filter(None, (part.pretraining, where)))
        rows = tuple(map(_label, part.table.index))
        yield from _in_width(title, part.table, part.partial, rows, metric)


def _together(parts: list[Part], where: str, metric: MetricWords) -> Iterator[Grid]:
    networks = [_label(part.table.index[0]) for part in parts]
    several = len(set(networks)) > 1
    rows = tuple(
        f"{network}, {part.pretraining}" if several else part.pretraining
        for network, part in zip(networks, parts, strict=True)
    )
    title = " · ".join(filter(None, ("" if several else networks[0], where)))
    table = pd.concat([part.table for part in parts])
    partial = pd.concat([part.partial for part in parts])[table.columns].eq(True)
    yield from _in_width(title, table, partial, rows, metric)


def _in_width(
    title: str,
    table: pd.DataFrame,
    partial: pd.DataFrame,
    rows: tuple[str, ...],
    metric: MetricWords,
) -> Iterator[Grid]:
    for first in range(0, table.shape[1], TASKS):
        shown = slice(first, first + TASKS)
        yield Grid(title, table.iloc[:, shown], partial.iloc[:, shown], rows, metric)


def _folds(data: FigureData, dataset: str) -> int:
    """Return the folds of a data set that are in the study; 0 for one without folds."""
    if data.folds.empty:
        return 0
    return int(data.folds.loc[data.folds["dataset"] == dataset, "fold"].nunique())


def lack(data: FigureData) -> str:
    """Say why there is no grid to draw, or nothing where there is one."""
    several = len(task_scores(data)) > 0
    return "" if several else "No network of this study has a score for more than one task."


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells that title and caption are about."""
    return data.finished[data.finished["cell"].isin(task_scores(data)["cell"])]


def caption(data: FigureData) -> str:
    """State n, what the colours are, and where intervals stand."""
    data = data.only(drawn_cells(data))
    cuts = "−1, −2: blocks removed. " if data.cells["truncation"].nunique() > 1 else ""
    grids = _grids(data)
    metrics = list(dict.fromkeys(grid.metric for grid in grids))
    named = listing([f"{metric.inline}{metric.direction}" for metric in metrics])
    scale = "on one scale" if len(metrics) == 1 else "on one scale for each"
    some = any(grid.partial.to_numpy().any() for grid in grids)
    starred = f"A score with {STAR} rests on some of the folds: others lack a class. " * some
    bright = "Brighter is better" if any(m.direction for m in metrics) else "Brighter is higher"
    return (
        f"{capital(named)} of every task, mean over {seeds_of(data)}; "
        f"{tested_on(data)}. {cuts}{bright}, {scale}. {starred}The {interval_of(data)} of "
        "every number, and the count of positives, stand in scores.csv. No test is made."
    )


def draw(data: FigureData) -> Figure:
    """Draw the score of all networks and tasks, pretrainings one under the other.

    The tasks' names stand above the first panel of those that share them.
    """
    grids = _grids(data)
    scales = {grid.metric: _scale(grids, grid.metric) for grid in grids}
    labels = shortened([name for grid in grids for name in grid.rows], ROWS)
    heads = [
        HEAD * max(len(str(task)) for task in grid.table) + 0.1
        if number == 0 or list(grid.table) != list(grids[number - 1].table)
        else 0.05
        for number, grid in enumerate(grids)
    ]
    heights = [
        TITLE + head + ROW * len(grid.table) for grid, head in zip(grids, heads, strict=True)
    ]
    high = sum(heights) + 0.1
    figure = style.new_figure(high)
    figure.set_layout_engine("none")
    left, top = 0.06 + CHARACTER * max(map(len, labels.values())), high
    # Names rise to the right: the last one ends beyond its column.
    room = style.WIDTH - left - max(0.35, *(HEAD * len(grid.table.columns[-1]) for grid in grids))
    for grid, head, height in zip(grids, heads, heights, strict=True):
        title = shortened([grid.title], 60)[grid.title]
        figure.text(0.01, (top - 0.15) / high, title, weight="bold", va="center")
        wide = min(room, 0.55 * grid.table.shape[1])
        tall = ROW * len(grid.table)
        box = (left / style.WIDTH, (top - height) / high, wide / style.WIDTH, tall / high)
        _panel(figure.add_axes(box), grid, scales[grid.metric], labels, names=head > 0.05)
        top -= height
    return figure


def _scale(grids: list[Grid], metric: MetricWords) -> Normalize:
    values = np.concatenate([g.table.to_numpy().ravel() for g in grids if g.metric == metric])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return Normalize(low, high if high > low else low + 1e-9)


def _label(key: tuple[str, int]) -> str:
    return key[0] if key[1] == 0 else f"{key[0]} −{key[1]}"


def _panel(ax: Axes, grid: Grid, scale: Normalize, labels: Mapping[str, str], names: bool) -> None:
    higher = grid.metric.higher_is_better
    colours: Colormap = matplotlib.colormaps[COLOURS if higher else f"{COLOURS}_r"]
    values = grid.table.to_numpy(dtype=float)
    rows, columns = values.shape
    ax.pcolormesh(
        np.arange(columns + 1),
        np.arange(rows + 1),
        np.ma.masked_invalid(values),
        cmap=colours,
        norm=scale,
        edgecolors=palette.PAPER,
        linewidth=1,
    )
    for (row, column), value in np.ndenumerate(values):
        ink = palette.MUTED
        if np.isfinite(value):
            ink = DARK if (scale(value) > 0.5) == higher else LIGHT
        text = _number(value, grid.metric.high) + STAR * bool(grid.partial.iat[row, column])
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=ink)
    ax.set_xlim(0, columns)
    ax.set_ylim(rows, 0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    rows_named = [labels[name] for name in grid.rows]
    ax.set_yticks(np.arange(rows) + 0.5, rows_named, fontsize=8)
    tasks = [str(name).replace("_", " ") for name in grid.table.columns] if names else []
    at = np.arange(len(tasks)) + 0.5
    ax.set_xticks(at, tasks, rotation=45, ha="left", fontsize=8, rotation_mode="anchor")


def _number(value: float, most: float) -> str:
    """Print a score in the four characters that a cell of the grid has room for.

    Where no score is above one, the zero before the point says nothing.
    """
    if not np.isfinite(value):
        return "–"
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
    if most <= 1:
        text = text.replace("-0.", "-.").removeprefix("0")
    return text.replace("-", "−")
