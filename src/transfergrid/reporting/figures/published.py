"""Clouds: this study's AUROCs against those of a published figure, one panel per arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import Spot, place_letters, shortened
from transfergrid.reporting.figures.phrases import (
    interval_of,
    seeds_of,
    tested_on,
)
from transfergrid.reporting.figures.points import (
    key_text,
    letters_of,
    networks,
    panel_grid,
    rho_text,
    scale_y,
)
from transfergrid.reporting.figures.summaries import SCORE, limits, seed_means, setting_title
from transfergrid.reporting.words import level, plurals, signed
from transfergrid.statistics.panels import NAME, Panel, panels

Shown = tuple[Panel, Mapping[Any, Any], float]
"""A panel, its rank correlation as a row of findings.csv, and the mean difference."""


def published_of(data: FigureData) -> list[Shown]:
    """Return the panels that can be drawn, of cells that have an AUROC as the paper's do."""
    if data.cells.empty or data.findings.empty:
        return []
    own = data.findings[data.findings["question"] == NAME]
    if own.empty:
        return []
    primary = str(data.cells["selection"].iloc[0])
    rhos = own[own["quantity"] == "rank_correlation"].to_dict("records")
    means = own.loc[own["quantity"] == "mean_difference", "value"]
    found = list(panels(_by_metric(data, _metric(data)), primary, data.asked))
    return [
        (panel, rho, float(mean))
        for panel, rho, mean in zip(found, rhos, means, strict=True)
        if panel.cells["score"].notna().all()
    ]


def _metric(data: FigureData) -> str:
    """Return the study's name of what it was compared in, AUROC as in the paper."""
    return str(data.findings.loc[data.findings["question"] == NAME, "metric"].iloc[0])


def _by_metric(data: FigureData, metric: str) -> pd.DataFrame:
    """Return the cells with their value of a metric in place of any other score."""
    scores = data.scores.reindex(columns=["cell", "task", "metric", "value", "low", "high"])
    whole = scores[(scores["metric"] == metric) & scores["task"].isna()].set_index("cell")
    other = data.cells["metric"] != metric
    names = zip(SCORE, ("value", "low", "high"), strict=True)
    found = {
        column: data.cells[column].mask(other, data.cells["cell"].map(whole[name]))
        for column, name in names
    }
    return data.cells.assign(**found, metric=metric)


def lack(data: FigureData) -> str:
    """Say why there is no panel to draw; empty if there is one."""
    if published_of(data):
        return ""
    return "The study shares fewer than three finished networks with a published figure."


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells that title and caption are about, with the score that is compared."""
    return pd.concat([panel.cells for panel, _, _ in published_of(data)]).drop_duplicates("cell")


def caption(data: FigureData) -> str:
    """State n and interval, and where the published scores were read."""
    shown = published_of(data)
    data = data.only(drawn_cells(data))
    panel = shown[0][0]
    families = pd.Series([rho["n_families"] for _, rho, _ in shown])
    grade = "published as a picture only: read off (digitised), with an error of about .0001"
    stand = [
        f"{each.place['pretraining']} stands for {each.arm}"
        for each, _, _ in shown
        if each.place["pretraining"] != each.arm
    ]
    text = (
        f"{data.named(_metric(data)).score} of whole networks, {tested_on(data)}, mean over "
        f"{seeds_of(data)}, against those of the paper's own figure, {grade}. Source: "
        f"{panel.source}. Vertical lines: mean over seeds of each cell's {interval_of(data)}. "
        "Dashed: equal differences. "
        f"Above a panel Spearman's ρ with its {level(data.confidence)} interval, over networks of "
        f"{plurals(families, 'family', 'families')}, and the mean of ours minus theirs; "
        "findings.csv has each network's difference. No test is made."
    )
    return f"{text} {'; '.join(dict.fromkeys(stand))}." if stand else text


def draw(data: FigureData) -> Figure:
    """Draw whole networks' AUROC against the digitised one, arms and settings apart."""
    shown = published_of(data)
    frames = [_points(panel) for panel, _, _ in shown]
    every = pd.concat(frames)
    letters = letters_of(every)
    places = [panel.place for panel, _, _ in shown]
    settings = [(str(place["dataset"]), str(place.get("protocol", ""))) for place in places]
    labels = [f"{data.metric(frame).score}, ours" for frame in frames]
    figure, axes = panel_grid(labels, key_text(letters))
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
    scale_y(axes, frames, labels)
    place_letters(figure, spots)
    return figure


def _points(panel: Panel) -> pd.DataFrame:
    means = seed_means(panel.cells)
    return means.assign(theirs=means["architecture"].map(dict(panel.theirs)))


def _panel(
    ax: Axes, rows: pd.DataFrame, mark: palette.Mark, letters: dict[str, str], mean: float
) -> list[Spot]:
    # Where all networks differ by the same, they lie on this line.
    ends = rows["theirs"].min(), rows["theirs"].max()
    ax.plot(
        ends, [end + mean for end in ends], color=palette.INK, linewidth=0.8, linestyle="dashed"
    )
    return networks(ax, rows, "theirs", mark, letters)
