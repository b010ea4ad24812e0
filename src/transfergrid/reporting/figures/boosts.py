"""Paired differences: each contrast with its interval, grouped by question."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib.transforms as transforms
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.cases import cases
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.forest import EDGES, HEADER, ROW, heading
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import lower_is_better, methods_of
from transfergrid.reporting.figures.summaries import limits
from transfergrid.reporting.place_labels import arms_label, label, varying
from transfergrid.reporting.words import difference, level, plurals
from transfergrid.statistics.places import value_words

HEAD = 56  # characters of a heading's line
MOST = 40
"""From this many contrasts of a question on, only the means over networks are drawn."""
LABEL = 34  # characters of a contrast's label in a line
ACROSS = (-0.42, 0.42)  # rows that the line of no difference takes above and below a square
FLAT = 0.01  # differences below this are shown without a scale of their own


def drawn_contrasts(data: FigureData) -> pd.DataFrame:
    """Return the contrasts that are drawn: all with an estimate, or of many their means."""
    table = data.contrasts[data.contrasts["estimate"].notna()]
    many = table.groupby("question")["contrast"].transform("size") > MOST
    means = table["n_cells"] > 1
    told = means.groupby(table["question"]).transform("any")
    return table[~many | means | ~told]


def lack(data: FigureData) -> str:
    """Say why there is no contrast to draw; empty if there is one."""
    none = "No contrast of this study has an estimate yet."
    return none if data.contrasts["estimate"].notna().sum() == 0 else ""


def caption(data: FigureData) -> str:
    """State n, interval, test, and which contrasts stand in the table alone."""
    every = int(data.contrasts["estimate"].notna().sum())
    table = drawn_contrasts(data)
    n = f"{plurals(table['n_cells'], 'pair of networks', 'pairs of networks')}, "
    n += f"{plurals(table['n_seeds'], 'seed')}, "
    n += f"{cases(table['n_studies'], table['dataset'], data.masked)} of "
    n += plurals(table["n_patients"], "patient")
    text = (
        f"Differences of the first named minus the second, on the same test patients, with "
        f"{level(data.confidence)} intervals. Interval and test: {methods_of(table)}; p-values, "
        f"adjusted by Holm's method within a question, stand in contrasts.csv. Per contrast {n}. "
        "Filled squares: the interval, not adjusted for the number of contrasts, excludes zero. "
        "An interval that runs off the panel is given in full beside its label."
    )
    if len(table) < every:
        text += (
            f" Of {every} contrasts the {len(table)} over several networks are drawn; the others "
            "stand in contrasts.csv."
        )
    if table["margin"].notna().any():
        text += " Dotted lines: the margin that was fixed in advance."
    return text + lower_is_better(data, table)


@dataclass(frozen=True)
class Group:
    """The contrasts of one question: lines of its heading, and each row with those of its label."""

    head: list[str]
    rows: list[tuple[dict[Any, Any], list[str]]]

    @property
    def height(self) -> float:
        """The rows that it takes."""
        return HEADER * len(self.head) + sum(len(lines) + 1 for _, lines in self.rows)


def draw(data: FigureData) -> Figure:
    """Draw each contrast's estimate with its interval, one panel per metric."""
    table = drawn_contrasts(data)
    parts = [part for _, part in table.groupby("metric", sort=False)]
    panels = [
        [_group(str(name), rows) for name, rows in part.groupby("question", sort=False)]
        for part in parts
    ]
    heights = [sum(group.height for group in groups) for groups in panels]
    figure = style.new_figure(sum(heights) * ROW + EDGES * len(panels))
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, part, groups in zip(axes, parts, panels, strict=True):
        _panel(ax, groups)
        ax.set_xlim(_span(part))
        metric = data.metric(part)
        ax.set_xlabel(f"Difference in {metric.mean}{metric.direction}")
    return figure


def _panel(ax: Axes, groups: list[Group]) -> None:
    y = 0.0
    for group in groups:
        for number, line in enumerate(group.head):
            y += HEADER
            heading(ax, y - 0.75, line, rule=number == 0)
        for row, lines in group.rows:
            y += _row(ax, y, row, lines)
    ax.set_ylim(y - 0.2, -0.1)
    ax.set_yticks([])
    # Lines of a grid would run through the labels.
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)


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


def _span(table: pd.DataFrame) -> tuple[float, float]:
    """Return the x axis: all estimates, zero, and three times the usual arm on either side.

    One interval of two wild seeds must not press all others into a dot; it runs off the panel.
    """
    arm = 3 * float(((table["high"] - table["low"]) / 2).median())
    low = max(table["low"].min(), table["estimate"].min() - arm)
    high = min(table["high"].max(), table["estimate"].max() + arm)
    ends = pd.Series([low, high, 0.0]).dropna()
    if ends.max() - ends.min() < FLAT:  # nothing varies, so there is no scale but the margin's
        arm = float(table["margin"].astype(float).fillna(FLAT).max())
        ends = pd.Series([-arm, arm])
    return limits(ends, table["estimate"])


def _row(ax: Axes, y: float, row: dict, lines: list[str]) -> float:
    """Draw one contrast from `y` on and return the rows that it takes."""
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    for number, line in enumerate(lines):
        ax.text(0.005, y + number + 0.1, line, transform=across, va="center", clip_on=True)
    number_text = difference(row["estimate"], row["low"], row["high"])
    ax.text(1, y + 0.1, number_text, transform=across, va="center", ha="right")
    at = y + len(lines)
    ends = [at + end for end in ACROSS]
    ax.plot([0, 0], ends, color=palette.INK, linewidth=1)
    # A contrast of equivalence or non-inferiority is read against its margin, not against zero.
    for edge in (-row["margin"], row["margin"]):
        ax.plot([edge, edge], ends, color=palette.MUTED, linestyle=":", linewidth=1.2)
    clear = row["low"] > 0 or row["high"] < 0
    ax.plot([row["low"], row["high"]], [at, at], color=palette.INK, linewidth=2)
    ax.plot(
        [row["estimate"]],
        [at],
        marker="s",
        markersize=7,
        color=palette.INK,
        markerfacecolor=palette.INK if clear else palette.PAPER,
        markeredgewidth=1.6,
        zorder=5,
    )
    return len(lines) + 1.0
