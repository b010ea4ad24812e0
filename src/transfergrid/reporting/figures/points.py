"""What clouds share: panels, lettered points with intervals and their key, rank correlations."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.names import Spot
from transfergrid.reporting.figures.summaries import SCORE, Setting, limits
from transfergrid.reporting.words import known, plural, signed

PANEL = 2.3  # inches of a panel's height
KEY_COLUMNS = 72  # characters in a line of the key below the panels
LABEL = 27  # characters in a line of a y axis's label


def panel_grid(labels: Sequence[str], key: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels, a y axis for each label, above the letters' key."""
    foot = 0.17 * (1 + key.count("\n")) + 0.1
    figure = style.new_figure(PANEL * -(-len(labels) // 2) + foot)
    share = foot / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
    figure.text(0.01, 0.08 / figure.get_figheight(), key, fontsize=9, va="bottom")
    return figure, style.panels(figure, [style.wrapped(each, LABEL) for each in labels], share=True)


def scale_y(axes: Sequence[Axes], frames: Sequence[pd.DataFrame], labels: Sequence[str]) -> None:
    """Give the panels of one label one y axis, around all of their scores and intervals."""
    for label in dict.fromkeys(labels):
        alike = [number for number, each in enumerate(labels) if each == label]
        values = [frames[number][name] for name in SCORE for number in alike]
        axes[alike[0]].set_ylim(limits(*values))


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
    ax: Axes, rows: pd.DataFrame, x: str, mark: palette.Mark, letters: Mapping[str, str]
) -> list[Spot]:
    """Draw networks with their intervals over a column `x`; return where their letters belong."""
    spots = []
    for row in rows.to_dict("records"):
        at, low, high = row[x], row["score_low"], row["score_high"]
        ax.plot([at, at], [low, high], color=mark.colour, linewidth=1)
        spots.append(Spot(ax, letters[row["architecture"]], at, row["score"], low, high))
    ax.plot(
        rows[x],
        rows["score"],
        linestyle="none",
        marker=mark.marker,
        markersize=6.5,
        color=mark.colour,
        markeredgecolor=palette.PAPER,
        markeredgewidth=0.8,
    )
    return spots


def correlation_of(
    table: pd.DataFrame,
    x: str,
    pretraining: str,
    setting: Setting,
    metric: str,
    y: str = "score",
) -> dict[str, Any] | None:
    """Return the row of correlations.csv for one panel, or None if the study did not ask."""
    rows = table[(table["x"] == x) & (table["y"] == y) & (table["pretraining"] == pretraining)]
    rows = rows[(pd.to_numeric(rows["truncation"]) == 0) & (rows["dataset"] == setting[0])]
    rows = rows[rows["protocol"].astype(object).fillna("") == setting[1]]
    found = rows[rows["metric"] == metric].to_dict("records")
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
