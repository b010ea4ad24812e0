"""The table of cells: what each row shows, sorts by and is filtered by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.figures.palette import PALETTE, Mark
from transfergrid.reporting.flags import flags_of
from transfergrid.reporting.metric_words import SEVERAL, MetricWords, named_together
from transfergrid.reporting.page.cell_scores import Measure, Value
from transfergrid.reporting.page.extent import best_rows
from transfergrid.reporting.records import CellRecord
from transfergrid.reporting.words import known, listing

FILTERS = (
    "dataset",
    "family",
    "architecture",
    "pretraining",
    "truncation",
    "protocol",
    "status",
)
NAMED = tuple(axis for axis in PLACE if axis not in ("architecture", "pretraining"))
"""Axes that are named where they vary; the others always are."""


@dataclass(frozen=True)
class Row:
    """One cell: its table row, short remarks, colour number and the bar's three positions.

    ``others`` has the values of metrics by name. ``network`` numbers the networks: rows that differ
    only in their seed share one.
    """

    cell: Mapping[str, Any]
    network: int
    tags: tuple[tuple[str, str], ...]
    colour: int
    bar: tuple[float, float, float] | None
    others: Mapping[str, Value]
    metric: MetricWords


@dataclass(frozen=True)
class Board:
    """The leaderboard.

    Attributes:
        rows: Cells with a score, the best first; metrics one after the other.
        without: How many cells have none; they are listed elsewhere.
        filters: (axis, values) of every axis on which cells differ.
        axes: Those of `NAMED` that have more than one value; the others need no column.
        seeds: Whether there are several seeds to take the mean of.
        scale: Score at the left and the right end of the bars.
        metric: What the scores are called.
        others: Names and words of the metrics that can be shown beside it.
        left_out: How many cells with a score have no row, because they are too many for a page.
    """

    rows: tuple[Row, ...]
    filters: tuple[tuple[str, tuple[str, ...]], ...]
    axes: frozenset[str]
    seeds: bool
    scale: tuple[float, float]
    without: int
    metric: MetricWords
    others: Mapping[str, MetricWords]
    left_out: int = 0

    @property
    def mixed(self) -> bool:
        """Whether the scores are in several metrics, and have no common order or scale."""
        return self.metric is SEVERAL

    @property
    def tagged(self) -> bool:
        """Whether there is a remark on any cell."""
        return any(row.tags for row in self.rows)


def leaderboard(
    cells: pd.DataFrame,
    records: Mapping[str, CellRecord],
    marks: Mapping[str, Mark],
    metrics: Mapping[str, MetricWords],
    measured: Mapping[str, Mapping[str, Measure]],
) -> Board:
    """Build the leaderboard.

    Args:
        cells: Rows of cells.csv under the primary selection.
        records: Per cell what lies in its folder.
        marks: The pretrainings' marks, whose order numbers their colours.
        metrics: What metrics are called, by name.
        measured: The measures of each cell, by metric.
    """
    every, scored = len(cells), cells[cells["score"].notna()]
    cells = best_rows(_best_first(scored, metrics))
    others = dict.fromkeys(name for cell in cells["cell"] for name in measured.get(cell, ()))
    several_metrics = cells["metric"].nunique() > 1
    if not several_metrics and len(cells):
        others.pop(str(cells["metric"].iloc[0]), None)
    low, high = cells["score_low"].min(), cells["score_high"].max()
    common = _common_flags(cells)
    networks: dict[tuple[Any, ...], int] = {}
    rows = []
    for cell in cells.to_dict("records"):
        plain = {str(key): value for key, value in cell.items()}
        colour = _colour(marks[plain["pretraining"]])
        bar = None if several_metrics else _bar(plain, low, high)
        network = networks.setdefault(tuple(plain[axis] for axis in PLACE), len(networks))
        tags = _tags(plain, records.get(plain["cell"]), common)
        own = {name: one.whole for name, one in measured.get(plain["cell"], {}).items()}
        metric = named_together([plain["metric"]], metrics)
        rows.append(Row(plain, network, tags, colour, bar, own, metric))
    several = frozenset(axis for axis in NAMED if cells[axis].nunique() > 1)
    # A mean over just those seeds that have a row would not be the mean over seeds.
    seeds = cells["seed"].nunique() > 1 and len(cells) == len(scored)
    scale = (float(low), float(high))
    return Board(
        rows=tuple(rows),
        filters=tuple(_filters(cells)),
        axes=several,
        seeds=seeds,
        scale=scale,
        without=every - len(scored),
        left_out=len(scored) - len(cells),
        metric=named_together(map(str, cells["metric"]), metrics),
        others={name: named_together([name], metrics) for name in others},
    )


def _best_first(cells: pd.DataFrame, metrics: Mapping[str, MetricWords]) -> pd.DataFrame:
    """Order cells by score, the best first; those of different metrics one after the other."""
    parts = [
        rows.sort_values(
            "score",
            ascending=not named_together([str(metric)], metrics).higher_is_better,
            kind="stable",
        )
        for metric, rows in cells.groupby("metric", sort=False)
    ]
    return pd.concat(parts) if parts else cells


def _filters(cells: pd.DataFrame) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the axes on which cells differ, with their values."""
    for axis in FILTERS:
        values = tuple(str(value) for value in dict.fromkeys(cells[axis]))
        if len(values) > 1:
            yield axis, tuple(sorted(values, key=_natural))


def _natural(value: str) -> tuple[int, str]:
    return (int(value), "") if value.isdigit() else (-1, value)


def _colour(mark: Mark) -> int:
    """Return the number of a mark's colour among the page's variables --c0, --c1, ..."""
    return PALETTE.index(mark.colour) + 1 if mark.colour in PALETTE else 0


def _bar(cell: Mapping[str, Any], low: float, high: float) -> tuple[float, float, float] | None:
    ends = (cell["score_low"], cell["score"], cell["score_high"])
    if not all(known(value) for value in ends) or not high > low:
        return None
    first, middle, last = (round(100 * (value - low) / (high - low), 1) for value in ends)
    return first, middle, last


def _common_flags(cells: pd.DataFrame) -> frozenset[tuple[str, str]]:
    """Return flags that every finished cell has; a banner tells them, as the data's."""
    each = [set(flags_of(text)) for text in cells.loc[cells["score"].notna(), "flags"]]
    return frozenset(set.intersection(*each)) if each else frozenset()


def _tags(
    cell: Mapping[str, Any], record: CellRecord | None, common: frozenset[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return (short text, explanation) of everything odd about a cell."""
    tags = []
    if cell["status"] != "finished":
        tags.append((str(cell["status"]), f"This cell is {cell['status']} and has no score."))
    flags = [
        flag
        for flag in flags_of(cell["flags"])
        if flag not in common and cell["status"] == "finished"
    ]
    for kind in dict.fromkeys(name for name, _ in flags):
        tasks = [task for name, task in flags if name == kind]
        tags.append((kind.replace("_", " "), f"{kind.replace('_', ' ')}: {listing(tasks)}"))
    if record is not None and _smaller_batch(cell, record.spec):
        text = (
            f"Trained in micro-batches of {cell['micro_batch']:g}, smaller than the recipe says: "
            "batch statistics differ from other cells'."
        )
        tags.append((f"micro-batch {cell['micro_batch']:g}", text))
    return tuple(tags)


def _smaller_batch(cell: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    recipe = spec.get("recipe", {})
    if not known(cell["micro_batch"]) or "batch_size" not in recipe:
        return False
    planned = -(-int(recipe["batch_size"]) // int(recipe.get("accumulate", 1)))
    return bool(cell["micro_batch"] < planned)
