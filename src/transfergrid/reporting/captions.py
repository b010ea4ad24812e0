"""Figure captions, written from the data that the figure shows: n, interval, test."""

from __future__ import annotations

from typing import Any

import pandas as pd

from transfergrid.reporting.figure_data import FigureData, seed_means, truncation_name
from transfergrid.reporting.words import count, level, listing, plural


def _range(values: pd.Series, word: str, many: str | None = None) -> str:
    low, high = int(values.min()), int(values.max())
    if low == high:
        return plural(low, word, many)
    return f"{count(low)} to {count(high)} {many or word + 's'}"


def tested_on(data: FigureData) -> str:
    """Say on how many studies and patients the networks were scored."""
    done = data.finished
    if done.empty:
        return "No cell has been scored yet"
    sizes = []
    for dataset, rows in done.groupby("dataset", sort=False):
        n = f"{_range(rows['n_studies'], 'study', 'studies')} of "
        sizes.append(f"{n}{_range(rows['n_patients'], 'patient')} in {dataset}'s test split")
    return listing(sizes)


def _seeds(data: FigureData) -> str:
    return plural(int(data.cells["seed"].nunique()), "seed")


def _interval(data: FigureData) -> str:
    return f"{level(data.confidence)} interval from sampling patients (cluster-robust DeLong)"


def auroc(data: FigureData) -> str:
    """Caption the forest of AUROC."""
    done, every = len(data.finished), len(data.cells)
    return (
        f"Macro AUROC, {tested_on(data)}; {done} of {every} cells scored, {_seeds(data)}. Large "
        "markers: mean over seeds; small dots: single seeds; lines: mean over seeds of each "
        f"cell's {_interval(data)}. Lines do not show the variance between seeds, and overlap of "
        "two lines is no test: the paired differences are."
    )


def _methods(table: pd.DataFrame) -> str:
    return "; ".join(str(method) for method in table["method"].dropna().unique())


def boosts(data: FigureData) -> str:
    """Caption the forest of contrasts."""
    table = data.contrasts[data.contrasts["estimate"].notna()]
    if table.empty:
        return "No contrast has an estimate yet."
    n = f"{_range(table['n_cells'], 'pair of networks', 'pairs of networks')}, "
    n += f"{_range(table['n_seeds'], 'seed')}, "
    n += f"{_range(table['n_studies'], 'study', 'studies')} of "
    n += _range(table["n_patients"], "patient")
    text = (
        f"Differences of the first named minus the second, on the same test patients, with "
        f"{level(data.confidence)} intervals ({_methods(table)}). Per contrast {n}. Filled "
        "squares: the interval, not adjusted for the number of contrasts, excludes zero. An "
        "interval that runs off the panel is given in full beside its label."
    )
    if table["margin"].notna().any():
        text += " Dotted lines: the margin that was fixed in advance."
    return text


def truncation(data: FigureData) -> str:
    """Caption the truncation curves."""
    means = seed_means(data.finished)
    cuts = means.groupby(["dataset", "protocol", "architecture"])["truncation"].nunique()
    n = int((cuts > 1).sum())
    return (
        f"Macro AUROC of {plural(n, 'network')} after removing final blocks, against blocks "
        f"removed (left) and the parameters left over (right); {tested_on(data)}; mean over "
        f"{_seeds(data)}. Vertical lines: mean over seeds of each cell's {_interval(data)}."
    )


def correlation(data: FigureData) -> str:
    """Caption the panels of correlations."""
    table = data.correlations
    rows: list[dict[Any, Any]] = table.to_dict("records")
    methods = _methods(table) if rows else "none was computed"
    return (
        f"Whole networks, mean over {_seeds(data)}; {tested_on(data)}. Each point is one "
        f"architecture with its {_interval(data)}. Above each panel Spearman's ρ over "
        f"architectures with its {level(data.confidence)} interval ({methods})."
    )


def learning(data: FigureData) -> str:
    """Caption the learning curves."""
    drawn = sum(bool(data.histories.get(cell)) for cell in data.cells["cell"])
    text = (
        f"Mean validation AUROC during training of {plural(drawn, 'cell')}, one line each "
        f"({_seeds(data)}), no interval. Checkpoints are chosen on these scores alone; the test "
        "split takes no part."
    )
    cuts = sorted(int(k) for k in data.cells["truncation"].unique())
    if len(cuts) > 1:
        dashes = ("solid", "dashed", "dotted", "dash-dotted")
        names = [f"{dashes[i % 4]}: {truncation_name(k)}" for i, k in enumerate(cuts)]
        text += f" Lines: {', '.join(names)}."
    return text
