"""ROC and precision-recall curves of the compared arms, a row per task, with bands by patient."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import tested_on
from transfergrid.reporting.figures.summaries import MOST_CURVES as MOST
from transfergrid.reporting.figures.summaries import truncation_name
from transfergrid.reporting.words import count, level, listing, plurals

ARM = list(PLACE)
ROC, PRECISION_RECALL = "roc", "precision_recall"
PANEL, LINE = 2.3, 0.15  # inches of a panel's height without its title, and of a title's line
TITLE, NAME = 34, 20  # characters of a task's name, and of a pretraining's beside its area
AREA = {ROC: "AUROC", PRECISION_RECALL: "AP"}
AXES = {ROC: ("False positive rate", "Sensitivity"), PRECISION_RECALL: ("Recall", "Precision")}


@dataclass(frozen=True)
class Panel:
    """One task of a data set.

    Attributes:
        dataset: The data set.
        task: The task.
        rows: Rows of curves.csv, of all compared arms and both kinds of curve.
    """

    dataset: str
    task: str
    rows: pd.DataFrame

    def curve(self, kind: str, pretraining: str) -> pd.DataFrame:
        """Return the points of one arm's curve."""
        there = (self.rows["curve"] == kind) & (self.rows["pretraining"] == pretraining)
        return self.rows[there]

    @property
    def pretrainings(self) -> list[str]:
        """The compared arms' pretrainings, the baseline first."""
        return list(self.rows["pretraining"].unique())


def panels_of(data: FigureData) -> list[Panel]:
    """Return the tasks that have a curve, data set by data set."""
    if data.curves.empty:
        return []
    there = data.curves[data.curves["y"].notna()]
    grouped = there.groupby(["dataset", "task"], sort=False)
    return [Panel(str(dataset), str(task), rows) for (dataset, task), rows in grouped]


def lack(data: FigureData) -> str:
    """Say why there is no curve to draw; empty if there is one."""
    return "" if panels_of(data) else "The study does not ask for curves, or has none."


def caption(data: FigureData) -> str:
    """State which arms are compared and why, what is averaged, n, and what the bands are."""
    panels = panels_of(data)
    more = f" Of {len(panels)} tasks the first {MOST} are drawn." if len(panels) > MOST else ""
    tested = tested_on(data.only(shown_cells(data)))
    return (
        "ROC curves (left) and precision against recall (right) on the test split, of "
        f"{listing(_arms(data))}. {tested}. Lines: the mean of the curves of single trainings at "
        "equal false positive rate or recall, whose raw scores are not pooled. Above each panel: "
        "the mean of their AUROCs, or average precisions (AP). Bands: "
        f"{level(data.confidence)} at each point, by a bootstrap of patients, for these trainings; "
        "they are no band of the whole curve, and bands that overlap are no test. Dashed: guessing."
        f"{more}"
    )


def shown_cells(data: FigureData) -> pd.DataFrame:
    """Return the rows of the cells of arms whose curves are drawn."""
    return data.cells.merge(data.curves[ARM].drop_duplicates(), on=ARM)


def _arms(data: FigureData) -> list[str]:
    """Say for each data set which network is shown, how often trained, and how it was chosen."""
    found = []
    for dataset, rows in data.curves.groupby("dataset", sort=False):
        first = rows.iloc[0]
        cut = f", {truncation_name(first['truncation'])}" if first["truncation"] else ""
        asked = (rows["chosen"] == "asked").all()
        how = "as asked" if asked else "the arm with the best mean validation score"
        if not asked and rows["pretraining"].nunique() > 1:
            how += ", and its baseline"
        seeds = plurals(rows["n_seeds"], "seed")
        folds = f" and {plurals(rows['n_folds'], 'fold')}" if rows["n_folds"].max() > 1 else ""
        found.append(f"{first['architecture']}{cut} on {dataset} ({how}; {seeds}{folds})")
    return found


def draw(data: FigureData) -> Figure:
    """Draw a row of two panels per task, a line and its band per pretraining."""
    every = panels_of(data)
    panels, several = every[:MOST], len({panel.dataset for panel in every}) > 1
    shown = {name for panel in panels for name in panel.pretrainings}
    marks = {name: mark for name, mark in data.marks.items() if name in shown}
    lines = 2 + max(len(panel.pretrainings) for panel in panels)
    high = len(panels) * (PANEL + lines * LINE) + style.legend_height(marks) + 0.1
    figure = style.new_figure(high)
    axes = style.panels(figure, [AXES[kind][1] for _ in panels for kind in AXES])
    for number, panel in enumerate(panels):
        for kind, ax in zip(AXES, axes[2 * number : 2 * number + 2], strict=True):
            _draw_panel(ax, panel, kind, marks)
            ax.set_title("\n".join(_title(panel, kind, several)), fontsize=8.5, fontweight="normal")
            ax.set_xlabel(AXES[kind][0] if number == len(panels) - 1 else "")
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _draw_panel(ax: Axes, panel: Panel, kind: str, marks: dict[str, palette.Mark]) -> None:
    first = panel.rows.iloc[0]
    chance = (0.0, 1.0) if kind == ROC else (first["n_pos"] / first["n"],) * 2
    ax.plot((0, 1), chance, color=palette.MUTED, linewidth=0.9, linestyle="--")
    for name in panel.pretrainings:
        rows, mark = panel.curve(kind, name), marks[name]
        steps = kind == PRECISION_RECALL
        ax.fill_between(
            rows["x"],
            rows["low"],
            rows["high"],
            step="pre" if steps else None,
            color=mark.colour,
            alpha=0.18,
            linewidth=0,
        )
        ax.plot(
            rows["x"],
            rows["y"],
            color=mark.colour,
            drawstyle="steps-pre" if steps else "default",
            marker=mark.marker,
            markersize=4,
            markevery=max(1, len(rows) // 4),
        )
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 1.02)
    ax.set_box_aspect(1)


def _title(panel: Panel, kind: str, several: bool) -> list[str]:
    first = panel.rows.iloc[0]
    task = shortened([panel.task], TITLE)[panel.task].replace("_", " ")
    lines = [f"{panel.dataset}: {task}" if several else task]
    lines.append(f"{count(first['n_pos'])} of {count(first['n'])} positive")
    for name in panel.pretrainings:
        short = shortened([name], NAME)[name]
        lines.append(f"{short}: {AREA[kind]} {panel.curve(kind, name)['area'].iloc[0]:.2f}")
    return lines
