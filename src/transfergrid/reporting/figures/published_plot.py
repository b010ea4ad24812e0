"""Clouds: this study's AUROCs against those of a published figure, one panel an arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData, limits, seed_means, setting_title
from transfergrid.reporting.figures.names import Spot, place_letters, shortened
from transfergrid.reporting.figures.scatter import (
    key_text,
    letters_of,
    networks,
    panel_grid,
    rho_text,
)
from transfergrid.reporting.words import signed
from transfergrid.statistics.published import NAME, Panel, panels

Shown = tuple[Panel, Mapping[Any, Any], float]
"""A panel, its rank correlation as a row of findings.csv, and the mean difference."""


def published_of(data: FigureData) -> list[Shown]:
    """Return the panels that there are."""
    if data.cells.empty or data.findings.empty:
        return []
    primary = str(data.cells["selection"].iloc[0])
    own = data.findings[data.findings["question"] == NAME]
    rhos = own[own["quantity"] == "rank_correlation"].to_dict("records")
    means = own.loc[own["quantity"] == "mean_difference", "value"]
    found = list(panels(data.cells, primary, data.asked))
    return [(panel, rho, float(mean)) for panel, rho, mean in zip(found, rhos, means, strict=True)]


def published_lack(data: FigureData) -> str:
    """Say why there is no panel to draw, or nothing where there is one."""
    if published_of(data):
        return ""
    return "The study shares fewer than three finished networks with a published figure."


def published_panels(data: FigureData) -> Figure:
    """Draw whole networks' AUROC against the digitised one, arms and settings apart."""
    shown = published_of(data)
    frames = [_points(panel) for panel, _, _ in shown]
    every = pd.concat(frames)
    letters = letters_of(every)
    places = [panel.place for panel, _, _ in shown]
    settings = [(str(place["dataset"]), str(place.get("protocol", ""))) for place in places]
    figure, axes = panel_grid(len(shown), key_text(letters), "Macro AUROC, ours")
    spots: list[Spot] = []
    for ax, frame, setting, (panel, rho, mean) in zip(axes, frames, settings, shown, strict=True):
        pretraining = panel.place["pretraining"]
        spots += _panel(ax, frame, data.marks[pretraining], letters, mean)
        name = shortened([pretraining], 28)[pretraining]
        told = [
            name,
            setting_title(setting, settings),
            rho_text({**rho, "rho": rho["value"]}),
            f"mean of ours − theirs {signed(mean)}",
        ]
        ax.set_title("\n".join(filter(None, told)), fontsize=9)
        ax.set_xlim(limits(frame["theirs"], share=0.15))
        ax.locator_params(axis="x", nbins=4)
        ax.set_xlabel("theirs, digitised")
    axes[0].set_ylim(limits(every["auroc"], every["auroc_low"], every["auroc_high"]))
    place_letters(figure, spots)
    return figure


def _points(panel: Panel) -> pd.DataFrame:
    means = seed_means(panel.cells)
    return means.assign(theirs=means["architecture"].map(dict(panel.theirs)))


def _panel(
    ax: Axes, rows: pd.DataFrame, mark: style.Mark, letters: dict[str, str], mean: float
) -> list[Spot]:
    # Where all networks differ by the same, they lie on this line.
    ends = rows["theirs"].min(), rows["theirs"].max()
    ax.plot(ends, [end + mean for end in ends], color=style.INK, linewidth=0.8, linestyle="dashed")
    return networks(ax, rows, "theirs", mark, letters)
