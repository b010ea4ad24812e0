"""Clouds: what pretraining adds to a whole network, against the network's size."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.cases import cases
from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import Spot, place_letters, shortened
from transfergrid.reporting.figures.phrases import lower_is_better, methods_of
from transfergrid.reporting.figures.points import (
    correlation_of,
    key_text,
    letters_of,
    panel_grid,
    rho_text,
)
from transfergrid.reporting.figures.summaries import FEWEST, limits, seed_means, setting_title
from transfergrid.reporting.words import level, plurals

PLACE = ["metric", "dataset", "protocol", "a", "b"]


def boosts_of(data: FigureData) -> pd.DataFrame:
    """Return the contrasts of whole networks between two pretrainings, each with its network.

    Returns:
        The columns of contrasts.csv with params (of arm a).
    """
    table = data.contrasts
    cut = pd.to_numeric(table["truncation"])
    table = table[(table["axis"] == "pretraining") & table["estimate"].notna() & (cut == 0)]
    table = table[table["architecture"].notna()].drop_duplicates([*PLACE, "architecture"])
    means = seed_means(data.cells)
    means = means[means["truncation"] == 0].rename(columns={"pretraining": "a"})
    network = ["dataset", "architecture", "protocol", "a"]
    return table.merge(means[[*network, "params"]], on=network, how="inner")


def drawn_boosts(data: FigureData) -> pd.DataFrame:
    """Return those boosts that stand with enough others in a panel."""
    table = boosts_of(data)
    if table.empty:
        return table
    return table[table.groupby(PLACE)["architecture"].transform("nunique") >= FEWEST]


def lack(data: FigureData) -> str:
    """Say why there is no panel to draw; empty if there is one."""
    few = "A boost against size needs at least three architectures."
    return few if drawn_boosts(data).empty else ""


def draw(data: FigureData) -> Figure:
    """Draw each network's boost against its parameters, one panel per comparison and setting."""
    table = drawn_boosts(data)
    groups = [(tuple(map(str, key)), part) for key, part in table.groupby(PLACE, sort=False)]
    settings = list(dict.fromkeys((key[1], key[2]) for key, _ in groups))
    letters = letters_of(table)
    metrics = [data.metric(part) for _, part in groups]
    labels = [f"Difference in {metric.mean}{metric.direction}" for metric in metrics]
    figure, axes = panel_grid(labels, key_text(letters))
    spots: list[Spot] = []
    for ax, (key, part) in zip(axes, groups, strict=True):
        _, dataset, protocol, a, b = key
        spots += _panel(ax, part, data.marks[a], letters)
        short = shortened((a, b), 15)
        where = setting_title((dataset, protocol), settings)
        # Correlations are computed for the study's first such question.
        asked = part["question"].iloc[0] == table["question"].iloc[0]
        rho = rho_text(_rho(data, key) if asked else None)
        title = "\n".join(filter(None, (f"{short[a]} − {short[b]}", where, rho)))
        ax.set_title(title, fontsize=9)
        style.parameter_axis(ax, table["params"], pad=0.12)
        ax.set_xlabel("Parameters")
    none = pd.Series([0.0])
    for label in dict.fromkeys(labels):
        alike = [n for n, each in enumerate(labels) if each == label]
        rows = pd.concat([groups[n][1] for n in alike])
        axes[alike[0]].set_ylim(limits(none, rows["estimate"], rows["low"], rows["high"]))
    place_letters(figure, spots)
    return figure


def caption(data: FigureData) -> str:
    """State n, interval and test of the points, and what stands above the panels."""
    table = drawn_boosts(data)
    sizes = table.groupby(PLACE)["architecture"].nunique()
    tested = cases(table["n_studies"], table["dataset"], data.masked)
    return (
        f"Paired differences of whole networks between two pretrainings, "
        f"{plurals(table['n_seeds'], 'seed')}, {tested} "
        f"of {plurals(table['n_patients'], 'patient')}, against parameters; "
        f"{plurals(sizes, 'architecture')} a panel. Vertical lines: {level(data.confidence)} "
        f"intervals. Interval and test: {methods_of(table)}; a filled point's interval, not "
        "adjusted for the number of points, excludes zero. Above a panel Spearman's ρ over "
        "architectures, where the study asked for it; its test stands in correlations.csv."
        f"{lower_is_better(data, table)}"
    )


def _rho(data: FigureData, key: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the correlation of a panel, if the study asked for it."""
    metric, dataset, protocol, a, _ = key
    table = data.correlations
    found = correlation_of(table, "params", a, (dataset, protocol), metric, "boost")
    return found or correlation_of(table, "params", a, (dataset, ""), metric, "boost")


def _panel(ax: Axes, rows: pd.DataFrame, mark: palette.Mark, letters: dict[str, str]) -> list[Spot]:
    ax.axhline(0, color=palette.INK, linewidth=0.8)
    spots = []
    for row in rows.to_dict("records"):
        x, low, high = row["params"], row["low"], row["high"]
        ax.plot([x, x], [low, high], color=mark.colour, linewidth=1)
        clear = low > 0 or high < 0
        ax.plot(
            [x],
            [row["estimate"]],
            marker=mark.marker,
            markersize=6.5,
            color=mark.colour,
            markerfacecolor=mark.colour if clear else palette.PAPER,
        )
        spots.append(Spot(ax, letters[row["architecture"]], x, row["estimate"], low, high))
    return spots
