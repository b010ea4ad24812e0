"""Learning curves: the validation score against examples seen in training, one line per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import in_two_lines, line_heights
from transfergrid.reporting.figures.phrases import seeds_in
from transfergrid.reporting.figures.summaries import truncation_name
from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.history import curve_of
from transfergrid.reporting.words import listing, plural, scaled

PANEL = 1.75  # inches of a panel's height
TITLE, LABEL = 26, 18  # characters of a panel's title, and of a line of its y axis
MOST = 500
"""Most lines: more would hide one another, and every thousand takes a megabyte."""
ALIKE = 0.5
"""Trainings of at least this share of the longest one's examples have room on its axis."""
LINES = ("-", "--", ":", "-.")
DASHES = ("solid", "dashed", "dotted", "dash-dotted")


def lack(data: FigureData) -> str:
    """Say why there is no curve to draw; empty if there is one."""
    known = any(len(curve_of(data.histories.get(cell, ()))) > 1 for cell in data.trained["cell"])
    return "" if known else "No learning curve of this study has been recorded."


def caption(data: FigureData) -> str:
    """State how many lines there are, and that they decide nothing."""
    every = len(data.trained)
    data = first_seeds(data)
    parts = _parts(data)
    drawn = pd.concat([part for _, _, part in parts])
    metrics = dict.fromkeys(metric for _, metric, _ in parts)
    named = listing([f"{metric.inline}{metric.direction}" for metric in metrics])
    text = (
        f"Mean validation {named} during training of {plural(len(drawn), 'cell')}, one line each "
        f"({seeds_in(drawn)}), without interval or test. Checkpoints are "
        "chosen on these scores alone; the test split takes no part."
    )
    if len(data.trained) < every:
        text += f" Of {plural(every, 'cell')}, those of the first seeds are drawn."
    return text + told_dashes(drawn)


def told_dashes(drawn: pd.DataFrame) -> str:
    """Say which dash is which truncation of some cells, in a sentence; empty where there is one."""
    cuts = sorted(int(k) for k in drawn["truncation"].unique())
    names = [f"{DASHES[i % 4]}: {truncation_name(k)}" for i, k in enumerate(cuts)]
    return f" Lines: {', '.join(names)}." if len(cuts) > 1 else ""


def draw(data: FigureData) -> Figure:
    """Draw scores against training examples, a panel per network and data set, a line per cell.

    Panels share their x axis only with those whose trainings are about as long.
    """
    data = first_seeds(data)
    parts = _parts(data)
    drawn = pd.concat([part for _, _, part in parts])
    marks = {name: mark for name, mark in data.marks.items() if name in set(drawn["pretraining"])}
    lines = dashes_of(drawn)
    names = in_two_lines([name for name, _, _ in parts], TITLE)
    rows = -(-len(parts) // 2)
    height = rows * PANEL + 0.55 + style.legend_height(marks) + line_heights(names, rows)
    figure = style.new_figure(height)
    labels = [style.wrapped(f"{metric.title}{metric.direction}", LABEL) for _, metric, _ in parts]
    axes = style.panels(figure, labels, share=True)
    ends = []
    for ax, (name, _, part) in zip(axes, parts, strict=True):
        ends.append(
            max(
                draw_curve(
                    ax,
                    curve_of(data.histories.get(row["cell"], ())),
                    marks[row["pretraining"]],
                    lines[int(row["truncation"])],
                )
                for row in part.to_dict("records")
            )
        )
        ax.set_title(names[name], fontsize=9)
    for ax, end in zip(axes, shared_ends(ends), strict=True):
        examples_axis(ax, end)
    figure.supxlabel("Training examples", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def first_seeds(data: FigureData, most: int = MOST) -> FigureData:
    """Leave out later seeds where there are too many cells; one seed is always kept."""
    counts = data.trained["seed"].value_counts().sort_index().cumsum()
    if not len(counts) or counts.iloc[-1] <= most:
        return data
    kept = counts.index[: max(1, int((counts <= most).sum()))]
    folds = data.folds if data.folds.empty else data.folds[data.folds["seed"].isin(kept)]
    return replace(data, cells=data.cells[data.cells["seed"].isin(kept)], folds=folds)


def shared_ends(ends: Sequence[float]) -> list[float]:
    """Return where each panel's x axis ends: at the longest training of those about as long.

    Args:
        ends: Examples at the end of each panel's longest training.
    """
    found: dict[float, float] = {}
    longest = 0.0
    for end in sorted(set(ends), reverse=True):
        if end < ALIKE * longest or not found:
            longest = end
        found[end] = longest
    return [found[end] for end in ends]


def _parts(data: FigureData) -> list[tuple[str, MetricWords, pd.DataFrame]]:
    """Return the panels: cells of one architecture and data set, those of one metric together."""
    there = [bool(curve_of(data.histories.get(cell, ()))) for cell in data.trained["cell"]]
    drawn = data.trained[there]
    several = drawn["dataset"].nunique() > 1
    return [
        (f"{name}, {dataset}" if several else str(name), data.metric(part), part)
        for _, rows in drawn.groupby("metric", sort=False)
        for (dataset, name), part in rows.groupby(["dataset", "architecture"], sort=False)
    ]


def dashes_of(drawn: pd.DataFrame) -> dict[int, str]:
    """Return the dashes of each number of blocks removed, for some cells."""
    cuts = sorted({int(k) for k in drawn["truncation"]})
    return {cut: LINES[number % len(LINES)] for number, cut in enumerate(cuts)}


def examples_axis(ax: Axes, end: float) -> None:
    """Let a panel's x axis run to a number of training examples."""
    ax.set_xlim(0, 1.05 * end or 1)
    ax.xaxis.set_major_locator(style.few_ticks())
    ax.xaxis.set_major_formatter(lambda value, _: scaled(value) if value else "0")


def draw_curve(
    ax: Axes, points: Sequence[tuple[float, float]], mark: palette.Mark, dash: str
) -> float:
    """Draw a cell's curve and return the examples at its end, 0 without points."""
    if not points:
        return 0.0
    x, y = zip(*points, strict=True)
    ax.plot(x, y, color=mark.colour, linestyle=dash, linewidth=1.3, alpha=0.85)
    ax.plot(x[-1:], y[-1:], color=mark.colour, marker=mark.marker, markersize=4)
    return max(x)
