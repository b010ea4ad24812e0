"""Agreement of predictions, between what independent networks reach and the most that can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.transforms as transforms
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.alike import (
    MOST,
    PLACE,
    agreeing,
    at_place,
    left_out,
    place_title,
    places_of,
    protocols_of,
    seed_means,
)
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.forest import HEADER, ROW
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.summaries import limits
from transfergrid.reporting.words import count, level, plurals, signed

MEASURE, EXCESS = "agreement", "excess_agreement"
HEADINGS: Mapping[str, str] = {
    "seeds": "Two seeds of one source",
    "sources": "Two sources",
    "random": "Random weights against a source",
    "drawn": "One or both load no weights",
    "protocols": "Two protocols",
}
"""What stands above the rows of pairs that differ in one thing."""
LABEL = 36  # characters of a row's name
LEFT = 2.1  # inches that the longest heading takes
CHARACTER = 0.064  # inches of a character of 8 pt, about
RIGHT = 0.6  # inches for the numbers beside the rows
TITLE, AXIS = 0.32, 0.5  # inches above a panel, and of its axis


@dataclass(frozen=True)
class Panel:
    """The rows of one place: (heading, its rows with their labels)."""

    title: str
    groups: tuple[tuple[str, tuple[tuple[str, Mapping[Any, Any]], ...]], ...]

    @property
    def rows(self) -> float:
        """The rows that it takes, headings included."""
        return sum(HEADER + len(rows) for _, rows in self.groups)


def panels_of(data: FigureData) -> list[Panel]:
    """Return a panel for each place that is drawn."""
    rows = agreeing(data)
    if rows.empty:
        return []
    rows = rows[rows["pair"].isin(list(HEADINGS))]
    several = len(protocols_of(rows)) > 1
    rows = rows.assign(label=[_label(row, several) for row in rows.to_dict("records")])
    places = places_of(rows)
    found = [
        Panel(place_title(place, places), tuple(_groups(at_place(rows, place))))
        for place in places[:MOST]
    ]
    return [panel for panel in found if panel.groups]


def _label(row: dict[Any, Any], several: bool) -> str:
    """Name a pair: what both share, and what they differ in."""
    left, right = row["left_pretraining"], row["right_pretraining"]
    source = str(left) if left == right else f"{left} – {right}"
    recipes = row["left_protocol"], row["right_protocol"]
    if recipes[0] != recipes[1]:
        return f"{source}, {recipes[0]} – {recipes[1]}"
    return f"{source}, {recipes[0]}" if several else source


def _groups(rows: pd.DataFrame) -> Iterator[tuple[str, tuple[tuple[str, dict[Any, Any]], ...]]]:
    for pair, heading in HEADINGS.items():
        here = rows[rows["pair"] == pair]
        if here.empty:
            continue
        excess = seed_means(here[here["measure"] == EXCESS], ["label"]).set_index("label")["value"]
        means = seed_means(here[here["measure"] == MEASURE], ["label"])
        means = means.assign(excess=means["label"].map(excess))
        yield heading, tuple((str(row["label"]), row) for row in means.to_dict("records"))


def lack(data: FigureData) -> str:
    """Say why there is no pair to draw; empty if there is one."""
    return "" if panels_of(data) else "No two networks' predictions were compared."


def caption(data: FigureData) -> str:
    """State n, interval, baseline and ceiling."""
    rows = agreeing(data)
    rows = rows[rows["pair"].isin(list(HEADINGS)) & (rows["measure"] == MEASURE)]
    pairs = len(rows[["left", "right", *PLACE]].drop_duplicates())
    return (
        "Share of test studies on which two networks are both right or both wrong, mean over "
        f"tasks, and over seeds and folds of {count(pairs)} pairs, with the mean of their "
        f"{level(data.confidence)} intervals by patient. Grey bars run from what two independent "
        "networks of the same accuracies would reach to the most that these accuracies allow. "
        "Two seeds of one source are the reference. Filled: the interval lies above the bar's "
        "start. The number on the right is the excess over that, as a share of what is left up to "
        "1. "
        f"{plurals(rows['n'], 'study', 'studies')} of {plurals(rows['patients'], 'patient')}. "
        "No test is made. Single tasks, other measures and pairs that differ in several things "
        f"stand in agreement.csv.{left_out(places_of(rows), 'agreement.csv')}"
    )


def draw(data: FigureData) -> Figure:
    """Draw the pairs of each place, under one scale."""
    panels = panels_of(data)
    shown = [row for panel in panels for _, rows in panel.groups for _, row in rows]
    table = pd.DataFrame(shown)
    names = shortened([label for panel in panels for _, r in panel.groups for label, _ in r], LABEL)
    left = max(LEFT, 0.12 + CHARACTER * max(map(len, names.values())))
    heads = [TITLE if panel.title else 0.05 for panel in panels]
    heights = [ROW * panel.rows + head + AXIS for panel, head in zip(panels, heads, strict=True)]
    high = sum(heights)
    figure = style.new_figure(high)
    figure.set_layout_engine("none")
    span = limits(*(table[name] for name in ("value", "low", "high", "baseline", "ceiling")))
    top = high
    for panel, head, height in zip(panels, heads, heights, strict=True):
        wide = style.WIDTH - left - RIGHT
        tall = ROW * panel.rows
        bottom = top - head - tall
        box = (left / style.WIDTH, bottom / high, wide / style.WIDTH, tall / high)
        ax = figure.add_axes(box)
        title = shortened([panel.title], 46)[panel.title] if panel.title else ""
        figure.text(0.01, (top - 0.17) / high, title, weight="bold", va="center")
        _panel(ax, panel, names, left / wide)
        ax.set_xlim(span)
        ax.locator_params(axis="x", nbins=5)
        ax.set_xlabel("Both right or both wrong", fontsize=9)
        ax.tick_params(axis="x", labelsize=8.5)
        top -= height
    return figure


def _panel(ax: Axes, panel: Panel, names: Mapping[str, str], left: float) -> None:
    """Draw headings and rows; names begin `left` widths of the panel before it."""
    across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
    y = 0.0
    for number, (heading, rows) in enumerate(panel.groups):
        at = y + HEADER / 2 + 0.1
        ax.text(0.06 - left, at, heading, transform=across, va="center", fontsize=9, style="italic")
        if number == 0:
            ax.text(1.04, at, "excess", transform=across, va="center", fontsize=8)
        y += HEADER
        for label, row in rows:
            ax.text(0.06 - left, y + 0.5, names[label], transform=across, va="center", fontsize=8)
            number_text = signed(row["excess"], 2)
            ax.text(1.04, y + 0.5, number_text, transform=across, va="center", fontsize=8)
            _row(ax, y + 0.5, row)
            y += 1
    ax.set_ylim(y, 0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _row(ax: Axes, y: float, row: Mapping[Any, Any]) -> None:
    ends = [row["baseline"], row["ceiling"]]
    ax.barh(y, ends[1] - ends[0], left=ends[0], height=0.62, color=palette.LINE, zorder=1)
    ax.plot([ends[0]] * 2, [y - 0.31, y + 0.31], color=palette.MUTED, linewidth=1.4, zorder=2)
    ax.plot([row["low"], row["high"]], [y, y], color=palette.INK, linewidth=1.6, zorder=3)
    clear = row["low"] > row["baseline"]
    ax.plot(
        [row["value"]],
        [y],
        marker="o",
        markersize=5,
        color=palette.INK,
        markerfacecolor=palette.INK if clear else palette.PAPER,
        markeredgewidth=1.4,
        zorder=4,
    )
