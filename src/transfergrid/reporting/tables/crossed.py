"""The rows of a run over its folds, made of what its cells scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.metrics.scoring import Scorer
from transfergrid.planning.grid import ALL
from transfergrid.reporting.tables.cell_work import MISSING, CellWork
from transfergrid.reporting.tables.scored import Read, Scored, cases_of, operating_points
from transfergrid.statistics.conditions import folded
from transfergrid.statistics.pooled_intervals import FoldedCases, pooled_intervals
from transfergrid.statistics.runs import Run, runs_of
from transfergrid.statistics.scale import OPERATING_POINTS

_JOINED: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    **dict.fromkeys(("n_checkpoints", "n_images", "n_studies", "n_patients"), sum),
    "train_seconds": sum,
    "images_per_second": fmean,
    "micro_batch": min,
    "peak_memory_mb": max,
    "device": lambda names: " / ".join(dict.fromkeys(names)),
}
"""How a run's columns are made from its folds'; each patient is tested in one fold."""


@dataclass(frozen=True)
class RunWork:
    """What a worker needs for the rows of a run and of its cells.

    Attributes:
        run: The run.
        cells: Its cells' work by fold; one where there are no folds.
    """

    run: Run
    cells: Mapping[str, CellWork]

    @property
    def first(self) -> CellWork:
        """The work of its first cell, whose selections and metrics are those of all."""
        return next(iter(self.cells.values()))

    def scored(self, selection: str) -> bool:
        """Tell whether the ensembles of all folds that the grid asks for are there."""
        files = (one.ensemble(selection) / "test.parquet" for one in self.cells.values())
        return not self.run.missing and all(file.exists() for file in files)


def run_work(work: Sequence[CellWork]) -> list[RunWork]:
    """Return cells' work by run, in the order of the runs' first cells."""
    by_name = {str(one.entry["cell"]): one for one in work}
    runs = runs_of([one.entry for one in work]).values()
    return [RunWork(run, {fold: by_name[cell] for fold, cell in run.cells.items()}) for run in runs]


def pooled_score(
    work: RunWork,
    selection: str,
    metric: Mapping[str, Any],
    scored_only: bool = False,
    read: Read = read_ensemble,
) -> Scored:
    """Score a run over its folds, all of which have been scored.

    Args:
        work: The run.
        selection: A rule that chose checkpoints.
        metric: The metric's declaration.
        scored_only: Whether tasks that the mean is not over are left out.
        read: Reads an ensemble.
    """
    scorer = Scorer.of(metric)
    few = scored_only and not scorer.per_case
    folds = {}
    for fold, one in work.cells.items():
        place = one.ensemble(selection)
        cases = cases_of(read(place / "test.parquet"), one.score_tasks, few)
        points = operating_points(scorer, place, one.score_tasks, few, read)
        folds[fold] = FoldedCases(cases, points)
    found = pooled_intervals(folds, scorer, work.first.alpha)
    given = [OPERATING_POINTS] if metric["operating_point"] else []
    given.append(folded(len(folds), work.first.folds or len(folds)))
    # Each fold has operating points of its own, so the run has none.
    return Scored(found.tasks, found.whole, {}, "; ".join(given), found.n_folds)


def pooled_row(work: RunWork, folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a run's row of cells.csv, except its score.

    Args:
        work: The run.
        folds: The rows of its cells under one selection.
    """
    first, there = folds[0], [row["status"] for row in folds]
    status = next((word for word in (MISSING, "diverged") if word in there), "finished")
    if work.run.missing:
        status = MISSING
    row = {**first, "cell": work.run.name, "fold": ALL, "status": status, "flags": ""}
    row |= dict.fromkeys(("score", "score_low", "score_high"))
    row["spec_of"] = first["cell"]  # a run has no specification of its own
    for column, join in _JOINED.items():
        values = [own.get(column) for own in folds]
        row[column] = None if None in values else join(values)
    return row
