"""The first convolution's filters before and after training, in grey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.words import signed
from transfergrid.statistics.places import place_words

COLUMNS, ROWS = 8, 2  # pairs of filters in a row, and rows of a network
MOST = 16
"""Networks that the figure has room for; the table has all."""
HEAD, TEXT, GAP = 0.42, 0.17, 0.03  # inches above a network, under a row, and beside a filter
_NETWORK = ["dataset", "architecture", "pretraining", "truncation", "protocol"]
_SAID = ["pretraining", "architecture", "truncation", "dataset", "protocol"]
"""The axes of a network in a heading, the first two always."""


@dataclass(frozen=True)
class Network:
    """Filters of one network.

    Attributes:
        title: Its name.
        rows: Rows of filters.csv that are drawn, by number.
        correlation: Median over all of its filters.
        count: How many these are.
    """

    title: str
    rows: pd.DataFrame
    correlation: float
    count: int


def networks_of(data: FigureData) -> list[Network]:
    """Return the networks that are drawn, of each the lowest seed and fold, in the table's order.

    Where a network has more filters than there is room for, they are taken at even distances in
    the network's own order, so that neither change nor looks decide.
    """
    table = data.filters
    if table.empty:
        return []
    table = table[table["before"].notna() & (table["before"] != "")]
    places = table[_NETWORK].drop_duplicates()
    several = [axis for axis in _SAID[2:] if places[axis].nunique() > 1]
    found = []
    for _, rows in table.groupby(_NETWORK, sort=False):
        first = rows.iloc[0]
        words = [place_words(axis, first[axis]) for axis in [*_SAID[:2], *several]]
        at = np.linspace(0, len(rows) - 1, min(len(rows), COLUMNS * ROWS)).round().astype(int)
        title = f"{', '.join(words)} · seed {first['seed']}"
        median = float(rows["correlation"].median())
        found.append(Network(title, rows.iloc[at], median, len(rows)))
    return found


def lack(data: FigureData) -> str:
    """Say why there is nothing to draw; empty if there is."""
    return "" if networks_of(data) else "No cell's first filters were compared with its start."


def caption(data: FigureData) -> str:
    """State which filters are shown, on which scale, and what the numbers are."""
    networks = networks_of(data)
    rest = "" if len(networks) <= MOST else f" Of {len(networks)} networks the first {MOST}."
    return (
        "Filters of the first convolution in pairs: left before training, right after it (best "
        "checkpoint), averaged over the input's channels; grey is 0, and black and white are one "
        "scale for both of a pair. Of each network the lowest seed and fold, and of more than "
        f"{COLUMNS * ROWS} filters {COLUMNS * ROWS} at even distances in their own order. Below "
        "each pair Pearson's correlation of all its weights, before and after (all channels); in "
        f"the heading the median over all filters. All stand in filters.csv.{rest}"
    )


def draw(data: FigureData) -> Figure:
    """Draw pairs of filters, a block per network."""
    networks = networks_of(data)[:MOST]
    wide = style.WIDTH / COLUMNS
    tall = (wide - 3 * GAP) / 2 + TEXT + GAP
    heights = [HEAD + tall * -(-len(network.rows) // COLUMNS) for network in networks]
    high = sum(heights)
    figure = style.new_figure(high)
    figure.set_layout_engine("none")
    top = high
    for network, height in zip(networks, heights, strict=True):
        _block(figure, network, top, wide, tall)
        top -= height
    return figure


def _block(figure: Figure, network: Network, top: float, wide: float, tall: float) -> None:
    high = figure.get_figheight()
    told = f"median r {signed(network.correlation, 2)} of {network.count} filters"
    figure.text(0.01, (top - 0.12) / high, network.title, weight="bold", va="center", fontsize=9)
    figure.text(0.01, (top - 0.3) / high, told, va="center", fontsize=9)
    side = (wide - 3 * GAP) / 2
    for number, row in enumerate(network.rows.to_dict("records")):
        down, across = divmod(number, COLUMNS)
        bottom = top - HEAD - down * tall - side
        ends = [_picture(row, name) for name in ("before", "after")]
        scale = max(float(np.abs(end).max()) for end in ends) or 1.0
        for place, end in enumerate(ends):
            left = across * wide + GAP + place * (side + GAP)
            box = (left / style.WIDTH, bottom / high, side / style.WIDTH, side / high)
            _tile(figure.add_axes(box), end, scale)
        middle = (across * wide + GAP + side) / style.WIDTH
        figure.text(
            middle, (bottom - 0.09) / high, _number(row), va="center", ha="center", fontsize=9
        )


def _number(row: Mapping[Any, Any]) -> str:
    return "" if pd.isna(row["correlation"]) else signed(float(row["correlation"]), 2)


def _picture(row: Mapping[Any, Any], end: str) -> NDArray[np.float64]:
    values = np.array(str(row[end]).split(), dtype=float)
    return values.reshape(int(row["height"]), int(row["width"]))


def _tile(ax: Axes, values: NDArray[np.float64], scale: float) -> None:
    ax.set_axis_off()
    ax.imshow(values, cmap="gray", vmin=-scale, vmax=scale, interpolation="none")
