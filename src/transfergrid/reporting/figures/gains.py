"""Similarity against gain: a panel per source and layer, a colour per data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.palette import MARKERS, PALETTE, PAPER, Mark
from transfergrid.reporting.figures.phrases import lower_is_better, seeds_of, tested_on
from transfergrid.reporting.figures.points import PANEL
from transfergrid.reporting.figures.summaries import limits
from transfergrid.reporting.words import known, level, listing, signed
from transfergrid.statistics.named import compared_by

MOST = 12
"""Panels at most."""
_GROUP = ["question", "architecture", "truncation", "pretraining", "protocol", "metric"]


def clouds(data: FigureData) -> list[tuple[Mapping[str, Any], pd.DataFrame]]:
    """Return the panels, first layers first: what their points share, and the points."""
    if data.gains.empty:
        return []
    points = data.gains.fillna({"pretraining": "", "protocol": ""})
    groups = points.groupby([*_GROUP, "depth", "layer"], sort=False)
    found = [
        (dict(zip([*_GROUP, "depth", "layer"], key, strict=True)), rows) for key, rows in groups
    ]
    return [(place, rows) for place, rows in found if len(rows) > 1]


def shown(data: FigureData) -> list[tuple[Mapping[str, Any], pd.DataFrame]]:
    """Return the panels that there is room for: where there are many, the deepest layer's first."""
    found = clouds(data)
    if len(found) <= MOST:
        return found
    chosen = sorted(range(len(found)), key=lambda number: -found[number][0]["depth"])[:MOST]
    return [found[number] for number in sorted(chosen)]


def lack(data: FigureData) -> str:
    """Say why there is nothing to draw; empty if there is."""
    return "" if clouds(data) else "The study does not ask whether similarity goes with gain."


def caption(data: FigureData) -> str:
    """Say what a point is, and what stands above a panel."""
    panels, rows = clouds(data), data.gains
    metrics = [data.named(str(name)).inline for name in dict.fromkeys(rows["metric"])]
    lower = lower_is_better(data, rows)
    own = data.only(data.finished[data.finished["dataset"].isin(rows["dataset"])])
    baseline = f"{listing(list(dict.fromkeys(rows['baseline'])))} weights"
    bounds = f"{level(data.confidence)} intervals where there are any"
    text = (
        f"Similarity by {', '.join(dict.fromkeys(rows['measure']))} of pairs "
        f"({', '.join(dict.fromkeys(rows['pair']))}) against the gain in "
        f"{listing(metrics)} over {baseline} by the same recipe and "
        f"seed; {tested_on(own)}, {seeds_of(own)}. A point is a pair, a colour a data set. Above "
        f"a panel r pooled over data sets and within them, with {bounds}. "
        "Points have no interval of their own; no test is made."
    )
    if lower:
        text += f"{lower} A gain is then a fall."
    if len(panels) > MOST:
        text += f" {MOST} of {len(panels)} panels, of the deepest layers; gains.csv has all points."
    return text


def draw(data: FigureData) -> Figure:
    """Draw gains over similarities, a panel per source, recipe and layer."""
    panels = shown(data)
    every = list(dict.fromkeys(data.gains["dataset"]))
    marks = {
        name: Mark(PALETTE[i % len(PALETTE)], ("o", *MARKERS)[i % (1 + len(MARKERS))])
        for i, name in enumerate(every)
    }
    labels = [f"Gain in {data.named(place['metric']).inline}" for place, _ in panels]
    rows = -(-len(panels) // 2)
    figure = style.new_figure((PANEL + 0.3) * rows + style.legend_height(every))
    axes = style.panels(figure, [style.wrapped(each, 27) for each in labels], share=True)
    varying = [key for key in _GROUP if len({place[key] for place, _ in panels}) > 1]
    for ax, (place, points) in zip(axes, panels, strict=True):
        _panel(ax, points, marks)
        ax.set_title("\n".join(_title(place, points, varying, data.findings)), fontsize=8)
        ax.set_xlabel(str(points["measure"].iloc[0]))
    for label in dict.fromkeys(labels):
        alike = [number for number, each in enumerate(labels) if each == label]
        axes[alike[0]].set_ylim(limits(*(panels[number][1]["gain"] for number in alike)))
    style.legend(figure, axes[0], marks)
    return figure


def _panel(ax: Axes, points: pd.DataFrame, marks: Mapping[str, Mark]) -> None:
    ax.axhline(0, color="#5f6773", linewidth=0.8)
    for dataset, own in points.groupby("dataset", sort=False):
        mark = marks[str(dataset)]
        ax.plot(
            own["similarity"],
            own["gain"],
            linestyle="none",
            marker=mark.marker,
            color=mark.colour,
            markersize=5.5,
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
        )
    ax.set_xlim(limits(points["similarity"], share=0.12))
    ax.xaxis.set_major_locator(style.few_ticks(3))


def _title(
    place: Mapping[str, Any], points: pd.DataFrame, varying: Sequence[str], findings: pd.DataFrame
) -> list[str]:
    """Return what tells a panel from the others, and its two correlations."""
    keys = ("protocol", "architecture")
    told = [str(place["pretraining"]), *(str(place[key]) for key in keys if key in varying)]
    lines = [shortened([name], 26)[name] for name in told if name] + [str(place["layer"])]
    own = findings[findings["question"] == place["question"]]
    pair = points.iloc[0]
    ending = f"; {compared_by(pair['measure'], pair['layer'], pair['pair'])}"
    for key in ("architecture", "truncation", "pretraining", "protocol", "metric"):
        own = own[own[key].astype(object).fillna("").astype(str) == str(place[key])]
    own = own[own["subject"].str.endswith(ending)].set_index("quantity")
    for quantity, word in (("pooled_r", "pooled"), ("within_r", "within")):
        if quantity in own.index and known(own.at[quantity, "value"]):
            lines.append(f"{word} r {_interval(own.loc[quantity])}")
    return lines


def _interval(row: pd.Series) -> str:
    text = signed(row["value"], 2)
    if not (known(row["low"]) and known(row["high"])):
        return text
    return f"{text} ({signed(row['low'], 2)} to {signed(row['high'], 2)})"
