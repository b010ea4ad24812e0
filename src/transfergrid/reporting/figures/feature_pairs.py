"""The matrix of pairs of states: how alike they are in the deepest layer that all of them have."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from transfergrid.planning.state_pairs import INITIAL
from transfergrid.reporting.figures.alike import (
    MOST,
    arm_name,
    at_place,
    left_out,
    place_title,
    places_of,
    protocols_of,
    rank_of,
    seed_means,
    similar,
)
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.matrix import CHANCE, Matrix, Pairs, draw_matrices
from transfergrid.reporting.words import level, listing, plurals

BELOW, ABOVE = "mean_cca", "cka_debiased"


def matrices_of(data: FigureData) -> list[Matrix]:
    """Return a matrix for each place that is drawn."""
    rows = _deepest(data)
    if rows.empty:
        return []
    several = len(protocols_of(rows)) > 1
    ends = {
        side: [
            (state != INITIAL, arm_name(str(source), str(protocol), str(state), several))
            for source, protocol, state in zip(
                rows[f"{side}_pretraining"],
                rows[f"{side}_protocol"],
                rows[f"{side}_state"],
                strict=True,
            )
        ]
        for side in ("left", "right")
    }
    places = places_of(rows)
    rows = rows.assign(a=[name for _, name in ends["left"]], b=[name for _, name in ends["right"]])
    # States before training stand first, in the order of the study's pretrainings.
    order = sorted(
        {*ends["left"], *ends["right"]},
        key=lambda end: (end[0], rank_of(data.pretrainings, end[1])),
    )
    found = []
    for place in places[:MOST]:
        here = at_place(rows, place)
        there = {*here["a"], *here["b"]}
        names = [name for _, name in order if name in there]
        below, above = (_pairs(here[here["measure"] == name]) for name in (BELOW, ABOVE))
        found.append(Matrix.of(place_title(place, places), names, below, above))
    return found


def _deepest(data: FigureData) -> pd.DataFrame:
    """Return the rows of each place's last layer."""
    rows = similar(data)
    if rows.empty:
        return rows
    rows = rows[rows["measure"].isin([BELOW, ABOVE])]
    last = rows.groupby(["dataset", "architecture", "truncation"])["depth"].transform("max")
    return rows[rows["depth"] == last]


def _pairs(rows: pd.DataFrame) -> Pairs:
    means = seed_means(rows, ["a", "b"])
    chance = means["value"] <= means["floor_high"]
    values = zip(means["a"], means["b"], means["value"], chance, strict=True)
    return {(str(a), str(b)): (float(value), bool(there)) for a, b, value, there in values}


def lack(data: FigureData) -> str:
    """Say why there is no matrix to draw; empty if there is one."""
    return "" if matrices_of(data) else "No two states of this study's networks were compared."


def caption(data: FigureData) -> str:
    """State what stands where, n, and where the intervals are."""
    rows = _deepest(data)
    layers = listing([str(name) for name in dict.fromkeys(rows["layer"])])
    return (
        f"Similarity in the deepest layer that was compared ({layers}), mean over seeds and "
        "folds. On and below the diagonal mean CCA, above it debiased linear CKA; columns have "
        "the numbers of the rows. The diagonal is two seeds of one arm: the reference for all "
        f"others. Brighter is more alike, on one scale from 0 to 1. {CHANCE}: not above the "
        "floor band, so no more alike than chance makes it. Empty: not compared. "
        f"{plurals(rows['n'], 'row')} of {plurals(rows['patients'], 'patient')}. Intervals "
        f"({level(data.confidence)}, jackknife over groups of patients) stand in similarity.csv. "
        f"No test is made.{left_out(places_of(rows), 'similarity.csv')}"
    )


def draw(data: FigureData) -> Figure:
    """Draw the states of each place against each other."""
    return draw_matrices(matrices_of(data))
