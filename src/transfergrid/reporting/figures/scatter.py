"""Clouds: AUROC against ImageNet top-1 and against parameters, one panel per pretraining."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import (
    FEWEST,
    FigureData,
    Setting,
    at_setting,
    limits,
    seed_means,
    setting_title,
    settings_of,
)
from transfergrid.reporting.figures.names import Spot, place_letters, shortened
from transfergrid.reporting.words import known, plural, signed

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


@dataclass(frozen=True)
class Cloud:
    """One panel: the networks of a pretraining in one setting, against one property."""

    axis: Axis
    setting: Setting
    pretraining: str
    rows: pd.DataFrame


def clouds(data: FigureData) -> list[Cloud]:
    """Return the panels that have networks enough."""
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


def correlation_lack(data: FigureData) -> str:
    """Say why there is no cloud to draw, or nothing where there is one."""
    return "" if clouds(data) else "A correlation needs at least three architectures."


def correlation_panels(data: FigureData) -> Figure:
    """Draw whole networks' AUROC against each property, pretrainings side by side."""
    drawn = clouds(data)
    every = pd.concat([cloud.rows for cloud in drawn])
    letters = letters_of(every)
    settings = list(dict.fromkeys(cloud.setting for cloud in drawn))
    figure, axes = panel_grid(len(drawn), key_text(letters), "Macro AUROC")
    spots: list[Spot] = []
    for ax, cloud in zip(axes, drawn, strict=True):
        mark = data.marks[cloud.pretraining]
        spots += networks(ax, cloud.rows, cloud.axis.key, mark, letters)
        row = correlation_of(data.correlations, cloud.axis.key, cloud.pretraining, cloud.setting)
        name = shortened([cloud.pretraining], 28)[cloud.pretraining]
        where = setting_title(cloud.setting, settings)
        ax.set_title("\n".join(filter(None, [name, where, rho_text(row)])), fontsize=9)
        _x_axis(ax, cloud.axis, every[cloud.axis.key])
    axes[0].set_ylim(limits(every["auroc"], every["auroc_low"], every["auroc_high"]))
    place_letters(figure, spots)
    return figure


def panel_grid(count: int, key: str, label: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels that share their y axis, above the letters' key."""
    foot = 0.17 * (1 + key.count("\n")) + 0.1
    figure = style.new_figure(PANEL * -(-count // 2) + foot)
    share = foot / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
    figure.text(0.01, 0.08 / figure.get_figheight(), key, fontsize=9, va="bottom")
    axes = style.panels(figure, count, sharey=True)
    for ax in axes[::2]:
        ax.set_ylabel(label)
    return figure, axes


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


def networks(
    ax: Axes, rows: pd.DataFrame, x: str, mark: style.Mark, letters: Mapping[str, str]
) -> list[Spot]:
    """Draw networks with their intervals over a column `x`; return where their letters belong."""
    spots = []
    for row in rows.to_dict("records"):
        at, low, high = row[x], row["auroc_low"], row["auroc_high"]
        ax.plot([at, at], [low, high], color=mark.colour, linewidth=1)
        spots.append(Spot(ax, letters[row["architecture"]], at, row["auroc"], low, high))
    ax.plot(
        rows[x],
        rows["auroc"],
        linestyle="none",
        marker=mark.marker,
        markersize=6.5,
        color=mark.colour,
        markeredgecolor=style.PAPER,
        markeredgewidth=0.8,
    )
    return spots


def _x_axis(ax: Axes, axis: Axis, values: pd.Series) -> None:
    if axis.log:
        style.parameter_axis(ax, values, pad=0.12)
    else:
        ax.set_xlim(limits(values, share=0.12))
    ax.set_xlabel(axis.label)


def correlation_of(
    table: pd.DataFrame, x: str, pretraining: str, setting: Setting, y: str = "auroc"
) -> dict[str, Any] | None:
    """Return the row of correlations.csv for one panel, or None if the study did not ask."""
    rows = table[(table["x"] == x) & (table["y"] == y) & (table["pretraining"] == pretraining)]
    rows = rows[(pd.to_numeric(rows["truncation"]) == 0) & (rows["dataset"] == setting[0])]
    rows = rows[rows["protocol"].astype(object).fillna("") == setting[1]]
    found = rows.to_dict("records")
    return {str(key): value for key, value in found[0].items()} if found else None


def rho_text(row: Mapping[Any, Any] | None) -> str:
    """Print ``ρ +0.40 (−0.80 to +0.95)`` and ``n 16 in 6 families``; nothing if not asked for."""
    if row is None or not known(row["rho"]):
        return ""
    text = f"ρ {signed(row['rho'], 2)}"
    if known(row["low"]) and known(row["high"]):
        text += f" ({signed(row['low'], 2)} to {signed(row['high'], 2)})"
    families = row.get("n_families")
    kin = f" in {plural(families, 'family', 'families')}" if known(families) and families else ""
    return f"{text}\nn {row['n']:g}{kin}"
