"""The AUROCs of a published figure against this study's, network by network, arms apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from transfergrid.planning.claims import claimed_metrics
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.correlation import spearman
from transfergrid.statistics.findings import ALL, Finding, rows
from transfergrid.statistics.noise import noise_of
from transfergrid.statistics.panels import Panel, panels
from transfergrid.statistics.places import key, varying_axes, words
from transfergrid.statistics.relations import Point, score_point, study_family


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
