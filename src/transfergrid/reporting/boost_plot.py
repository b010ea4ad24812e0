"""Clouds: what pretraining adds to a whole network, against the network's size."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting import style
from transfergrid.reporting.figure_data import FigureData, limits, seed_means, setting_title
from transfergrid.reporting.scatter import (
    correlation_of,
    key_text,
    letters_of,
    panel_grid,
    put_letter,
    rho_text,
)

PLACE = ["dataset", "protocol", "a", "b"]


def boosts_of(data: FigureData) -> pd.DataFrame:
    """Return the contrasts of whole networks between two pretrainings, each with its network.

    Returns:
        The columns of contrasts.csv with architecture, protocol and params (of arm a).
    """
    means = seed_means(data.cells)
    means = means[means["truncation"] == 0]
    names = set(data.cells["pretraining"])
    asked = data.contrasts[data.contrasts["estimate"].notna()].drop_duplicates("contrast")
    asked = asked[asked["a"].isin(names) & asked["b"].isin(names)]
    networks = {
        f"{row['architecture']} drop0 {row['dataset']} {row['protocol']}: {row['pretraining']}": {
            key: row[key] for key in ("architecture", "protocol", "params")
        }
        for row in means.to_dict("records")
    }
    rows = [
        {**row, **network}
        for row in asked.to_dict("records")
        if (network := networks.get(str(row["contrast"]).rpartition(f" - {row['b']}")[0]))
    ]
    return pd.DataFrame(
        rows, columns=[*data.contrasts.columns, "architecture", "protocol", "params"]
    )


def boost_panels(data: FigureData) -> Figure:
    """Draw each network's boost against its parameters, a panel a comparison and setting."""
    table = boosts_of(data)
    if table["architecture"].nunique() < 2:
        return style.sentence_only("A boost against size needs at least two architectures.")
    groups = [(tuple(map(str, key)), part) for key, part in table.groupby(PLACE, sort=False)]
    settings = list(dict.fromkeys((key[0], key[1]) for key, _ in groups))
    marks, letters = style.marks_of(data.pretrainings), letters_of(table)
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure, grid = panel_grid(rows, columns, key_text(letters), "Difference in macro AUROC")
    for ax, (key, part) in zip(grid.flat, groups, strict=False):
        dataset, protocol, a, b = key
        _panel(ax, part, marks[a], letters)
        where = setting_title((dataset, protocol), settings)
        # Correlations are computed for the study's first such question.
        asked = part["question"].iloc[0] == table["question"].iloc[0]
        rho = rho_text(_rho(data, key) if asked else None)
        ax.set_title("\n".join(filter(None, (f"{a} − {b}", where, rho))))
        style.parameter_axis(ax, table["params"], pad=0.12)
        ax.set_xlabel("Parameters")
    for ax in list(grid.flat)[len(groups) :]:
        ax.set_visible(False)
    none = pd.Series([0.0])
    grid[0, 0].set_ylim(limits(none, table["estimate"], table["low"], table["high"]))
    return figure


def _rho(data: FigureData, key: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the correlation of a panel, if the study asked for it."""
    dataset, protocol, a, _ = key
    table = data.correlations
    found = correlation_of(table, "params", a, (dataset, protocol), "boost")
    return found or correlation_of(table, "params", a, (dataset, ""), "boost")


def _panel(ax: Axes, rows: pd.DataFrame, mark: style.Mark, letters: dict[str, str]) -> None:
    ax.axhline(0, color=style.INK, linewidth=0.8)
    for number, row in enumerate(rows.sort_values("params").to_dict("records")):
        x, left = row["params"], number % 2 == 0
        ax.plot([x, x], [row["low"], row["high"]], color=mark.colour, linewidth=1)
        clear = row["low"] > 0 or row["high"] < 0
        ax.plot(
            [x],
            [row["estimate"]],
            marker=mark.marker,
            markersize=6.5,
            color=mark.colour,
            markerfacecolor=mark.colour if clear else style.PAPER,
        )
        put_letter(ax, letters[row["architecture"]], (x, row["estimate"]), left)
