"""What workers are told of a study's cells, for any table that has rows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.tables import gathering

MISSING = "missing"
"""Status of a cell that has not been trained or scored."""


@dataclass(frozen=True)
class CellWork:
    """What a worker needs for one cell's rows.

    Attributes:
        entry: The cell in the study's JSON.
        study: Name of the study.
        selections: Selection rules, a row for each.
        alpha: 1 minus the coverage of the intervals.
        score_tasks: Tasks that the mean is over, or None for all.
        metrics: Declarations of the metrics, the primary one first.
        results: Root of all outputs.
        folds: The number of folds of its data set, of which the study may have some; None without.
    """

    entry: Mapping[str, Any]
    study: str
    selections: tuple[str, ...]
    alpha: float
    score_tasks: tuple[str, ...] | None
    metrics: tuple[Mapping[str, Any], ...]
    results: Path
    folds: int | None = None

    def ensemble(self, selection: str) -> Path:
        """Return the folder of the cell's ensemble under a selection."""
        return ensemble_directory(self.study, self.entry["cell"], selection, self.results)


def cell_work(study: Mapping[str, Any], results: Path) -> list[CellWork]:
    """Return the work of every target of a study, in its order."""
    evaluation = study["evaluation"]
    targets = gathering.entries(study, "target")
    cards = gathering.cards(targets, results)
    return [
        CellWork(
            entry,
            study["name"],
            tuple(gathering.ordered_selections(evaluation)),
            1 - evaluation["confidence"],
            gathering.score_tasks(cards[entry["dataset_id"]]),
            gathering.metrics_of(
                study, entry["dataset"], cards[entry["dataset_id"]].get("task_kind")
            ),
            results,
            cards[entry["dataset_id"]].get("folds"),
        )
        for entry in targets
    ]
