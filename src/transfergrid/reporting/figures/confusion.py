"""Which class is taken for which: a matrix of shares for each compared arm."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfergrid.reporting.figures.curves import ARM, shown_cells
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.matrix import MOST, Matrix, draw_matrices
from transfergrid.reporting.figures.names import shortened
from transfergrid.reporting.figures.phrases import tested_on
from transfergrid.reporting.figures.summaries import truncation_name
from transfergrid.reporting.words import count, level, plural, plurals

NAME = 18  # characters of a class
NAMED = 10
"""Classes of a matrix whose columns have names; of more they would run into each other."""
CORNER = "true ↓  predicted →"


def shown_rows(data: FigureData) -> pd.DataFrame:
    """Return the rows of confusion.csv of the arms whose curves are drawn."""
    if data.confusion.empty or data.curves.empty:
        return data.confusion.iloc[:0]
    return data.confusion.merge(data.curves[ARM].drop_duplicates(), on=ARM)


def matrices_of(data: FigureData) -> list[Matrix]:
    """Return a matrix per arm: true classes down, predicted ones across."""
    rows = shown_rows(data)
    if rows.empty:
        return []
    several = rows["dataset"].nunique() > 1
    found = []
    for (dataset, architecture, pretraining, *_), own in rows.groupby(ARM, sort=False):
        names = list(own["true"].unique())[:MOST]
        studies = own.drop_duplicates("true").set_index("true")["n"]
        table = own.pivot(index="true", columns="predicted", values="share")
        values = table.reindex(index=names, columns=names).to_numpy(dtype=float)
        blocks = int(own["truncation"].iloc[0])
        cut = f" {truncation_name(blocks)}" if blocks else ""
        title = f"{pretraining}, {architecture}{cut}"
        title = f"{dataset}: {title}" if several else title
        short = shortened(names, NAME)
        found.append(
            Matrix(
                title,
                tuple(f"{short[name]} (n {count(studies[name])})" for name in names),
                values,
                np.zeros(values.shape, dtype=bool),
                CORNER,
                tuple(short[name] for name in names) if len(names) <= NAMED else (),
            )
        )
    return found


def lack(data: FigureData) -> str:
    """Say why there is no matrix to draw; empty if there is one."""
    if matrices_of(data):
        return ""
    return "The study does not ask for curves, or no data set has classes."


def caption(data: FigureData) -> str:
    """State what stands where, of whom, and where counts and intervals are."""
    rows = shown_rows(data)
    shown = shown_cells(data)
    shown = shown[shown["dataset"].isin(rows["dataset"])]
    most = rows.groupby(ARM)["true"].nunique().max()
    numbers = ", with the numbers of the rows" * bool(most > NAMED)
    folds = f" and {plurals(rows['n_folds'], 'fold')}" if rows["n_folds"].max() > 1 else ""
    seeds = plurals(rows["n_seeds"], "seed")
    return (
        f"Predicted class (across{numbers}) by true class (down, with its number of test studies), "
        "as shares of the true class: the diagonal is each class's sensitivity. The most probable "
        f"class counts; {tested_on(data.only(shown))}; mean over {seeds}{folds}. One scale from 0 "
        f"to 1. Counts, and {level(data.confidence)} intervals by patient, are in confusion.csv. "
        "Arms are those of the curves. No test is made."
        + f" Of more classes the first {plural(MOST, 'class', 'classes')} are drawn."
        * bool(most > MOST)
    )


def draw(data: FigureData) -> Figure:
    """Draw the matrices one under the other."""
    return draw_matrices(matrices_of(data))
