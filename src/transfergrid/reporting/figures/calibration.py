"""Reliability curves: the share of positives at each probability, one panel per comparison."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import seeds_of, tested_on
from transfergrid.reporting.tables.calibration import comparisons, network_keys
from transfergrid.reporting.words import count, level, plural, plurals

PANEL = 2.6  # inches of a panel's height, without the lines of its title
LINE = 0.15  # inches of such a line
MOST_TOLD = 4  # comparisons of which the caption says how many cases each has


def lack(data: FigureData) -> str:
    """Say why there is no curve to draw; empty if there is one."""
    return "No ensemble of this study has probabilities yet." if data.reliability.empty else ""


def drawn_cells(data: FigureData) -> pd.DataFrame:
    """Return the cells that title and caption are about: those that pretrainings share."""
    there = data.finished[data.finished["dataset"].isin(data.reliability["dataset"])]
    drawn: set[str] = set()
    for _, here in there.groupby("dataset", sort=False):
        keys = network_keys(here)
        for compared in comparisons(here):
            own = here["pretraining"].isin(compared.pretrainings) & keys.isin(compared.cells)
            drawn.update(here.loc[own, "cell"])
    return there[there["cell"].isin(drawn)]


def caption(data: FigureData) -> str:
    """State n, intervals and both numbers of every curve."""
    table = data.reliability
    data = data.only(drawn_cells(data))
    text = (
        "Share of positives against mean predicted probability of the ensembles; "
        f"{tested_on(data)}; {seeds_of(data)}. n: pairs of a test study and a scored task with a "
        "known label, of finished cells that all compared pretrainings have, pooled and cut into "
        f"bins of about equal count; vertical lines: Wilson {level(data.confidence)} interval of "
        "the share, on the number of cases that remains when a patient counts as one. ECE: mean "
        "distance from the dotted line, weighted by the bins' counts (it includes sampling noise). "
        "Brier: mean squared error of the probability. No test is made."
    )
    several = table["dataset"].nunique() > 1
    told = []
    for (dataset, comparison), part in table.groupby(["dataset", "comparison"], sort=False):
        alike: dict[str, list[str]] = {}
        for name, bins in part.groupby("pretraining", sort=False):
            alike.setdefault(_counts(bins), []).append(str(name))
        one = len(alike) == 1
        arms = [
            f"{'each' if one and len(names) > 1 else ', '.join(names) + ':'} {counts}"
            for counts, names in alike.items()
        ]
        networks = plural(part["n_networks"].iloc[0], "network")
        where = f" on {dataset}" if several else ""
        told.append(f"{comparison}{where} ({networks}): {'; '.join(arms)}")
    # More than a reader would read; the table has them all.
    few = len(told) <= MOST_TOLD
    text += (
        f" Compared: {'. '.join(told)}."
        if few
        else " How many cases each curve is of stands in calibration.csv."
    )
    left = table.drop_duplicates(["dataset", "comparison", "pretraining"])["n_cells_left_out"]
    if left.any():
        text += " Cells left out are of networks or seeds that another pretraining lacks."
    return text


def _counts(bins: pd.DataFrame) -> str:
    row = bins.iloc[0]
    left = f" ({count(row['n_cells_left_out'])} left out)" if row["n_cells_left_out"] else ""
    return (
        f"{plural(row['n_cases'], 'case')} of {plural(row['n_cells'], 'cell')}{left}, "
        f"{plural(row['n_studies'], 'study', 'studies')} and "
        f"{plural(row['n_patients'], 'patient')}, in {plural(len(bins), 'bin')} of "
        f"{plurals(bins['n'], 'case')}"
    )


def draw(data: FigureData) -> Figure:
    """Draw the reliability curves of pretrainings that are compared on the same networks."""
    table = data.reliability
    several = table["dataset"].nunique() > 1
    groups = [part for _, part in table.groupby(["dataset", "comparison"], sort=False)]
    deepest = max(part["pretraining"].nunique() for part in groups) + 1
    shown = set(table["pretraining"])
    marks = {name: mark for name, mark in data.marks.items() if name in shown}
    rows_of_panels = -(-len(groups) // 2)
    height = rows_of_panels * (PANEL + deepest * LINE) + style.legend_height(marks) + 0.25
    figure = style.new_figure(height)
    axes = style.panels(figure, ["Share of positives"] * len(groups))
    for ax, part in zip(axes, groups, strict=True):
        lines = [_head(part, several)]
        for name, rows in part.groupby("pretraining", sort=False):
            _curve(ax, rows, data.marks[str(name)])
            short, row = shortened([str(name)], 18)[str(name)], rows.iloc[0]
            lines.append(f"{short}: {row['ece']:.3f}, {row['brier']:.3f}")
        ax.set_title("\n".join(lines), fontsize=8.5, fontweight="normal")
        _frame(ax, square=len(groups) > 1)
    figure.supxlabel("Mean predicted probability", fontsize=10)
    style.legend(figure, axes[0], marks, lines=True)
    return figure


def _head(part: pd.DataFrame, several: bool) -> str:
    networks = plural(part["n_networks"].iloc[0], "network")
    where = f"{part['dataset'].iloc[0]}, " if several else "On "
    return f"{where}{networks}; ECE, Brier:"


def _curve(ax: Axes, rows: pd.DataFrame, mark: palette.Mark) -> None:
    for x, low, high in zip(rows["predicted"], rows["low"], rows["high"], strict=True):
        ax.plot([x, x], [low, high], color=mark.colour, linewidth=1.2)
    ax.plot(
        rows["predicted"],
        rows["observed"],
        color=mark.colour,
        marker=mark.marker,
        markersize=6,
        markeredgecolor=palette.PAPER,
        markeredgewidth=0.8,
    )


def _frame(ax: Axes, square: bool) -> None:
    ax.plot([0, 1], [0, 1], color=palette.MUTED, linewidth=0.9, linestyle=":", zorder=0)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    if square:
        ax.set_box_aspect(1)
