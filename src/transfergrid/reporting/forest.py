"""Dots with intervals, one under the other: AUROC of each network, and each paired contrast."""

from __future__ import annotations

import matplotlib.transforms as transforms
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting import style
from transfergrid.reporting.contrast_labels import shorten
from transfergrid.reporting.figure_data import (
    FigureData,
    by_skill,
    limits,
    seed_means,
    setting_title,
    settings_of,
    truncation_name,
)
from transfergrid.reporting.words import difference

ROW = 0.2  # inches from one dot to the next
HEADER = 1.25  # rows that an architecture's name takes
GAP = 0.45  # rows between truncations
EDGES = 1.0  # inches for axis, legend and titles


def auroc_forest(data: FigureData) -> Figure:
    """Draw AUROC by architecture, truncation and pretraining; a panel per dataset and protocol."""
    settings = settings_of(data.cells)
    marks = style.marks_of(data.pretrainings)
    panels = []
    for dataset, protocol in settings:
        here = (data.cells["dataset"] == dataset) & (data.cells["protocol"] == protocol)
        panels.append(data.cells[here])
    heights = [_forest_height(panel) for panel in panels]
    figure = style.new_figure(sum(heights) * ROW + EDGES * len(panels) + 0.2)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    shared = limits(data.cells["auroc"], data.cells["auroc_low"], data.cells["auroc_high"])
    for panel, ax, setting in zip(panels, axes, settings, strict=True):
        _forest_panel(ax, panel, marks)
        ax.set_title(setting_title(setting, settings))
        ax.set_xlim(shared)
    axes[-1].set_xlabel("Macro AUROC on the test split")
    style.legend(figure, axes[0], marks)
    return figure


def _forest_height(panel: pd.DataFrame) -> float:
    means = seed_means(panel)
    truncations = means.groupby(["architecture", "truncation"]).ngroups
    return len(means) + HEADER * means["architecture"].nunique() + GAP * truncations


def _forest_panel(ax: Axes, panel: pd.DataFrame, marks: dict[str, style.Mark]) -> None:
    means = seed_means(panel)
    several = means["truncation"].nunique() > 1
    order = list(marks)
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for architecture in by_skill(means):
        y += HEADER
        _header(ax, y - 0.75, architecture)
        network = means[means["architecture"] == architecture]
        for truncation in sorted(network["truncation"].unique()):
            rows = network[network["truncation"] == truncation]
            rows = rows.sort_values("pretraining", key=lambda names: names.map(order.index))
            ticks.append((y + (len(rows) - 1) / 2, truncation_name(truncation)))
            for row in rows.to_dict("records"):
                _forest_row(ax, y, row, panel, marks[row["pretraining"]])
                y += 1
            y += GAP
    ax.set_ylim(y - GAP, -0.1)
    ax.set_yticks([at for at, _ in ticks] if several else [])
    if several:
        ax.set_yticklabels([label for _, label in ticks])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)


def _header(ax: Axes, y: float, text: str) -> None:
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    ax.text(0.005, y, text, transform=across, weight="bold", va="center", clip_on=True)
    ax.axhline(y - 0.5, color=style.LINE, linewidth=0.8)


def _forest_row(ax: Axes, y: float, row: dict, panel: pd.DataFrame, mark: style.Mark) -> None:
    same = panel[
        (panel["architecture"] == row["architecture"])
        & (panel["pretraining"] == row["pretraining"])
        & (panel["truncation"] == row["truncation"])
    ]
    if row["n_finished"] < row["n_cells"]:
        across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
        note = f"{row['n_finished']} of {row['n_cells']} seeds"
        ax.text(1, y, note, transform=across, ha="right", va="center", color=style.MUTED)
    if row["n_finished"] == 0:
        return
    ax.plot([row["auroc_low"], row["auroc_high"]], [y, y], color=mark.colour, linewidth=2)
    if row["n_finished"] > 1:
        ax.scatter(same["auroc"], [y] * len(same), s=14, color=style.PAPER, zorder=3)
        ax.scatter(same["auroc"], [y] * len(same), s=7, color=mark.colour, zorder=4)
    ax.plot(
        [row["auroc"]],
        [y],
        marker=mark.marker,
        markersize=7.5,
        color=mark.colour,
        markeredgecolor=style.PAPER,
        markeredgewidth=1,
        zorder=5,
    )


def boosts_forest(data: FigureData) -> Figure:
    """Draw each contrast's estimate with its interval around the line of no difference."""
    table = data.contrasts[data.contrasts["estimate"].notna()]
    if table.empty:
        return style.sentence_only("No contrast of this study has an estimate yet.")
    groups = [(str(name), part) for name, part in table.groupby("question", sort=False)]
    rows = 2 * len(table) + HEADER * len(groups)
    figure = style.new_figure(rows * ROW + EDGES)
    ax = figure.subplots()
    y = 0.0
    for question, part in groups:
        y += HEADER
        common, labels = shorten([str(name) for name in part["contrast"]])
        _header(ax, y - 0.75, f"{question}: {common}" if common else question)
        top = y - 0.35
        for row, label in zip(part.to_dict("records"), labels, strict=True):
            _contrast_row(ax, y, row, label)
            y += 2
        _margins(ax, part, top, y - 0.35)
    ax.axvline(0, color=style.INK, linewidth=1)
    low, high = _span(table)
    ax.set_xlim(low, high)
    ax.set_ylim(y - 0.2, -0.1)
    ax.set_yticks([])
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)
    metrics = " / ".join(str(metric) for metric in table["metric"].unique())
    ax.set_xlabel(f"Difference in {metrics.replace('auroc', 'macro AUROC')}")
    return figure


def _span(table: pd.DataFrame) -> tuple[float, float]:
    """Return the x axis: all estimates, zero, and three times the usual arm on either side.

    One interval of two wild seeds must not press all others into a dot; it runs off the panel.
    """
    arm = 3 * float(((table["high"] - table["low"]) / 2).median())
    low = max(table["low"].min(), table["estimate"].min() - arm)
    high = min(table["high"].max(), table["estimate"].max() + arm)
    return limits(pd.Series([low, high, 0.0]), table["estimate"])


def _contrast_row(ax: Axes, y: float, row: dict, label: str) -> None:
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    ax.text(0.005, y + 0.1, label, transform=across, va="center", clip_on=True)
    number = difference(row["estimate"], row["low"], row["high"])
    ax.text(1, y + 0.1, number, transform=across, va="center", ha="right")
    clear = row["low"] > 0 or row["high"] < 0
    colour = style.PALETTE[0]
    ax.plot([row["low"], row["high"]], [y + 1, y + 1], color=colour, linewidth=2)
    ax.plot(
        [row["estimate"]],
        [y + 1],
        marker="s",
        markersize=7,
        color=colour,
        markerfacecolor=colour if clear else style.PAPER,
        markeredgewidth=1.6,
        zorder=5,
    )


def _margins(ax: Axes, part: pd.DataFrame, top: float, bottom: float) -> None:
    # A contrast of equivalence or non-inferiority is read against its margin, not against zero.
    for margin in part["margin"].dropna().unique():
        for edge in (-margin, margin):
            ax.plot([edge, edge], [top, bottom], color=style.MUTED, linestyle=":", linewidth=1.2)
