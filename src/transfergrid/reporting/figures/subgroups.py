"""What networks score on groups of patients or films: dots with intervals, a panel per column."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.cases import cases
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.forest import EDGES, HEADER, ROW, dot, heading
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import interval_of, lower_is_better, seeds_of
from transfergrid.reporting.figures.summaries import limits
from transfergrid.reporting.metric_words import of_tasks
from transfergrid.reporting.words import known, plural

VALUES = ["value", "low", "high"]


def lack(data: FigureData) -> str:
    """Say why there is no group to draw; empty if there is one."""
    if data.subgroups.empty:
        return "The study asks for no groups of patients or films."
    return "" if rows_of(data)["value"].notna().any() else "No group of this study has a value."


def rows_of(data: FigureData) -> pd.DataFrame:
    """Return the rows that are drawn: means over seeds of the whole, by the primary metric."""
    table = data.subgroups
    primary = data.cells.drop_duplicates("dataset").set_index("dataset")["metric"]
    whole = ~table["task"].map(known) & ~table["cell"].map(known)
    return table[whole & (table["metric"] == table["dataset"].map(primary))]


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells of data sets that have groups."""
    return data.cells[data.cells["dataset"].isin(rows_of(data)["dataset"])]


def means_of(panel: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over the networks of each pretraining, group by group, with its counts."""
    grouped = panel.groupby(["group", "pretraining"], sort=False)
    found = grouped[VALUES].mean()
    counts = grouped[["n", "n_patients"]].first()
    return found.join(counts).join(grouped["value"].count().rename("networks")).reset_index()


def draw(data: FigureData) -> Figure:
    """Draw values by group and pretraining; a panel per data set and column."""
    table = rows_of(data)
    panels = [panel for _, panel in table.groupby(["dataset", "column"], sort=False)]
    shown = set(table["pretraining"])
    marks = {name: mark for name, mark in data.marks.items() if name in shown}
    heights = [
        panel["group"].nunique() * (HEADER + panel["pretraining"].nunique()) for panel in panels
    ]
    figure = style.new_figure(sum(heights) * ROW + EDGES * len(panels) + style.legend_height(marks))
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    several = table["dataset"].nunique() > 1
    for panel, ax in zip(panels, axes, strict=True):
        _panel(ax, panel, marks, data.masked)
        first = panel.iloc[0]
        ax.set_title(f"{first['dataset']}, {first['column']}" if several else first["column"])
        same = table[table["metric"] == first["metric"]]
        ax.set_xlim(limits(*(same[name] for name in VALUES)))
        every = data.subgroups.loc[data.subgroups["dataset"] == first["dataset"], "task"]
        metric = of_tasks(data.metric(panel), filter(known, every))
        ax.set_xlabel(f"{metric.score} on the test images of a group{metric.direction}")
    style.legend(figure, axes[0], marks)
    return figure


def _panel(
    ax: Axes, panel: pd.DataFrame, marks: dict[str, palette.Mark], masked: Collection[str]
) -> None:
    means = means_of(panel).set_index(["group", "pretraining"])
    y = 0.0
    for group in panel["group"].unique():
        y += HEADER
        first = panel[panel["group"] == group].iloc[0]
        tested = cases(first["n"], [first["dataset"]], masked)
        told = f"{tested} of {plural(first['n_patients'], 'patient')}"
        heading(ax, y - 0.75, f"{shortened([str(group)], 30)[str(group)]}: {told}")
        for name, mark in marks.items():
            if (group, name) not in means.index:
                continue
            own = panel[(panel["group"] == group) & (panel["pretraining"] == name)]
            _row(ax, y, means.loc[(group, name)], own["value"], mark)
            y += 1
    ax.set_ylim(y, -0.1)
    ax.set_yticks([])
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)


def _row(ax: Axes, y: float, mean: pd.Series, values: pd.Series, mark: palette.Mark) -> None:
    if not known(mean["value"]):
        ax.text(
            0.5, y, "no value", transform=ax.get_yaxis_transform(), va="center", color=palette.MUTED
        )
        return
    ax.plot([mean["low"], mean["high"]], [y, y], color=mark.colour, linewidth=2)
    if values.notna().sum() > 1:
        ax.scatter(values, [y] * len(values), s=7, color=mark.colour, zorder=4)
    dot(ax, mean["value"], y, mark)


def caption(data: FigureData) -> str:
    """State what a dot is, the interval, and that overlap is no test."""
    table, data = rows_of(data), data.only(drawn_cells(data))
    without = table.groupby(["group", "column"], sort=False)["value"].count()
    lost = [f"{group} ({column})" for group, column in without[without == 0].index]
    several = table.groupby(["dataset", "pretraining", "column", "group"]).size().max() > 1
    dots = (
        "Large markers: mean over the networks of a pretraining; small dots: single networks; "
        "lines: mean over networks of their"
        if several
        else "Lines:"
    )
    text = (
        f"Scores on the test images of each group alone, mean over {seeds_of(data)}. {dots} "
        f"{interval_of(data)}, with the variance between seeds. Overlap of two lines is no test: "
        "the differences in subgroup_gaps.csv are. Groups differ in how ill they are, so that a "
        f"difference has many possible causes.{lower_is_better(data, table)}"
    )
    return text + (f" Without a value: {', '.join(lost)}." if lost else "")
