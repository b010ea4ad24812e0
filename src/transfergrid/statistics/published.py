"""The AUROCs of a published figure against this study's, network by network, arms apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.catalog.questions import PUBLISHED
from transfergrid.planning.claims import claimed_metrics
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.correlation import spearman
from transfergrid.statistics.findings import ALL, Finding, rows
from transfergrid.statistics.noise import noise_of
from transfergrid.statistics.places import Place, groups_of_networks, key, varying_axes, words
from transfergrid.statistics.relations import Point, score_point, study_family

NAME = PUBLISHED.unasked
"""Stands for a question in findings.csv; no question of a study can have this name."""
LEAST_NETWORKS = 3


@dataclass(frozen=True)
class Panel:
    """The networks of one arm that a published figure shows and the study has finished.

    Attributes:
        place: What the study's networks share.
        arm: The figure's arm: "imagenet" or "random".
        theirs: By architecture, the digitised AUROC in [0, 1].
        cells: The study's rows of cells.csv of these architectures.
        source: Where the figure was read.
    """

    place: Place
    arm: str
    theirs: Mapping[str, float]
    cells: pd.DataFrame
    source: str


def panels(cells: pd.DataFrame, primary: str, asked: Mapping[str, Any]) -> Iterator[Panel]:
    """Yield the arms, each in each setting, that share at least three networks with the figure.

    Args:
        cells: Rows of cells.csv.
        primary: The selection that answers are given under.
        asked: The study's claims as `planning.claims.chosen_claims` returns them.
    """
    if not asked.get("points") or asked["where"].get("truncation", 0) != 0:
        return
    cells = cells[cells["status"] == "finished"]
    where = {**asked["where"], "truncation": 0}
    for place, group in groups_of_networks(cells, {"evaluation": {"primary": primary}}, where):
        arm = asked["stands_for"].get(place["pretraining"], place["pretraining"])
        points = [point for point in asked["points"] if point["pretraining"] == arm]
        there = set(group["architecture"])
        theirs = {
            point["architecture"]: float(point["auroc"])
            for point in points
            if point["architecture"] in there
        }
        if len(theirs) >= LEAST_NETWORKS:
            own = group[group["architecture"].isin(list(theirs))]
            yield Panel(place, arm, theirs, own, points[0]["source"])


def published(question: Question, basis: Basis) -> Answered:
    """Find rank correlation and differences between digitised AUROCs and the study's.

    Args:
        question: Stands for one that no study asks.
        basis: What it is answered from; the study's claims say which figure it is set beside,
            which cells count and which pretraining stands for another.
    """
    told: list[Finding] = []
    metric = next(iter(claimed_metrics(basis.study["metrics"])), None)
    if metric is None:
        return Answered(told)  # a study of other metrics has nothing to set beside AUROCs
    for panel in panels(basis.cells, basis.reader.primary, basis.study["claims"]):
        points: dict[str, Point] = {}
        for architecture, own in panel.cells.groupby("architecture", sort=False):
            name = str(architecture)
            family = study_family(basis.reader, name)
            point = score_point(panel.theirs[name], family, own, basis.reader, metric)
            if point is not None:
                points[name] = point
        varying = varying_axes(basis.reader.targets)
        told += _compared(question, panel, points, varying, basis.alpha, metric)
    return Answered(told)


def _compared(
    question: Question,
    panel: Panel,
    points: Mapping[str, Point],
    varying: Collection[str],
    alpha: float,
    metric: str,
) -> Iterator[Finding]:
    place = panel.place
    found = list(points.values())
    x, y = np.array([point.x for point in found]), np.array([point.y for point in found])
    draws = np.array([point.draws for point in found])
    families = [point.family for point in found]
    row = spearman(
        x,
        y,
        question["name"],
        "digitised",
        "score",
        np.random.default_rng(seeded(question["name"], key(place))),
        alpha,
        families=families,
        replicates=draws,
        noise=noise_of(draws, [point.spreads for point in found]),
    )
    note = f"digitised, not published as numbers: {panel.source}"
    if place["pretraining"] != panel.arm:
        note += f"; {place['pretraining']} stands for {panel.arm}"
    counts = len(found), row.n_families
    apart = y - x
    spread = f"ours minus theirs, over networks; SD {float(apart.std(ddof=1)):.4f}"
    told: dict[str, tuple[Interval, str]] = {
        "rank_correlation": ((row.rho, row.low, row.high), f"Spearman, {row.method}"),
        "mean_difference": ((float(apart.mean()), np.nan, np.nan), spread),
    }
    yield from rows(question, place, words(place, varying) or ALL, told, counts, note, metric)
    for name, point in points.items():
        own = {**place, "architecture": name}
        how = f"ours {point.y:.4f} minus theirs, digitised, {point.x:.4f}"
        single: dict[str, tuple[Interval, str]] = {
            "difference": ((point.y - point.x, np.nan, np.nan), how)
        }
        yield from rows(question, own, words(own, varying), single, (1, 1), note, metric)
