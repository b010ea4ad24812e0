"""Phrases that captions share: how many, on whom, with which interval.

They speak of all cells of the data that they are given: a figure of some gives `FigureData.only`.
"""

from __future__ import annotations

import pandas as pd

from transfergrid.reporting.cases import cases
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.words import count, level, listing, plurals, split_of
from transfergrid.statistics.scale import OPERATING_POINTS


def tested_on(data: FigureData) -> str:
    """Say on how many studies, or films with masks, and patients the networks were scored."""
    done = data.finished
    if done.empty:
        return "No cell has been scored yet"
    sizes = []
    for dataset, rows in done.groupby("dataset", sort=False):
        n = f"{cases(rows['n_studies'], [str(dataset)], data.masked)} of "
        sizes.append(f"{n}{plurals(rows['n_patients'], 'patient')} in {_part(data, str(dataset))}")
    return listing(sizes)


def _part(data: FigureData, dataset: str) -> str:
    folds = data.folds[data.folds["dataset"] == dataset] if len(data.folds) else data.folds
    there = list(folds["fold"].unique()) if len(folds) else []
    if len(there) > 1:
        return f"{dataset}, each tested in one of {count(len(there))} folds"
    return f"the test part of fold {there[0]} of {dataset}" if there else split_of(dataset)


def seeds_of(data: FigureData) -> str:
    """Say how many seeds a data set has; those of two need not be the same."""
    return seeds_in(data.cells)


def seeds_in(cells: pd.DataFrame) -> str:
    """Say how many seeds a data set has among some cells: ``1 to 2 seeds`` where they differ."""
    return plurals(cells.groupby("dataset")["seed"].nunique(), "seed")


def interval_of(data: FigureData) -> str:
    """Name the interval of one cell's score."""
    metrics = [data.named(str(name)) for name in data.cells["metric"].dropna().unique()]
    fixed = any(metric.thresholded for metric in metrics)
    given = f", {OPERATING_POINTS} taken as given" if fixed else ""
    return f"{level(data.confidence)} interval from sampling patients (cluster-robust{given})"


def methods_of(table: pd.DataFrame) -> str:
    """List the methods that rows name, each once."""
    return "; ".join(str(method) for method in table["method"].dropna().unique())


def scored_by(data: FigureData) -> str:
    """Name the score of whole cells at the start of a caption, data sets apart if they differ."""
    named: dict[MetricWords, list[str]] = {}
    for dataset, rows in data.cells.groupby("dataset", sort=False):
        named.setdefault(data.metric(rows), []).append(str(dataset))
    if len(named) == 1:
        (metric,) = named
        return f"{metric.score}{metric.direction}"
    told = [
        f"{metric.mean} on {listing(datasets)}"
        + ("" if metric.higher_is_better else ", where lower is better")
        for metric, datasets in named.items()
    ]
    return f"Scores ({'; '.join(told)})"


def lower_is_better(data: FigureData, rows: pd.DataFrame) -> str:
    """Name the metrics of rows in which lower is better, in a sentence; empty without any."""
    metrics = [data.named(str(name)) for name in rows["metric"].dropna().unique()]
    lower = [metric.inline for metric in metrics if not metric.higher_is_better]
    return f" Of {listing(lower)}, lower is better." if lower else ""
