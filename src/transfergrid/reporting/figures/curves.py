"""Lines: AUROC against what is left of a network, and against examples seen in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import (
    FigureData,
    Setting,
    at_setting,
    limits,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.page.history import curve_of
from transfergrid.reporting.words import scaled

PANEL = 1.75  # inches of a small panel's height
TITLE = 26  # characters of a panel's title
LINES = ("-", "--", ":", "-.")
DODGE = 0.09
"""Blocks between the lines of two pretrainings, so that their intervals stand side by side."""


@dataclass(frozen=True)
class Cuts:
    """A network whole and truncated: one panel."""

    setting: Setting
    architecture: str
    rows: pd.DataFrame


def cuts_of(data: FigureData) -> list[Cuts]:
    """Return every network with a pretraining that was both kept whole and truncated."""
    means = seed_means(data.finished)
    found = []
    for setting in settings_of(data.cells):
        here = at_setting(means, setting)
        both = here.groupby(["architecture", "pretraining"])["truncation"]
        here = here[both.transform(lambda cuts: (cuts == 0).any() and (cuts > 0).any()) > 0]
        found += [
            Cuts(setting, str(n), part) for n, part in here.groupby("architecture", sort=False)
        ]
    return found


def truncation_lack(data: FigureData) -> str:
    """Say why there is no cut to draw, or nothing where there is one."""
    return "" if cuts_of(data) else "No network of this study was both kept whole and truncated."


def truncation_curves(data: FigureData) -> Figure:
    """Draw AUROC against the blocks that were removed, a panel per network.

    The bands are the margin of equivalence around the whole network, where a question fixed one.
    """
    cuts = cuts_of(data)
    drawn = pd.concat([cut.rows for cut in cuts])["pretraining"].unique()
    marks = {name: mark for name, mark in data.marks.items() if name in drawn}
    settings = list(dict.fromkeys(cut.setting for cut in cuts))
    names = shortened([cut.architecture for cut in cuts], TITLE)
    figure = style.new_figure(
        -(-len(cuts) // 2) * (PANEL + 0.25) + 0.55 + style.legend_height(marks)
    )
    axes = style.panels(figure, len(cuts))
    for ax, cut in zip(axes, cuts, strict=True):
        _cut_panel(ax, cut.rows, marks, truncation_margin(data.contrasts))
        where = setting_title(cut.setting, settings)
        ax.set_title("\n".join(filter(None, [names[cut.architecture], where])), fontsize=9)
    for ax in axes[::2]:
        ax.set_ylabel("AUROC")
    figure.supxlabel("Blocks removed; below, the parameters that are left", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def truncation_margin(contrasts: pd.DataFrame) -> float | None:
    """Return the margin within which a cut network counts as equal to the whole; None without one.

    Of several margins the narrowest.
    """
    cuts = (contrasts["axis"] == "truncation") & (contrasts["b"].astype(str) == "0")
    margins = contrasts.loc[cuts, "margin"].dropna()
    return None if margins.empty else float(margins.min())


def _cut_panel(
    ax: Axes, rows: pd.DataFrame, marks: Mapping[str, style.Mark], margin: float | None
) -> None:
    there = [name for name in marks if (rows["pretraining"] == name).any()]
    for number, name in enumerate(there):
        line = rows[rows["pretraining"] == name].sort_values("truncation")
        base = line.loc[line["truncation"] == 0, "auroc"]
        if margin is not None and len(base):
            at = float(base.iloc[0])
            ax.axhspan(at - margin, at + margin, color=marks[name].colour, alpha=0.13, linewidth=0)
        shift = DODGE * (number - (len(there) - 1) / 2)
        _interval_line(ax, line["truncation"] + shift, line, marks[name])
    whole = rows.loc[rows["truncation"] == 0, "auroc"]
    edges = [whole - (margin or 0), whole + (margin or 0)]
    ax.set_ylim(limits(rows["auroc_low"], rows["auroc_high"], *edges, share=0.08))
    left = rows.groupby("truncation")["params"].mean()
    # A panel has room for six labels.
    ticks = list(left.index)[:: -(-len(left) // 6)]
    ax.set_xticks(ticks, [f"{'whole' if cut == 0 else cut}\n{scaled(left[cut])}" for cut in ticks])
    ax.set_xlim(left.index.min() - 0.4, left.index.max() + 0.4)


def _interval_line(ax: Axes, x: pd.Series, rows: pd.DataFrame, mark: style.Mark) -> None:
    for at, low, high in zip(x, rows["auroc_low"], rows["auroc_high"], strict=True):
        ax.plot([at, at], [low, high], color=mark.colour, linewidth=1, alpha=0.7)
    ax.plot(
        x,
        rows["auroc"],
        color=mark.colour,
        marker=mark.marker,
        markersize=6.5,
        markeredgecolor=style.PAPER,
        markeredgewidth=0.8,
    )


def learning_lack(data: FigureData) -> str:
    """Say why there is no curve to draw, or nothing where there is one."""
    known = any(len(curve_of(data.histories.get(cell, ()))) > 1 for cell in data.cells["cell"])
    return "" if known else "No learning curve of this study has been recorded."


def learning_curves(data: FigureData) -> Figure:
    """Draw validation AUROC against training examples, a line per cell."""
    parts = {
        str(name): part
        for name, part in data.cells.groupby("architecture", sort=False)
        if any(curve_of(data.histories.get(cell, ())) for cell in part["cell"])
    }
    marks = data.marks
    truncations = sorted(int(t) for t in data.cells["truncation"].unique())
    lines = {t: LINES[i % len(LINES)] for i, t in enumerate(truncations)}
    names = shortened(parts, TITLE)
    figure = style.new_figure(-(-len(parts) // 2) * PANEL + 0.55 + style.legend_height(marks))
    axes = style.panels(figure, len(parts), sharey=True)
    seen = 0.0
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        for row in part.to_dict("records"):
            mark, dash = marks[row["pretraining"]], lines[int(row["truncation"])]
            seen = max(seen, _curve(ax, data, row["cell"], mark, dash))
        ax.set_title(names[name], fontsize=9)
    for ax in axes:
        ax.set_xlim(0, 1.05 * seen or 1)
        ax.xaxis.set_major_locator(style.few_ticks())
        ax.xaxis.set_major_formatter(lambda value, _: scaled(value) if value else "0")
    for ax in axes[::2]:
        ax.set_ylabel("AUROC")
    figure.supxlabel("Training examples", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _curve(ax: Axes, data: FigureData, cell: str, mark: style.Mark, dash: str) -> float:
    """Draw a cell's curve and return the examples at its end."""
    points = curve_of(data.histories.get(cell, ()))
    if not points:
        return 0.0
    x, y = zip(*points, strict=True)
    ax.plot(x, y, color=mark.colour, linestyle=dash, linewidth=1.3, alpha=0.85)
    ax.plot(x[-1:], y[-1:], color=mark.colour, marker=mark.marker, markersize=4)
    return max(x)
