"""How far each layer has moved from where it started."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.depth import Panel, draw_panels, left_out, panels_of
from transfergrid.reporting.words import plural


def panels(data: FigureData) -> list[Panel]:
    """Return the panels that are drawn."""
    rows = _rows(data)
    return [] if rows.empty else panels_of(rows, {"value": "change"})


def _rows(data: FigureData) -> pd.DataFrame:
    table = data.drift
    return table if table.empty else table[(table["group"] == "all") & (table["layer"] != "head")]


def lack(data: FigureData) -> str:
    """Say why there is nothing to draw; empty if there is."""
    return "" if panels(data) else "No cell's weights were compared with those of its start."


def caption(data: FigureData) -> str:
    """State what is drawn, and of how many cells."""
    rows = _rows(data)
    return (
        "Change of the weights of each layer by training: Euclidean norm of best checkpoint minus "
        "start, over that of the start; means over seeds and folds of "
        f"{plural(rows['cell'].nunique(), 'cell')}. The classifier starts near 0 "
        "and is left out; running statistics of batch norms are no weights. Drawn weights of the "
        "usual scale are small, so a change of their size is not as far as it looks: the cosine "
        f"beside it in drift.csv says how much of the start is left.{left_out(rows, 'drift.csv')}"
    )


def draw(data: FigureData) -> Figure:
    """Draw the change of each layer, a panel per network."""
    return draw_panels(data, panels(data), "Change / start", zero=False)
