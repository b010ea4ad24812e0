"""Scores against ImageNet top-1 and against parameters: a cloud for each pretraining."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import Spot, place_letters, shortened
from transfergrid.reporting.figures.phrases import (
    interval_of,
    lower_is_better,
    methods_of,
    seeds_of,
    tested_on,
)
from transfergrid.reporting.figures.points import (
    correlation_of,
    key_text,
    letters_of,
    networks,
    panel_grid,
    rho_text,
    scale_y,
)
from transfergrid.reporting.figures.summaries import (
    FEWEST,
    Setting,
    at_setting,
    cells_of,
    limits,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.words import level, plurals


@dataclass(frozen=True)
class Axis:
    """A property of architectures that scores are drawn against."""

    key: str
    label: str
    log: bool


AXES = (
    Axis("imagenet_top1", "ImageNet top-1 (%)", log=False),
    Axis("params", "Parameters", log=True),
)


@dataclass(frozen=True)
class Cloud:
    """One panel: the networks of a pretraining in one setting, against one property."""

    axis: Axis
    setting: Setting
    pretraining: str
    rows: pd.DataFrame


def clouds(data: FigureData) -> list[Cloud]:
    """Return the panels that have enough networks."""
    means = seed_means(data.finished)
    means = means[means["truncation"] == 0].copy()
    means["imagenet_top1"] = means["architecture"].map(dict(data.imagenet_top1)).astype(float)
    return list(_clouds(means, data.pretrainings))


def _clouds(means: pd.DataFrame, pretrainings: list[str]) -> Iterator[Cloud]:
    for setting in settings_of(means):
        for axis in AXES:
            for pretraining in pretrainings:
                rows = at_setting(means, setting)
                rows = rows[(rows["pretraining"] == pretraining) & rows[axis.key].notna()]
                if rows[axis.key].nunique() >= FEWEST:
                    yield Cloud(axis, setting, pretraining, rows)


def lack(data: FigureData) -> str:
    """Say why there is no cloud to draw, or nothing where there is one."""
    return "" if clouds(data) else "A correlation needs at least three architectures."


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells that title and caption are about."""
    return cells_of(data.finished, [cloud.rows for cloud in clouds(data)])


def caption(data: FigureData) -> str:
    """State n, interval and test of the correlations above the panels."""
    data = data.only(drawn_cells(data))
    rows = data.correlations
    drawn = (rows["y"] == "score") & rows["metric"].isin(data.finished["metric"])
    drawn &= rows["dataset"].isin(data.finished["dataset"])
    known = rows[drawn & rows["rho"].notna() & (rows["n"] >= FEWEST)]
    text = (
        f"Whole networks, mean over {seeds_of(data)}; {tested_on(data)}. Each point is one "
        f"architecture with its {interval_of(data)}. "
    )
    if known.empty:
        return text + "No test is made: no correlation could be computed."
    return text + (
        f"Above each panel Spearman's ρ of n, {plurals(known['n'], 'architecture')}"
        f"{f', with its {level(data.confidence)} interval' if known['low'].notna().any() else ''}. "
        f"Interval and test: {methods_of(known)}; p-values stand in correlations.csv."
        f"{lower_is_better(data, data.finished)}"
    )


def draw(data: FigureData) -> Figure:
    """Draw whole networks' scores against each property, pretrainings side by side."""
    drawn = clouds(data)
    every = pd.concat([cloud.rows for cloud in drawn])
    letters = letters_of(every)
    settings = list(dict.fromkeys(cloud.setting for cloud in drawn))
    metrics = [data.metric(cloud.rows) for cloud in drawn]
    labels = [f"{metric.score}{metric.direction}" for metric in metrics]
    figure, axes = panel_grid(labels, key_text(letters))
    spots: list[Spot] = []
    for ax, cloud in zip(axes, drawn, strict=True):
        mark = data.marks[cloud.pretraining]
        spots += networks(ax, cloud.rows, cloud.axis.key, mark, letters)
        place = (cloud.axis.key, cloud.pretraining, cloud.setting, cloud.rows["metric"].iloc[0])
        row = correlation_of(data.correlations, *place)
        name = shortened([cloud.pretraining], 28)[cloud.pretraining]
        where = setting_title(cloud.setting, settings)
        ax.set_title("\n".join(filter(None, [name, where, rho_text(row)])), fontsize=9)
        _x_axis(ax, cloud.axis, every[cloud.axis.key])
    scale_y(axes, [cloud.rows for cloud in drawn], labels)
    place_letters(figure, spots)
    return figure


def _x_axis(ax: Axes, axis: Axis, values: pd.Series) -> None:
    if axis.log:
        style.parameter_axis(ax, values, pad=0.12)
    else:
        ax.set_xlim(limits(values, share=0.12))
    ax.set_xlabel(axis.label)
