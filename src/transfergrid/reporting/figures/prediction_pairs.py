"""The matrix of pairs of networks: how alike their predictions are."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from transfergrid.reporting.figures.alike import (
    MOST,
    agreeing,
    arm_name,
    at_place,
    left_out,
    place_title,
    places_of,
    protocols_of,
    rank_of,
    seed_means,
)
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.matrix import Matrix, Pairs, draw_matrices
from transfergrid.reporting.words import level, plurals

BELOW, ABOVE = "agreement", "excess_agreement"


def matrices_of(data: FigureData) -> list[Matrix]:
    """Return a matrix for each place that is drawn."""
    rows = agreeing(data)
    if rows.empty:
        return []
    several = len(protocols_of(rows)) > 1
    sides = {
        name: [
            arm_name(str(source), str(protocol), "", several)
            for source, protocol in zip(
                rows[f"{side}_pretraining"], rows[f"{side}_protocol"], strict=True
            )
        ]
        for name, side in (("a", "left"), ("b", "right"))
    }
    rows = rows.assign(**sides)
    # Arms are compared seed by seed, so that only what names them differs; the diagonal has seeds.
    same = rows["left_seed"] == rows["right_seed"]
    rows = rows[same | (rows["pair"] == "seeds")]
    places, found = places_of(rows), []
    for place in places[:MOST]:
        here = at_place(rows, place)
        sources = data.pretrainings
        names = sorted({*here["a"], *here["b"]}, key=lambda name: rank_of(sources, name))
        below, above = (_pairs(here[here["measure"] == name]) for name in (BELOW, ABOVE))
        found.append(Matrix.of(place_title(place, places), names, below, above))
    return found


def _pairs(rows: pd.DataFrame) -> Pairs:
    means = seed_means(rows, ["a", "b"])
    values = zip(means["a"], means["b"], means["value"], strict=True)
    return {(str(a), str(b)): (float(value), False) for a, b, value in values}


def lack(data: FigureData) -> str:
    """Say why there is no matrix to draw; empty if there is one."""
    return "" if matrices_of(data) else "No two networks' predictions were compared."


def caption(data: FigureData) -> str:
    """State what stands where, n, and where the intervals are."""
    rows = agreeing(data)
    return (
        "Agreement of predictions on the test split, mean over tasks, folds and seeds; two arms "
        "are compared seed by seed. On and below the diagonal the share of cases in which both "
        "are right or both are wrong; above it how far that exceeds what independent networks of "
        "the same accuracies would reach, as a share of what is left (0: as independent ones, "
        "1: always alike). Columns have the numbers of the rows. The diagonal is two seeds of one "
        "arm: the reference. Brighter is more alike, on one scale from 0 to 1. Empty: not "
        f"compared. {plurals(rows['n'], 'study', 'studies')} of "
        f"{plurals(rows['patients'], 'patient')}. Intervals ({level(data.confidence)}, by "
        f"patient) stand in agreement.csv. No test is made."
        f"{left_out(places_of(rows), 'agreement.csv')}"
    )


def draw(data: FigureData) -> Figure:
    """Draw the networks of each place against each other."""
    return draw_matrices(matrices_of(data))
