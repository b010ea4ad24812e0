"""What it costs to put one layer back to its start, by depth."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from transfergrid.planning.ends import INITIAL
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.depth import Panel, draw_panels, left_out, panels_of
from transfergrid.reporting.figures.phrases import lower_is_better
from transfergrid.reporting.words import level, plural, plurals

_COLUMNS = {"value": "difference", "low": "difference_low", "high": "difference_high"}


def panels(data: FigureData) -> list[Panel]:
    """Return the panels that are drawn."""
    rows = _rows(data)
    return [] if rows.empty else panels_of(rows, _COLUMNS)


def _rows(data: FigureData) -> pd.DataFrame:
    table = data.layer_reset
    if table.empty:
        return table
    return table[(table["to"] == INITIAL) & table["difference"].notna()]


def lack(data: FigureData) -> str:
    """Say why there is nothing to draw; empty if there is."""
    return "" if panels(data) else "No network was scored with a layer put back to its start."


def caption(data: FigureData) -> str:
    """State n, interval, and what putting a layer back means."""
    rows = _rows(data)
    metric = data.metric(rows)
    return (
        f"{metric.title} of the best checkpoint with one layer alone put back to the cell's "
        "initial weights (running statistics included), minus that of the untouched network; "
        f"means over seeds and folds of {plural(rows['cell'].nunique(), 'cell')}, "
        f"with the mean of their {level(data.confidence)} intervals from sampling patients. "
        f"{plurals(rows['n'], 'study', 'studies')} of {plurals(rows['n_patients'], 'patient')} "
        f"({', '.join(sorted(rows['split'].unique()))} split). At 0 the layer's training was not "
        "needed by the other layers; a drop does not say that it learned features, for the others "
        "were trained on top of it. No test is made."
        f"{lower_is_better(data, rows)}{left_out(rows, 'layer_reset.csv')}"
    )


def draw(data: FigureData) -> Figure:
    """Draw the differences by layer, a panel per network."""
    metric = data.metric(_rows(data))
    return draw_panels(data, panels(data), f"{metric.title}, difference", zero=True)
