"""Clouds: AUROC against ImageNet top-1 and against parameters, one panel per pretraining."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting import style
from transfergrid.reporting.figure_data import (
    FigureData,
    limits,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.words import known, signed

PANEL = 2.3  # inches of a panel's height
KEY_COLUMNS = 72  # characters in a line of the key below the panels


@dataclass(frozen=True)
class Axis:
    """A property of architectures that AUROC is drawn against."""

    key: str
    label: str
    log: bool


AXES = (
    Axis("imagenet_top1", "ImageNet top-1 (%)", log=False),
    Axis("params", "Parameters", log=True),
)


def correlation_panels(data: FigureData) -> Figure:
    """Draw whole networks' AUROC against each property, pretrainings side by side."""
    means = seed_means(data.finished)
    means = means[means["truncation"] == 0].copy()
    means["imagenet_top1"] = means["architecture"].map(dict(data.imagenet_top1)).astype(float)
    axes = [axis for axis in AXES if means[axis.key].nunique() > 1]
    if not axes:
        return style.sentence_only("A correlation needs at least two architectures.")
    letters = letters_of(means)
    marks = style.marks_of(data.pretrainings)
    settings = _settings(means)
    places = [(s, axis) for s in settings for axis in axes]
    columns = min(2, len(marks))
    blocks = math.ceil(len(marks) / columns)
    figure, grid = panel_grid(blocks * len(places), columns, key_text(letters), "Macro AUROC")
    for number, (setting, axis) in enumerate(places):
        here = means[means["dataset"] == setting[0]]
        if setting[1]:
            here = here[here["protocol"] == setting[1]]
        cells = list(grid[number * blocks : (number + 1) * blocks].flat)
        for ax, (pretraining, mark) in zip(cells, marks.items(), strict=False):
            _panel(ax, here[here["pretraining"] == pretraining], axis, mark, letters)
            row = correlation_of(data.correlations, axis.key, pretraining, setting)
            where = setting_title(setting, settings)
            ax.set_title("\n".join(filter(None, [pretraining, where, rho_text(row)])))
            _x_axis(ax, axis, means[axis.key])
        for ax in cells[len(marks) :]:
            ax.set_visible(False)
    grid[0, 0].set_ylim(limits(means["auroc"], means["auroc_low"], means["auroc_high"]))
    return figure


def _settings(means: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the settings of the panels; recipes share one where each network has a single one."""
    recipes = means.groupby(["dataset", "pretraining", "architecture"])["protocol"].nunique()
    if (recipes > 1).any():
        return settings_of(means)
    return [(str(dataset), "") for dataset in means["dataset"].unique()]


def panel_grid(rows: int, columns: int, key: str, label: str) -> tuple[Figure, np.ndarray]:
    """Return a figure with a grid of panels that share their y axis, above the letters' key."""
    foot = 0.17 * (1 + key.count("\n")) + 0.1
    figure = style.new_figure(PANEL * rows + foot)
    share = foot / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
    figure.text(0.01, 0.08 / figure.get_figheight(), key, fontsize=9, va="bottom")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for ax in grid[:, 0]:
        ax.set_ylabel(label)
    return figure, grid


def letters_of(means: pd.DataFrame) -> dict[str, str]:
    """Give each architecture a letter (``a`` to ``z``, then ``a1``), in the order of its size."""
    order = means.groupby("architecture")["params"].mean().sort_values().index
    turns = ((chr(97 + i % 26), i // 26) for i in range(len(order)))
    signs = [letter if turn == 0 else f"{letter}{turn}" for letter, turn in turns]
    return dict(zip(map(str, order), signs, strict=True))


def key_text(letters: dict[str, str]) -> str:
    """Write out what each letter stands for, in lines of limited length."""
    # A no-break space keeps a letter with its name.
    entries = ", ".join(f"{letter}\u00a0{name}" for name, letter in letters.items())
    return "\n".join(textwrap.wrap(entries, KEY_COLUMNS, break_on_hyphens=False))


def put_letter(ax: Axes, letter: str, at: tuple[float, float], left: bool) -> None:
    """Write a network's letter beside its point, on the left or the right."""
    ax.annotate(
        letter,
        at,
        xytext=(-5 if left else 5, 3),
        ha="right" if left else "left",
        textcoords="offset points",
        fontsize=9,
    )


def _panel(
    ax: Axes, rows: pd.DataFrame, axis: Axis, mark: style.Mark, letters: dict[str, str]
) -> None:
    for number, row in enumerate(rows.sort_values(axis.key).to_dict("records")):
        x = row[axis.key]
        left = number % 2 == 0  # neighbours of about the same size keep their letters apart
        ax.plot([x, x], [row["auroc_low"], row["auroc_high"]], color=mark.colour, linewidth=1)
        put_letter(ax, letters[row["architecture"]], (x, row["auroc"]), left)
    ax.plot(
        rows[axis.key],
        rows["auroc"],
        linestyle="none",
        marker=mark.marker,
        markersize=6.5,
        color=mark.colour,
        markeredgecolor=style.PAPER,
        markeredgewidth=0.8,
    )


def _x_axis(ax: Axes, axis: Axis, values: pd.Series) -> None:
    if axis.log:
        style.parameter_axis(ax, values, pad=0.12)
    else:
        ax.set_xlim(limits(values, share=0.12))
    ax.set_xlabel(axis.label)


def correlation_of(
    table: pd.DataFrame, x: str, pretraining: str, setting: tuple[str, str], y: str = "auroc"
) -> dict[str, Any] | None:
    """Return the row of correlations.csv for one panel, or None if the study did not ask."""
    name = f"{y} ({' '.join(filter(None, (pretraining, 'drop0', *setting)))})"
    rows = table[(table["x"] == x) & (table["y"] == name)].to_dict("records")
    return {str(key): value for key, value in rows[0].items()} if rows else None


def rho_text(row: dict[str, Any] | None) -> str:
    """Print ``ρ +0.40 (−0.80 to +0.95), n 4``; a missing row says so."""
    if row is None or not known(row["rho"]):
        return "ρ not asked for" if row is None else "ρ undefined"
    text = f"ρ {signed(row['rho'], 2)}"
    if known(row["low"]) and known(row["high"]):
        text += f" ({signed(row['low'], 2)} to {signed(row['high'], 2)})"
    return f"{text}, n {row['n']:g}"
