"""Films with outlines, by data set and cell, as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.reporting.figures.summaries import truncation_name
from transfergrid.reporting.metric_words import MetricWords, named_together
from transfergrid.reporting.pictures.file import Picture


@dataclass(frozen=True)
class ShownCell:
    """A cell, or a run over folds, on its films.

    Attributes:
        cell: The row of cells.csv.
        told: Which one it is, in words.
        metric: What its test score is called.
        films: Its best, median and worst film.
    """

    cell: Mapping[str, Any]
    told: str
    metric: MetricWords
    films: tuple[Picture, ...]


def shown_films(
    cells: pd.DataFrame, pictures: Sequence[Picture], metrics: Mapping[str, MetricWords]
) -> list[tuple[str, tuple[ShownCell, ...]]]:
    """Return the data sets with masks, each with the cells that are shown on films of it.

    Args:
        cells: Rows of cells.csv under the primary selection, single folds left out.
        pictures: The pictures.
        metrics: What metrics are called, by name.
    """
    rows = {str(row["cell"]): row for row in cells.to_dict("records")}
    by_cell: dict[str, list[Picture]] = {}
    for picture in pictures:
        if picture.cell in rows:
            by_cell.setdefault(picture.cell, []).append(picture)
    found: dict[str, list[ShownCell]] = {}
    recipes = len({rows[cell]["protocol"] for cell in by_cell}) > 1
    for cell, films in by_cell.items():
        row = {str(key): value for key, value in rows[cell].items()}
        metric = named_together([str(row["metric"])], metrics)
        told = told_cell(row, recipes)
        found.setdefault(str(row["dataset"]), []).append(ShownCell(row, told, metric, tuple(films)))
    return [(dataset, tuple(own)) for dataset, own in found.items()]


def told_cell(row: Mapping[str, Any], recipe: bool) -> str:
    """Say which cell a row of cells.csv is, its data set apart.

    Args:
        row: The row.
        recipe: Whether its recipe is named.
    """
    parts = [row["pretraining"], row["architecture"]]
    parts += [truncation_name(row["truncation"])] if row["truncation"] else []
    parts += [row["protocol"]] if recipe else []
    return ", ".join(map(str, [*parts, f"seed {row['seed']}"]))
