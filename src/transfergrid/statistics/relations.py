"""A correlation question's points: one network each, with its replicates over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.comparisons import Basis, Compared
from transfergrid.statistics.correlation import Correlation, spearman
from transfergrid.statistics.places import AXES, Place, groups_of_networks, words
from transfergrid.statistics.reader import Reader


@dataclass(frozen=True)
class Related:
    """A correlation with the points behind it.

    Attributes:
        row: The correlation.
        question: The question that it answers.
        place: What the networks share.
        x: (n,) property of each network.
        replicates: (n, B) of y, patients drawn.
    """

    row: Correlation
    question: Mapping[str, Any]
    place: Place
    x: NDArray[np.float64]
    replicates: NDArray[np.float64]


def relate(question: Mapping[str, Any], basis: Basis) -> list[Related]:
    """Correlate over architectures, once for each combination of the other axes.

    Args:
        question: A correlation question.
        basis: What it is answered from.
    """
    study, reader = basis.study, basis.reader
    top1 = {cell["architecture"]: cell["imagenet_top1"] for cell in study["cells"]}
    numbers = pd.to_numeric(basis.cells["architecture"].map(top1))
    cells = basis.cells.assign(imagenet_top1=numbers)
    y = question["y"]
    boosts = boosts_of(study, basis.compared) if y == "boost" else {}
    found = []
    for place, group in groups_of_networks(cells, study, question["where"]):
        points = []
        for architecture, rows in group.groupby("architecture", sort=False):
            if y == "boost":
                boost = boosts.get(tuple(rows.iloc[0][axis] for axis in AXES))
                value, draws = _boost(boost, reader)
            else:
                value, draws = _auroc(rows[rows["auroc"].notna()], reader)
            x = float(rows[question["x"]].astype("float64").mean())
            if not np.isnan([x, value]).any():
                points.append((x, value, draws, study_family(study, str(architecture))))
        if y == "boost" and not points:
            continue  # the baseline itself has no boost
        found.append(_related(question, place, points, basis.alpha))
    return found


def _related(
    question: Mapping[str, Any], place: Place, points: Sequence[tuple[Any, ...]], alpha: float
) -> Related:
    x, value = (np.array([point[i] for point in points]) for i in (0, 1))
    draws = np.array([point[2] for point in points]) if points else np.empty((0, 0))
    name = words(place)
    rng = np.random.default_rng(seeded("correlation", question["name"], name))
    row = spearman(
        x,
        value,
        question["name"],
        question["x"],
        f"{question['y']} ({name})",
        rng,
        alpha,
        families=[point[3] for point in points],
        replicates=draws if points else None,
        margin=question["margin"],
    )
    return Related(row, question, place, x, draws)


def study_family(study: Mapping[str, Any], architecture: str) -> str:
    """Return the family of a network; one without a family is a family of its own."""
    families = {cell["architecture"]: cell.get("family") for cell in study["cells"]}
    return families[architecture] or architecture


def boosts_of(
    study: Mapping[str, Any], compared: Sequence[Compared]
) -> dict[tuple[Any, ...], Compared]:
    """Return each network's boost, its contrast along pretraining, by the axes of its arm a."""
    question = next(
        q for q in study["questions"] if q["kind"] == "contrast" and q["axis"] == "pretraining"
    )
    return {
        tuple({**one.place, "pretraining": one.value}[axis] for axis in AXES): one
        for one in compared
        if one.question["name"] == question["name"] and "architecture" in one.place
    }


def _auroc(rows: pd.DataFrame, reader: Reader) -> tuple[float, Any]:
    if rows.empty:
        return float("nan"), None
    draws = np.mean([reader.replicates(cell) for cell in rows["cell"]], axis=0)
    return float(rows["auroc"].mean()), draws


def _boost(boost: Compared | None, reader: Reader) -> tuple[float, Any]:
    if boost is None:
        return float("nan"), None
    a, b = boost.arms(reader)
    return boost.row.estimate, a.mean(axis=0) - b.mean(axis=0)
