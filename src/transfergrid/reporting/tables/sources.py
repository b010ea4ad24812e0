"""What networks learned before: sources.csv, whether those they start from learned their task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.catalog.axes import RUN
from transfergrid.evaluation.ensemble import (
    cell_metric,
    choose_checkpoints,
    study_probabilities,
)
from transfergrid.evaluation.scores import read_cell_scores
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_train
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import MISSING
from transfergrid.reporting.tables.leaks import leaks_table
from transfergrid.runtime.progress import progress
from transfergrid.tasks.score.kind import score_half
from transfergrid.tasks.score.units import study_index

if TYPE_CHECKING:
    import pandas as pd


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return sources.csv and leaks.csv by their names; see `sources_table` and `leaks_table`."""
    return {
        "sources": sources_table(study, results, workers),
        "leaks": leaks_table(study, results, workers),
    }


def sources_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return sources.csv: the cells that others start from, with their own validation scores.

    Args:
        study: The stamp's content.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        The columns of its declaration, a row per source cell; NaN where it diverged, status
        ``missing`` where it has no scores.
    """
    sources = gathering.entries(study, "source")
    mapped = gathering.over_cells(partial(source_row, results=results), sources, workers)
    rows = [
        {**row, "metric": gathering.primary_metric(study, row["dataset"])["name"]}
        for row in progress(mapped, len(sources), "sources")
    ]
    return gathering.frame(study, "sources", rows, ("n_valid",))


def source_row(entry: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """Return a source cell's row of sources.csv: whether it learned its own task.

    The checkpoint is the best by validation score. Accuracy is the share of studies whose class
    of largest probability is right; for several labels, the mean over tasks of the share on the
    right side of one half. Chance is the same for the commonest class.

    Args:
        entry: The cell in the study's JSON.
        results: Root of all outputs.
    """
    row: dict[str, Any] = {axis: entry[axis] for axis in ("cell", *RUN)}
    folder = cell_directory(entry["cell"], results)
    trained = read_train(folder)
    if trained is None or not (folder / "scores" / "valid.npz").exists():
        return {**row, "status": MISSING}
    row["status"] = trained["status"]
    scores = read_cell_scores(folder, "valid")
    index, studies = study_index(scores.study_id)
    kind = score_half(scores.task_kind)
    labels = kind.truth(scores.labels, index)
    row |= {"chance_accuracy": kind.chance(labels), "n_valid": len(studies)}
    best = choose_checkpoints("best", scores, cell_metric(folder))
    if best.shape[1] == 0:
        return row
    checkpoint = int(best[0, 0])
    row["valid_score"] = float(scores.valid_score[checkpoint])
    prob = study_probabilities(replace(scores, logits=scores.logits[[checkpoint]]))[0]
    row["valid_accuracy"] = kind.accuracy(prob, labels)
    return row
