"""The score of every network: dots with intervals, one under the other."""

from __future__ import annotations

import matplotlib.transforms as transforms
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.forest import EDGES, HEADER, ROW, dot, heading
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import interval_of, scored_by, seeds_of, tested_on
from transfergrid.reporting.figures.summaries import (
    SCORE,
    at_setting,
    by_skill,
    limits,
    seed_means,
    setting_title,
    settings_of,
    truncation_name,
)
from transfergrid.reporting.words import known

_PEOPLE = (
    " Dashed: what another observer of the masks scores against the first, on the same films and "
    "at the same size."
)
GAP = 0.45  # rows between truncations


def lack(data: FigureData) -> str:
    """Say why there is no score to draw; empty if there is one."""
    return "No cell of this study has been scored yet." if data.finished.empty else ""


def draw(data: FigureData) -> Figure:
    """Draw scores by architecture, truncation and pretraining; a panel per dataset and protocol."""
    settings = settings_of(data.cells)
    marks = data.marks
    panels = [at_setting(data.cells, setting) for setting in settings]
    heights = [_height(panel) for panel in panels]
    figure = style.new_figure(sum(heights) * ROW + EDGES * len(panels) + style.legend_height(marks))
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    metrics = [data.metric(panel) for panel in panels]
    for panel, ax, setting, metric in zip(panels, axes, settings, metrics, strict=True):
        _panel(ax, panel, marks, metric.higher_is_better)
        ax.set_title(setting_title(setting, settings))
        people = observers_of(data, panel)
        for name, value in people.items():
            _person(ax, name, value)
        # Panels of one metric share their scale.
        alike = [each for each, other in zip(panels, metrics, strict=True) if other == metric]
        seen = [pd.Series(observers_of(data, each)) for each in alike]
        ax.set_xlim(limits(*(each[name] for name in SCORE for each in alike), *filter(len, seen)))
    for number, (ax, metric) in enumerate(zip(axes, metrics, strict=True), start=1):
        if number == len(metrics) or metrics[number] != metric:
            ax.set_xlabel(f"{metric.score} on the test images{metric.direction}")
    style.legend(figure, axes[0], marks)
    return figure


def observers_of(data: FigureData, panel: pd.DataFrame) -> dict[str, float]:
    """Return what further observers of a panel's masks score in its metric, by their names."""
    people = _people(data)
    if people.empty:
        return {}
    here = people["dataset"].isin(panel["dataset"]) & people["metric"].isin(panel["metric"])
    return {f"observer {row['observer']}": row["value"] for row in people[here].to_dict("records")}


def _people(data: FigureData) -> pd.DataFrame:
    """Return the rows of observers over all scored structures."""
    table = data.observers
    if table.empty:
        return table
    return table[~table["task"].map(known) & table["value"].notna()]


def _person(ax: Axes, name: str, value: float) -> None:
    """Draw a line through all networks, named at its lower end."""
    ax.axvline(value, color=palette.INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.annotate(
        name,
        (value, 0),
        xycoords=transforms.blended_transform_factory(ax.transData, ax.transAxes),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        fontsize=9,
    )


def caption(data: FigureData) -> str:
    """State n, the interval, and what the lines do not say."""
    done, every = len(data.finished), len(data.cells)
    return (
        f"{scored_by(data)}, {tested_on(data)}; {done} of {every} cells scored, {seeds_of(data)}. "
        "Large markers: mean over seeds; small dots: single seeds; lines: mean over seeds of each "
        f"cell's {interval_of(data)}. Lines do not show the variance between seeds, and overlap of "
        "two lines is no test: the paired differences are."
        + (_PEOPLE if len(_people(data)) else "")
    )


def _height(panel: pd.DataFrame) -> float:
    means = seed_means(panel)
    truncations = means.groupby(["architecture", "truncation"]).ngroups
    return len(means) + HEADER * means["architecture"].nunique() + GAP * truncations


def _panel(ax: Axes, panel: pd.DataFrame, marks: dict[str, palette.Mark], higher: bool) -> None:
    means = seed_means(panel)
    several = means["truncation"].nunique() > 1
    recipes = means["protocol"].nunique() > 1
    order = list(marks)
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for architecture in by_skill(means, higher):
        y += HEADER
        network = means[means["architecture"] == architecture]
        used = network["protocol"].unique()
        recipe = f" (recipe {used[0]})" if recipes and len(used) == 1 else ""
        heading(ax, y - 0.75, shortened([architecture + recipe], 42)[architecture + recipe])
        for truncation in sorted(network["truncation"].unique()):
            rows = network[network["truncation"] == truncation]
            rows = rows.sort_values("pretraining", key=lambda names: names.map(order.index))
            ticks.append((y + (len(rows) - 1) / 2, truncation_name(truncation)))
            for row in rows.to_dict("records"):
                _row(ax, y, row, panel, marks[row["pretraining"]])
                y += 1
            y += GAP
    ax.set_ylim(y - GAP, -0.1)
    ax.set_yticks([at for at, _ in ticks] if several else [])
    if several:
        ax.set_yticklabels([label for _, label in ticks])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)


def _row(ax: Axes, y: float, row: dict, panel: pd.DataFrame, mark: palette.Mark) -> None:
    same = panel[
        (panel["architecture"] == row["architecture"])
        & (panel["pretraining"] == row["pretraining"])
        & (panel["truncation"] == row["truncation"])
    ]
    if row["n_finished"] < row["n_cells"]:
        across = transforms.blended_transform_factory(ax.transAxes, ax.transData)
        note = f"{row['n_finished']} of {row['n_cells']} seeds"
        ax.text(1.01, y, note, transform=across, va="center", color=palette.MUTED, fontsize=9)
    if row["n_finished"] == 0:
        return
    ax.plot([row["score_low"], row["score_high"]], [y, y], color=mark.colour, linewidth=2)
    if row["n_finished"] > 1:
        ax.scatter(same["score"], [y] * len(same), s=14, color=palette.PAPER, zorder=3)
        ax.scatter(same["score"], [y] * len(same), s=7, color=mark.colour, zorder=4)
    dot(ax, row["score"], y, mark)
