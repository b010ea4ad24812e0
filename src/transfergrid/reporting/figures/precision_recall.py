"""Precision against recall: one panel per task, one line per pretraining, if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.average_precision import average_precision
from transfergrid.metrics.scoring import Parts
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import interval_of, seeds_of, tested_on
from transfergrid.reporting.tables.calibration import comparisons
from transfergrid.reporting.tables.networks import network_keys
from transfergrid.reporting.words import count, known, plural
from transfergrid.statistics.pooled import pool

METRIC = "average_precision"
SCORED = ["task", "value", "low", "high", "n", "n_pos"]
RECALL = np.arange(1, 51) / 50
PANEL, LINE = 2.2, 0.15  # inches of a panel's height without its title, and of a title's line
TITLE, NAME = 34, 11  # characters of a task's name, and of a pretraining's beside its numbers


@dataclass(frozen=True)
class Curve:
    """One line: the cells of a pretraining on one task.

    Attributes:
        pretraining: Its name.
        cells: Names of the cells that it is the mean of.
        average: Mean over cells of the average precision, and of the ends of its intervals.
    """

    pretraining: str
    cells: tuple[str, ...]
    average: tuple[float, float, float]


@dataclass(frozen=True)
class Panel:
    """One task of one data set, with the curves of pretrainings on the networks that they share."""

    dataset: str
    task: str
    n: int
    n_pos: int
    n_networks: int
    curves: tuple[Curve, ...]


def precision_at_positives(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the precision of the threshold that just finds each positive, most certain first.

    A threshold calls equal scores alike. The mean over positives is the average precision.

    Args:
        scores: (N,) numbers, higher for positives.
        labels: (N,) 0, 1, or NaN for what is not known and left out.

    Returns:
        (P,) precision in [0, 1] for each of the P positives; empty without any.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    there = ~np.isnan(y) & ~np.isnan(s)
    s, y = -s[there], y[there]
    order = np.argsort(s)
    s, y = s[order], y[order]
    called = np.searchsorted(s, s, side="right")
    precision = np.cumsum(y)[called - 1] / called
    return precision[y == 1]


def at_recall(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the precision at each recall in (0, 1], given that at each positive."""
    found = np.ceil(recall * len(precision) - 1e-9).astype(np.int64)
    return precision[np.maximum(found, 1) - 1]


def panels_of(data: FigureData) -> list[Panel]:
    """Return the panels: the tasks of each comparison of pretrainings on whole networks."""
    scores = data.scores
    if METRIC not in set(scores.get("metric", ())):
        return []
    scores = scores[(scores["metric"] == METRIC) & scores["task"].notna() & scores["value"].notna()]
    whole = data.finished[data.finished["truncation"] == 0]
    found = []
    for dataset, cells in whole.groupby("dataset", sort=False):
        keys = network_keys(cells)
        for compared in comparisons(cells):
            common = cells[keys.isin(compared.cells)]
            networks = len({network for network, _ in compared.cells})
            common = common[["cell", "pretraining"]]
            rows = common.merge(scores[["cell", *SCORED]], on="cell")
            for task, part in rows.groupby("task", sort=False):
                curves = tuple(
                    Curve(
                        name,
                        tuple(own["cell"]),
                        (own["value"].mean(), own["low"].mean(), own["high"].mean()),
                    )
                    for name in compared.pretrainings
                    if len(own := part[part["pretraining"] == name])
                )
                first = part.iloc[0]
                sizes = int(first["n"]), int(first["n_pos"]), networks
                found.append(Panel(str(dataset), str(task), *sizes, curves))
    return found


def lack(data: FigureData) -> str:
    """Say why there is no curve to draw; empty if there is one."""
    return "" if panels_of(data) else f"The study does not ask for {METRIC}, or has no value of it."


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells that title and caption are about, as those of the average precision."""
    drawn = {c for panel in panels_of(data) for curve in panel.curves for c in curve.cells}
    return data.finished[data.finished["cell"].isin(drawn)].assign(metric=METRIC)


def caption(data: FigureData) -> str:
    """State n, what is averaged, and the interval of the numbers above the panels."""
    panels = panels_of(data)
    data = data.only(drawn_cells(data))
    networks = sorted({panel.n_networks for panel in panels})
    cells = pd.Series([len(curve.cells) for panel in panels for curve in panel.curves])
    few, many = count(networks[0]), plural(networks[-1], "whole network")
    on = many if len(networks) == 1 else f"{few} to {many}"
    lines = plural(int(cells.max()), "cell")
    return (
        f"Precision against recall of each task's ensembles, on {on} that all compared "
        f"pretrainings have; {tested_on(data)}; {seeds_of(data)}. Lines: mean precision of up to "
        f"{lines} at equal recall; a threshold calls equal probabilities alike. The area under a "
        "line is the mean average precision (AP), which stands above the panel with the mean over "
        f"cells of each cell's {interval_of(data)}. Dashed: the share of positives, which is the "
        "precision of guessing. No test is made here: see the paired differences."
    )


def draw(data: FigureData) -> Figure:
    """Draw the mean curve of every pretraining over the share of positives, a panel per task."""
    panels = panels_of(data)
    several = len({panel.dataset for panel in panels}) > 1
    shown = {curve.pretraining for panel in panels for curve in panel.curves}
    marks = {name: mark for name, mark in data.marks.items() if name in shown}
    lines = 3 + max(len(panel.curves) for panel in panels)
    rows = -(-len(panels) // 2)
    figure = style.new_figure(rows * (PANEL + lines * LINE) + style.legend_height(marks) + 0.25)
    axes = style.panels(figure, ["Precision"] * len(panels))
    curves = _curves(data, panels)
    for ax, panel in zip(axes, panels, strict=True):
        ax.axhline(panel.n_pos / panel.n, color=palette.MUTED, linewidth=0.9, linestyle="--")
        for curve in panel.curves:
            precision = np.mean([curves[cell, panel.task] for cell in curve.cells], axis=0)
            mark = marks[curve.pretraining]
            ax.plot(
                RECALL,
                precision,
                color=mark.colour,
                drawstyle="steps-pre",
                marker=mark.marker,
                markersize=4,
                markevery=12,
            )
        ax.set_title("\n".join(_title(panel, several)), fontsize=8.5, fontweight="normal")
        _frame(ax, square=len(panels) > 1)
    figure.supxlabel("Recall", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _curves(
    data: FigureData, panels: Sequence[Panel]
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return by cell and task the precision at every `RECALL`, each ensemble read once."""
    tasks: dict[str, set[str]] = {}
    for panel in panels:
        for cell in (cell for curve in panel.curves for cell in curve.cells):
            tasks.setdefault(cell, set()).add(panel.task)
    found = {}
    for cell, wanted in tasks.items():
        parts = _folds_of_tasks([data.ensembles[part] for part in data.parts(cell)])
        for task in wanted:
            found[cell, task] = np.mean([_at_recall(part, task) for part in parts[task]], axis=0)
    return found


def _folds_of_tasks(parts: Sequence[Ensemble]) -> dict[str, list[Ensemble]]:
    """Return by task the folds that its average precision is the mean of."""
    tasks = parts[0].tasks
    if len(parts) == 1:
        return {task: list(parts) for task in tasks}
    used = pool({str(fold): _measured(part) for fold, part in enumerate(parts)}).used
    return {
        task: [part for part, there in zip(parts, column, strict=True) if there]
        for task, column in zip(tasks, used.T, strict=True)
    }


def _measured(part: Ensemble) -> Parts:
    """Return the average precision of every task in one fold."""
    patient = np.unique(part.patient_id, return_inverse=True)[1]
    columns = zip(part.probabilities.T, part.labels.T, strict=True)
    found = [average_precision(scores[None], labels, patient) for scores, labels in columns]
    return Parts(
        part.tasks,
        np.array([estimate[0] for estimate, _ in found]),
        np.stack([contributions[0] for _, contributions in found]),
        part.patient_id,
        part.labels,
    )


def _at_recall(part: Ensemble, task: str) -> NDArray[np.float64]:
    column = part.tasks.index(task)
    precision = precision_at_positives(part.probabilities[:, column], part.labels[:, column])
    return at_recall(precision, RECALL)


def _title(panel: Panel, several: bool) -> list[str]:
    task = shortened([panel.task], TITLE)[panel.task].replace("_", " ")
    lines = [f"{panel.dataset}: {task}"] if several else [task]
    lines += [f"{count(panel.n_pos)} of {count(panel.n)} positive"]
    lines += [f"AP on {plural(panel.n_networks, 'network')}:"]
    for curve in panel.curves:
        value, low, high = curve.average
        interval = f" ({low:.2f}–{high:.2f})" if known(low) and known(high) else ""
        name = shortened([curve.pretraining], NAME)[curve.pretraining]
        lines.append(f"{name}: {value:.2f}{interval}")
    return lines


def _frame(ax: Axes, square: bool) -> None:
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 1.02)
    if square:
        ax.set_box_aspect(1)
