"""Dots with intervals, one under the other: AUROC of each network, and each paired contrast."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib.transforms as transforms
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import (
    FigureData,
    at_setting,
    by_skill,
    limits,
    seed_means,
    setting_title,
    settings_of,
    truncation_name,
)
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.place_labels import arms_label, label, varying
from transfergrid.reporting.words import difference
from transfergrid.statistics.places import value_words

ROW = 0.2  # inches from one dot to the next
HEAD = 56  # characters of a heading's line
HEADER = 1.25  # rows that an architecture's name takes
GAP = 0.45  # rows between truncations
EDGES = 1.0  # inches for axis, legend and titles


def auroc_lack(data: FigureData) -> str:
    """Say why there is no AUROC to draw, or nothing where there is one."""
    return "No cell of this study has been scored yet." if data.finished.empty else ""


def auroc_forest(data: FigureData) -> Figure:
    """Draw AUROC by architecture, truncation and pretraining; a panel per dataset and protocol."""
    settings = settings_of(data.cells)
    marks = data.marks
    panels = [at_setting(data.cells, setting) for setting in settings]
    heights = [_forest_height(panel) for panel in panels]
    figure = style.new_figure(sum(heights) * ROW + EDGES * len(panels) + style.legend_height(marks))
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
    recipes = means["protocol"].nunique() > 1
    order = list(marks)
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for architecture in by_skill(means):
        y += HEADER
        network = means[means["architecture"] == architecture]
        used = network["protocol"].unique()
        recipe = f" (recipe {used[0]})" if recipes and len(used) == 1 else ""
        _header(ax, y - 0.75, shortened([architecture + recipe], 42)[architecture + recipe])
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


def _header(ax: Axes, y: float, text: str, rule: bool = True) -> None:
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    ax.text(0.005, y, text, transform=across, weight="bold", va="center", clip_on=True)
    if rule:
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
        ax.text(1.01, y, note, transform=across, va="center", color=style.MUTED, fontsize=9)
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


MOST = 40
"""Contrasts of a question from which on only the means over networks are drawn."""
LABEL = 34  # characters of a contrast's label in a line
ACROSS = (-0.42, 0.42)  # rows that the line of no difference takes above and below a square


def drawn_contrasts(data: FigureData) -> pd.DataFrame:
    """Return the contrasts that are drawn: all with an estimate, or of many their means."""
    table = data.contrasts[data.contrasts["estimate"].notna()]
    many = table.groupby("question")["contrast"].transform("size") > MOST
    means = table["n_cells"] > 1
    told = means.groupby(table["question"]).transform("any")
    return table[~many | means | ~told]


def boosts_lack(data: FigureData) -> str:
    """Say why there is no contrast to draw, or nothing where there is one."""
    none = "No contrast of this study has an estimate yet."
    return none if data.contrasts["estimate"].notna().sum() == 0 else ""


@dataclass(frozen=True)
class Group:
    """The contrasts of one question: lines of its heading, and each row with those of its label."""

    head: list[str]
    rows: list[tuple[dict[Any, Any], list[str]]]


def _short(part: pd.DataFrame) -> pd.DataFrame:
    """Return contrasts with names that a line has room for."""
    for column in ("architecture", "pretraining", "a", "b"):
        names = part[column][part[column].map(lambda value: isinstance(value, str))]
        part = part.assign(**{column: part[column].replace(shortened(names, LABEL - 4))})
    return part


def _group(question: str, part: pd.DataFrame) -> Group:
    axes = varying(part)
    rows = _short(part).to_dict("records")
    arms = {arms_label(row) for row in rows}
    bases = {value_words(row["axis"], row["b"]) for row in rows}
    head, places = question, [label(row, axes) for row in rows]
    compared = [arms_label(row) for row in rows]
    if len(arms) == 1:
        head, compared = f"{question}: {arms.pop()}", [""] * len(rows)
    elif len(bases) == 1:
        head = f"{question}: minus {bases.pop()}"
        compared = [value_words(row["axis"], row["a"]) for row in rows]
    labels = [": ".join(filter(None, pair)) for pair in zip(places, compared, strict=True)]
    lines = [textwrap.wrap(text or "all", LABEL) for text in labels]
    return Group(textwrap.wrap(head, HEAD), list(zip(part.to_dict("records"), lines, strict=True)))


def _group_height(group: Group) -> float:
    return HEADER * len(group.head) + sum(len(lines) + 1 for _, lines in group.rows)


def boosts_forest(data: FigureData) -> Figure:
    """Draw each contrast's estimate with its interval around the line of no difference."""
    table = drawn_contrasts(data)
    groups = [_group(str(name), part) for name, part in table.groupby("question", sort=False)]
    figure = style.new_figure(sum(map(_group_height, groups)) * ROW + EDGES)
    ax = figure.subplots()
    y = 0.0
    for group in groups:
        for number, line in enumerate(group.head):
            y += HEADER
            _header(ax, y - 0.75, line, rule=number == 0)
        for row, lines in group.rows:
            y += _contrast_row(ax, y, row, lines)
    low, high = _span(table)
    ax.set_xlim(low, high)
    ax.set_ylim(y - 0.2, -0.1)
    ax.set_yticks([])
    # Lines of a grid would run through the labels.
    ax.grid(visible=False)
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


def _contrast_row(ax: Axes, y: float, row: dict, lines: list[str]) -> float:
    """Draw one contrast from `y` on and return the rows that it takes."""
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    for number, line in enumerate(lines):
        ax.text(0.005, y + number + 0.1, line, transform=across, va="center", clip_on=True)
    number_text = difference(row["estimate"], row["low"], row["high"])
    ax.text(1, y + 0.1, number_text, transform=across, va="center", ha="right")
    at = y + len(lines)
    ends = [at + end for end in ACROSS]
    ax.plot([0, 0], ends, color=style.INK, linewidth=1)
    # A contrast of equivalence or non-inferiority is read against its margin, not against zero.
    for edge in (-row["margin"], row["margin"]):
        ax.plot([edge, edge], ends, color=style.MUTED, linestyle=":", linewidth=1.2)
    clear = row["low"] > 0 or row["high"] < 0
    ax.plot([row["low"], row["high"]], [at, at], color=style.INK, linewidth=2)
    ax.plot(
        [row["estimate"]],
        [at],
        marker="s",
        markersize=7,
        color=style.INK,
        markerfacecolor=style.INK if clear else style.PAPER,
        markeredgewidth=1.6,
        zorder=5,
    )
    return len(lines) + 1.0
