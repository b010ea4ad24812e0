"""The arms of a published figure that a study has networks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from transfergrid.catalog.questions import PUBLISHED
from transfergrid.planning.wanted import each
from transfergrid.statistics.places import Place, groups_of_networks

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
    if not asked.get("points") or 0 not in each(asked["where"].get("truncation", 0)):
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
