"""Summaries that several figures share: means over seeds, settings, orders, limits of an axis."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.words import known
from transfergrid.statistics.places import place_words

GROUP = list(PLACE)
SCORE = ["score", "score_low", "score_high"]
FEWEST = 3
"""Fewest networks of a rank correlation or a cloud: any two make a line."""
MOST_CURVES = 14
"""Tasks whose curves are drawn at most; the others are in the table."""


def pretrainings_of(cells: pd.DataFrame) -> list[str]:
    """Return the pretrainings of cells in the study's order, the random baseline first."""
    return sorted(dict.fromkeys(cells["pretraining"]), key=lambda name: name != "random")


def seed_means(cells: pd.DataFrame) -> pd.DataFrame:
    """Average cells over seeds: one row per dataset, protocol and network.

    The interval's ends are averaged too. All seeds are scored on the same patients, so that is the
    interval of the mean if the seeds' errors from sampling patients were perfectly correlated: a
    little too wide, and without the variance between seeds, which single dots show.

    Returns:
        The columns of `GROUP` with metric, score, score_low, score_high, params, n_cells (all) and
        n_finished.
    """
    grouped = cells.groupby(GROUP, sort=False)
    table = grouped[[*SCORE, "params"]].mean()
    table["metric"] = grouped["metric"].first()
    table["n_cells"] = grouped["cell"].size()
    table["n_finished"] = grouped["score"].count()
    return table.reset_index()


def cells_of(cells: pd.DataFrame, networks: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the cells of some networks, over all seeds.

    Args:
        cells: Rows of cells.csv.
        networks: Frames with the columns of `GROUP`, at least one.
    """
    asked = pd.MultiIndex.from_frame(pd.concat([frame[GROUP] for frame in networks]))
    return cells[pd.MultiIndex.from_frame(cells[GROUP]).isin(asked)]


Setting = tuple[str, str]
"""A data set and a protocol, which is empty where each network has a single one."""


def settings_of(cells: pd.DataFrame) -> list[Setting]:
    """Return the settings that panels are for, in the study's order.

    Protocols share a panel where each network has a single one, however they differ by network.
    """
    same = cells.groupby(["dataset", "pretraining", "architecture", "truncation"])
    if not (same["protocol"].nunique() > 1).any():
        return [(str(dataset), "") for dataset in cells["dataset"].unique()]
    pairs = cells[["dataset", "protocol"]].drop_duplicates()
    return [(str(d), str(p)) for d, p in pairs.itertuples(index=False)]


def at_setting(table: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Return the rows of one setting."""
    here = table[table["dataset"] == setting[0]]
    return here[here["protocol"] == setting[1]] if setting[1] else here


def titles_of(panels: Sequence[pd.DataFrame], columns: Sequence[str]) -> list[str]:
    """Return what tells each panel from the others, in words; may be empty.

    Args:
        panels: Rows of each, which agree in these columns.
        columns: ``question`` and axes, of which those are told that differ between panels.
    """
    firsts = [rows.iloc[0] for rows in panels]
    told = [name for name in columns if pd.Series([one[name] for one in firsts]).nunique(False) > 1]
    return [
        ", ".join(
            str(row[name]) if name == "question" else place_words(name, row[name])
            for name in told
            if known(row[name])
        )
        for row in firsts
    ]


def setting_title(setting: Setting, settings: Sequence[Setting]) -> str:
    """Name what a panel's setting differs in from the others'; one setting: ``""``."""
    differs = [len({each[i] for each in settings}) > 1 for i in (0, 1)]
    return ", ".join(name for name, told in zip(setting, differs, strict=True) if told)


def by_skill(means: pd.DataFrame, higher_is_better: bool = True) -> list[str]:
    """Return architectures by the best score of any of their networks, unknown last."""
    scores = means.groupby("architecture", sort=False)["score"]
    best = scores.max() if higher_is_better else scores.min()
    order = best.sort_values(ascending=not higher_is_better, na_position="last")
    return [str(name) for name in order.index]


def limits(*values: pd.Series, share: float = 0.06) -> tuple[float, float]:
    """Return axis limits a little beyond all finite values; (0, 1) if there are none."""
    numbers = np.concatenate([np.asarray(v, dtype=float) for v in values])
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return 0.0, 1.0
    pad = share * max(float(np.ptp(numbers)), 0.01)
    return float(numbers.min()) - pad, float(numbers.max()) + pad


def network_words(row: pd.Series, varied: Collection[str]) -> str:
    """Say which network a row is of, its initial weights apart.

    Args:
        row: With ``architecture``, ``truncation`` and ``protocol``.
        varied: Those of the latter two that tell networks apart.
    """
    told = [str(row["architecture"])]
    if "truncation" in varied and row["truncation"]:
        told.append(truncation_name(row["truncation"]))
    if "protocol" in varied:
        told.append(str(row["protocol"]))
    return ", ".join(told)


def truncation_name(truncation: int) -> str:
    """Say in words how much of a network was removed."""
    return place_words("truncation", truncation)
