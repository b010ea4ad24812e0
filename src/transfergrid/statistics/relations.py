"""A correlation question's points: one network each, with its replicates over patients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.questions import boost_of
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.basis import Answered, Basis, Evidence, Question
from transfergrid.statistics.comparisons import Compared, runs
from transfergrid.statistics.correlation import Correlation, decide, spearman
from transfergrid.statistics.noise import SeedSpread, noise_of, seed_spread
from transfergrid.statistics.places import Place, groups_of_networks, key, words
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
        families: (n,) each network's family.
        metric: Name of the metric of y.
    """

    row: Correlation
    question: Question
    place: Place
    x: NDArray[np.float64]
    replicates: NDArray[np.float64]
    families: tuple[str, ...]
    metric: str

    def columns(self) -> dict[str, Any]:
        """Return the row of correlations.csv."""
        place = {axis: self.place.get(axis, "") for axis in PLACE if axis != "architecture"}
        return {**asdict(self.row), **place, "metric": self.metric}

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by."""
        row, question = self.row, self.question
        keys = {"kind": "correlation", "x": question["x"], "y": question["y"]}
        keys["metric"] = self.metric
        keys |= {**question["where"], **self.place}  # a recipe that all share is in where
        label = f"{row.question}: {row.x} and {row.y}"
        label += f", {words(self.place)}, {row.n} networks"
        label += f" in {row.n_families} famil{'y' if row.n_families == 1 else 'ies'}"
        raw = (row.rho, row.low, row.high)
        return Evidence(keys, label, *row.judged, raw=raw, networks=row.n)


@dataclass(frozen=True)
class Point:
    """One network.

    Attributes:
        x: A property of it.
        y: What it scores, or what pretraining adds.
        draws: (B,) replicates of y, patients drawn.
        family: Its family.
        spreads: What seeds do to each arm of y.
    """

    x: float
    y: float
    draws: NDArray[np.float64]
    family: str
    spreads: tuple[SeedSpread, ...]


def relate(question: Question, basis: Basis) -> Answered:
    """Correlate over architectures, once for each combination of the other axes.

    Args:
        question: A correlation question.
        basis: What it is answered from.
    """
    study, reader = basis.study, basis.reader
    top1 = {cell["architecture"]: cell["imagenet_top1"] for cell in reader.entries.values()}
    numbers = pd.to_numeric(basis.cells["architecture"].map(top1))
    cells = basis.cells.assign(imagenet_top1=numbers)
    y = question["y"]
    boosts = _boosts(question, basis) if y == "boost" else {}
    found = []
    for place, group in groups_of_networks(cells, study, question["where"]):
        points = []
        for architecture, rows in group.groupby("architecture", sort=False):
            x = float(rows[str(question["x"])].astype("float64").mean())
            family = study_family(reader, str(architecture))
            if y == "boost":
                boost = boosts.get(tuple(rows.iloc[0][axis] for axis in PLACE))
                point = _boost(x, family, boost, reader)
            else:
                point = score_point(x, family, rows, reader, question["metric"])
            if point is not None and not np.isnan([point.x, point.y]).any():
                points.append(point)
        if y == "boost" and not points:
            continue  # the baseline itself has no boost
        metric = reader.metric_of(place["dataset"], question["metric"])["name"]
        found.append(_related(question, place, points, basis.alpha, metric))
    decided = decide([one.row for one in found], basis.alpha)
    return Answered([replace(one, row=row) for one, row in zip(found, decided, strict=True)])


def _related(
    question: Question, place: Place, points: Sequence[Point], alpha: float, metric: str
) -> Related:
    x, value = np.array([point.x for point in points]), np.array([point.y for point in points])
    draws = np.array([point.draws for point in points]) if points else np.empty((0, 0))
    families = tuple(point.family for point in points)
    rng = np.random.default_rng(seeded("correlation", question["name"], key(place)))
    row = spearman(
        x,
        value,
        question["name"],
        question["x"],
        question["y"],
        rng,
        alpha,
        families=families,
        replicates=draws if points else None,
        margin=question["margin"],
        noise=noise_of(draws, [point.spreads for point in points]) if len(points) > 1 else None,
    )
    return Related(row, question, place, x, draws, families, metric)


def study_family(reader: Reader, architecture: str) -> str:
    """Return the family of a network; one without a family is a family of its own."""
    families = {cell["architecture"]: cell.get("family") for cell in reader.entries.values()}
    return families.get(architecture) or architecture


def _boosts(question: Question, basis: Basis) -> dict[tuple[Any, ...], Compared]:
    """Return each network's boost, its contrast along pretraining, by the axes of its arm a."""
    name = boost_of(basis.study["questions"], question["metric"])
    return {
        tuple({**one.place, "pretraining": one.value}[axis] for axis in PLACE): one
        for one in basis.answered[str(name)]
        if "architecture" in one.place
    }


def score_point(
    x: float, family: str, rows: pd.DataFrame, reader: Reader, metric: str | None = None
) -> Point | None:
    """Return a network's mean score over seeds, None without one.

    Args:
        x: A property of it.
        family: Its family.
        rows: Its rows of cells.csv.
        reader: Reads their runs.
        metric: A metric of the study's; None for the primary one of the data set.
    """
    scores = scores_of(rows["cell"], reader, metric).dropna()
    if scores.empty:
        return None
    draws = np.mean([reader.replicates(run, metric) for run in scores.index], axis=0)
    spread = seed_spread([reader.influence(run, metric=metric)[0] for run in scores.index])
    return Point(x, float(scores.mean()), draws, family, (spread,))


def scores_of(names: Iterable[str], reader: Reader, metric: str | None = None) -> pd.Series:
    """Return the scores of runs by name; NaN for one that has no result."""
    found = {
        name: reader.influence(name, metric=metric)[0].estimate
        if name in reader.entries
        else float("nan")
        for name in names
    }
    return pd.Series(found, dtype="float64")


def _boost(x: float, family: str, boost: Compared | None, reader: Reader) -> Point | None:
    if boost is None:
        return None
    a, b = boost.arms(reader)
    spreads = []
    for arm in boost.pairs[0]:
        found = runs(arm, reader, metric=boost.metric)
        spreads.append(seed_spread([found[seed] for seed in boost.row.seeds]))
    return Point(x, boost.row.estimate, a.mean(axis=0) - b.mean(axis=0), family, tuple(spreads))
