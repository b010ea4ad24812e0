"""What truncation costs: the score against what is left of a network, a panel per network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import interval_of, scored_by, seeds_of, tested_on
from transfergrid.reporting.figures.summaries import (
    Setting,
    at_setting,
    cells_of,
    limits,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.words import plural, scaled

PANEL = 1.75  # inches of a small panel's height
TITLE, LABEL = 26, 18  # characters of a panel's title, and of a line of its y axis
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


def lack(data: FigureData) -> str:
    """Say why there is no cut to draw; empty if there is one."""
    return "" if cuts_of(data) else "No network of this study was both kept whole and truncated."


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells that title and caption are about."""
    return cells_of(data.finished, [cut.rows for cut in cuts_of(data)])


def caption(data: FigureData) -> str:
    """State n and interval, and what the bands are."""
    n = len({(cut.setting, cut.architecture) for cut in cuts_of(data)})
    data = data.only(drawn_cells(data))
    text = (
        f"{scored_by(data)} of {plural(n, 'network')} after removing final blocks; "
        f"{tested_on(data)}; mean over {seeds_of(data)}. Vertical lines: mean over seeds of each "
        f"cell's {interval_of(data)}; they are no test of a cut: the paired difference is."
    )
    margins = {name: margin_of(data, name) for name in dict.fromkeys(data.cells["metric"].dropna())}
    told = [
        f"±{margin:g}" + (f" {data.named(name).inline}" if len(margins) > 1 else "")
        for name, margin in margins.items()
        if margin is not None
    ]
    if told:
        text += (
            f" Bands: the margin of equivalence, {' and '.join(told)} around the whole network, "
            "fixed in advance; whether a line leaves its band decides nothing either."
        )
    return text


def draw(data: FigureData) -> Figure:
    """Draw scores against the blocks that were removed, a panel per network.

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
    metrics = [data.metric(cut.rows) for cut in cuts]
    labels = [style.wrapped(f"{each.title}{each.direction}", LABEL) for each in metrics]
    axes = style.panels(figure, labels)
    for ax, cut in zip(axes, cuts, strict=True):
        _panel(ax, cut.rows, marks, margin_of(data, str(cut.rows["metric"].iloc[0])))
        where = setting_title(cut.setting, settings)
        ax.set_title("\n".join(filter(None, [names[cut.architecture], where])), fontsize=9)
    figure.supxlabel("Blocks removed; below, the parameters that are left", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def margin_of(data: FigureData, metric: str) -> float | None:
    """Return the margin within which a cut network counts as equal to the whole; None without one.

    Of several margins in this metric, the narrowest counts.
    """
    rows = data.contrasts
    cuts = (rows["axis"] == "truncation") & (rows["b"].astype(str) == "0")
    margins = rows.loc[cuts & (rows["metric"] == metric), "margin"].dropna()
    return None if margins.empty else float(margins.min())


def _panel(
    ax: Axes, rows: pd.DataFrame, marks: Mapping[str, palette.Mark], margin: float | None
) -> None:
    there = [name for name in marks if (rows["pretraining"] == name).any()]
    for place, name in enumerate(there):
        line = rows[rows["pretraining"] == name].sort_values("truncation")
        base = line.loc[line["truncation"] == 0, "score"]
        if margin is not None and len(base):
            at = float(base.iloc[0])
            ax.axhspan(at - margin, at + margin, color=marks[name].colour, alpha=0.13, linewidth=0)
        shift = DODGE * (place - (len(there) - 1) / 2)
        _line(ax, line["truncation"] + shift, line, marks[name])
    whole = rows.loc[rows["truncation"] == 0, "score"]
    edges = [whole - (margin or 0), whole + (margin or 0)]
    ax.set_ylim(limits(rows["score_low"], rows["score_high"], *edges, share=0.08))
    left = rows.groupby("truncation")["params"].mean()
    # A panel has room for six labels.
    ticks = list(left.index)[:: -(-len(left) // 6)]
    ax.set_xticks(ticks, [f"{'whole' if cut == 0 else cut}\n{scaled(left[cut])}" for cut in ticks])
    ax.set_xlim(left.index.min() - 0.4, left.index.max() + 0.4)


def _line(ax: Axes, x: pd.Series, rows: pd.DataFrame, mark: palette.Mark) -> None:
    for at, low, high in zip(x, rows["score_low"], rows["score_high"], strict=True):
        ax.plot([at, at], [low, high], color=mark.colour, linewidth=1, alpha=0.7)
    ax.plot(
        x,
        rows["score"],
        color=mark.colour,
        marker=mark.marker,
        markersize=6.5,
        markeredgecolor=palette.PAPER,
        markeredgewidth=0.8,
    )
