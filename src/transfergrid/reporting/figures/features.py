"""Layer profiles: how alike two networks are at each depth, beside what chance gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.planning.state_pairs import PAIRS
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.alike import (
    MOST,
    PLACE,
    Place,
    at_place,
    left_out,
    moment,
    place_title,
    places_of,
    protocols_of,
    seed_means,
    similar,
)
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.words import count, level, plurals

MEASURE = "mean_cca"
HEADINGS: Mapping[str, str] = {
    "before_after": "Before against after training",
    "sources_before": "Two sources, as released",
    "sources_after": "Two sources, trained alike",
    "seeds": "Two seeds of one source",
    "protocols": "Two protocols of one source",
    "random": "Random weights against a source",
    "drawn": "Starts of which one or both load no weights",
}
"""What stands above the panels of each reason of `PAIRS`."""
COLUMNS = 2, 3
"""Panels in a row, at least and at most."""
SUBJECTS = 10
"""Lines that a group of panels has room for; the others stand in the table alone."""
LEFT, GAP, TALL = 0.52, 0.2, 1.05  # inches left of the panels, between them, and of their height
HEAD, TITLE, FOOT = 0.34, 0.16, 0.3  # of a heading, a line above a panel, and the layers' names
LINE = 22  # characters of a line above a panel
CHARACTER = 0.068  # inches of a character of 8 pt, about


@dataclass(frozen=True)
class Panel:
    """The profiles of one place and moment.

    Attributes:
        title: What it differs in from the others of its group, in lines.
        profiles: By subject its rows, a layer each, by depth.
        floor: A row per layer, by depth.
    """

    title: tuple[str, ...]
    profiles: Mapping[str, pd.DataFrame]
    floor: pd.DataFrame


@dataclass(frozen=True)
class Group:
    """The panels of pairs that are compared for one reason, in rows."""

    pair: str
    rows: tuple[tuple[Panel, ...], ...]

    @property
    def panels(self) -> list[Panel]:
        """All of its panels, in order."""
        return [panel for row in self.rows for panel in row]

    @property
    def subjects(self) -> list[str]:
        """What its lines are of, each once."""
        return list(dict.fromkeys(name for panel in self.panels for name in panel.profiles))

    @property
    def lines(self) -> int:
        """Lines above each of its panels."""
        return max(len(panel.title) for panel in self.panels)


def groups_of(data: FigureData) -> list[Group]:
    """Return the panels that are drawn, by reason."""
    rows = similar(data)
    if rows.empty:
        return []
    rows = rows[rows["measure"] == MEASURE]
    several = len(protocols_of(rows)) > 1
    rank = {name: number for number, name in enumerate(data.pretrainings)}
    rows = rows.sort_values("right_pretraining", key=lambda names: names.map(rank), kind="stable")
    rows = rows.assign(
        subject=_subjects(rows), moment=[moment(row, several) for row in rows.to_dict("records")]
    )
    places = places_of(similar(data))
    found = []
    for pair in PAIRS:
        own = rows[rows["pair"] == pair]
        shown = list(dict.fromkeys(own["subject"]))[:SUBJECTS]
        moments = _moments(own[own["subject"].isin(shown)], places)
        if moments:
            # Where not all places have all moments, a row for each would be half empty.
            apart = len(places) > 1 and len({len(panels) for panels in moments}) == 1
            found.append(Group(pair, tuple(_in_rows(moments, apart))))
    return found


def _in_rows(moments: Sequence[Sequence[Panel]], apart: bool) -> Iterator[tuple[Panel, ...]]:
    """Put panels in rows; with `apart` each moment begins one."""
    lines = moments if apart else [[panel for panels in moments for panel in panels]]
    for panels in lines:
        for first in range(0, len(panels), COLUMNS[1]):
            yield tuple(panels[first : first + COLUMNS[1]])


def _subjects(rows: pd.DataFrame) -> list[str]:
    """Return what each row's line is of: a pretraining, or two."""
    drawn = rows.loc[rows["pair"] == "random", "left_pretraining"].nunique()
    found = []
    for pair, left, right in zip(
        rows["pair"], rows["left_pretraining"], rows["right_pretraining"], strict=True
    ):
        both = pair == "drawn" or pair.startswith("sources") or (pair == "random" and drawn > 1)
        found.append(f"{left} – {right}" if both else str(right))
    return found


def _moments(rows: pd.DataFrame, places: Sequence[Place]) -> list[list[Panel]]:
    """Return the panels of each moment, a place each."""
    moments = list(dict.fromkeys(rows["moment"]))
    found = []
    for when in moments:
        told = when if len(moments) > 1 else ""
        parts = [(at_place(rows[rows["moment"] == when], place), place) for place in places[:MOST]]
        found.append(
            [
                _panel_of(part, [place_title(place, places), told])
                for part, place in parts
                if len(part)
            ]
        )
    return [panels for panels in found if panels]


def _panel_of(rows: pd.DataFrame, title: Sequence[str]) -> Panel:
    means = seed_means(rows, ["subject", "layer", "depth"]).sort_values("depth", kind="stable")
    return Panel(
        tuple(shortened([line], LINE)[line] for line in title if line),
        {str(name): one for name, one in means.groupby("subject", sort=False)},
        seed_means(rows, ["layer", "depth"]).sort_values("depth"),
    )


def lack(data: FigureData) -> str:
    """Say why there is no profile to draw; empty if there is one."""
    return "" if groups_of(data) else "No two states of this study's networks were compared."


def caption(data: FigureData) -> str:
    """State n, interval and floor, and what is not drawn."""
    rows = similar(data)
    rows = rows[rows["measure"] == MEASURE]
    pairs = len(rows[["pair", "left", "right", *PLACE]].drop_duplicates())
    rest = left_out(places_of(rows), "similarity.csv")
    number = pd.Series(_subjects(rows), rows.index).groupby(rows["pair"]).nunique().max()
    if number > SUBJECTS:
        rest += f" Of a kind with more lines than {SUBJECTS} the first {SUBJECTS} are drawn."
    return (
        "Mean canonical correlation (mean CCA; 1: one is a linear map of the other) of what two "
        "networks make of the same images, by layer. Lines are means over seeds and folds of "
        f"{count(pairs)} pairs; vertical lines the mean of their {level(data.confidence)} "
        "intervals (jackknife over groups of patients). Grey band, with its mean dashed: the "
        "floor, which is the middle 95 % of what the same rows give when the patients of one side "
        "are permuted. A value that is not above it says nothing. Per layer "
        f"{plurals(rows['n'], 'row')} of {plurals(rows['patients'], 'patient')}. No test is "
        f"made; other measures stand in similarity.csv.{rest}"
    )


def draw(data: FigureData) -> Figure:
    """Draw a group of panels for each reason, with its own legend, on one scale."""
    groups = groups_of(data)
    columns = max(COLUMNS[0], *(len(row) for group in groups for row in group.rows))
    marks = _marks(data, groups)
    heights = [_height(group) for group in groups]
    high = sum(heights)
    figure = style.new_figure(high)
    figure.set_layout_engine("none")
    top = high
    for group, height in zip(groups, heights, strict=True):
        _group(figure, group, columns, marks, top)
        top -= height
    return figure


def _marks(data: FigureData, groups: Sequence[Group]) -> dict[str, palette.Mark]:
    """Return a mark for every subject; two pretrainings together have one of their own."""
    pairs = dict.fromkeys(name for group in groups for name in group.subjects)
    pairs = dict.fromkeys(name for name in pairs if name not in data.marks)
    own = {
        name: palette.Mark(
            palette.PALETTE[number % len(palette.PALETTE)],
            palette.MARKERS[number % len(palette.MARKERS)],
        )
        for number, name in enumerate(pairs)
    }
    return {**data.marks, **own}


def _row_height(group: Group) -> float:
    return TITLE * group.lines + TALL + FOOT


def _height(group: Group) -> float:
    """Return the inches that a group takes."""
    panels = len(group.rows) * _row_height(group)
    return HEAD + style.legend_height(group.subjects) + panels + 0.05


def _group(
    figure: Figure,
    group: Group,
    columns: int,
    marks: Mapping[str, palette.Mark],
    top: float,
) -> None:
    """Draw a group from `top` inches downwards."""
    high = figure.get_figheight()
    figure.text(0.01, (top - 0.2) / high, HEADINGS[group.pair], weight="bold", va="center")
    wide = (style.WIDTH - LEFT - 0.12 - GAP * (columns - 1)) / columns
    legend_at = (top - HEAD) / high
    first = top - HEAD - style.legend_height(group.subjects)
    for row, panels in enumerate(group.rows):
        bottom = first - row * _row_height(group) - TITLE * group.lines - TALL
        for column, panel in enumerate(panels):
            left = LEFT + column * (wide + GAP)
            box = (left / style.WIDTH, bottom / high, wide / style.WIDTH, TALL / high)
            ax = figure.add_axes(box)
            _panel(ax, panel, marks, wide)
            ax.set_title("\n".join(panel.title), fontsize=8.5, pad=3)
            if column == 0:
                ax.set_ylabel("mean CCA", fontsize=9, labelpad=2)
            else:
                ax.tick_params(labelleft=False)
            if row == column == 0:
                shown = {name: marks[name] for name in group.subjects}
                style.legend(figure, ax, shown, lines=True, top=legend_at)


def _panel(ax: Axes, panel: Panel, marks: Mapping[str, palette.Mark], wide: float) -> None:
    at = dict(zip(panel.floor["layer"], range(len(panel.floor)), strict=True))
    middle = list(at.values())
    # A single layer has a band too.
    edges = [middle[0] - 0.3, *middle, middle[-1] + 0.3]
    low, high, floor = (
        panel.floor[name].iloc[[0, *middle, -1]] for name in ("floor_low", "floor_high", "floor")
    )
    ax.fill_between(edges, low, high, color=palette.BASELINE, alpha=0.3, linewidth=0, zorder=1)
    ax.plot(edges, floor, color=palette.MUTED, linewidth=0.8, linestyle="dashed", zorder=2)
    spread = 0.12 / max(len(panel.profiles) - 1, 1)
    for number, (name, rows) in enumerate(panel.profiles.items()):
        mark, shift = marks[name], (number - (len(panel.profiles) - 1) / 2) * 2 * spread
        places = [at[layer] + shift for layer in rows["layer"]]
        _intervals(ax, places, rows, mark.colour)
        ax.plot(
            places,
            rows["value"],
            color=mark.colour,
            marker=mark.marker,
            markersize=3.6,
            linewidth=1.2,
            zorder=4,
        )
    ax.set_xlim(middle[0] - 0.35, middle[-1] + 0.35)
    ax.set_ylim(0, 1.03)
    ax.set_yticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=8)
    ax.grid(visible=False, axis="x")
    ax.set_xticks(middle, _ticks(list(at), wide), fontsize=8)
    # Hundreds of ticks make the page large.
    ax.tick_params(left=False, bottom=False, pad=2)


def _intervals(ax: Axes, places: Sequence[float], rows: pd.DataFrame, colour: str) -> None:
    """Draw all intervals of a profile as one path, which is much shorter than one for each."""
    gap = [np.nan] * len(places)
    ends = np.column_stack([rows["low"], rows["high"], gap]).ravel()
    across = np.column_stack([places, places, gap]).ravel()
    ax.plot(across, ends, color=colour, linewidth=0.9, zorder=3)


def _ticks(layers: Sequence[str], wide: float) -> list[str]:
    """Name layers below a panel of `wide` inches: the ends always, of the others what has room."""
    names = [shortened([name], 9)[name] for name in map(_short, layers)]
    step = wide / (len(names) - 0.3)
    shown = [name if number in (0, len(names) - 1) else "" for number, name in enumerate(names)]
    for number, name in enumerate(names):
        boxes = [
            (other, (len(told) + len(name)) / 2 * CHARACTER + 0.03)
            for other, told in enumerate(shown)
            if told and other != number
        ]
        if all(abs(number - other) * step > room for other, room in boxes):
            shown[number] = name
    return shown


def _short(layer: str) -> str:
    """Return ``3`` for ``block3``, and ``pool`` for ``pooled``: there is little room."""
    number = layer.removeprefix("block")
    return number if number.isdigit() else layer.replace("pooled", "pool")
