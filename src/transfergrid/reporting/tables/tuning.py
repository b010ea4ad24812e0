"""tuning.csv: every learning rate that was tried, what it scored, and which was taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_train
from transfergrid.reporting.records import read_tuning
from transfergrid.reporting.tables import gathering

if TYPE_CHECKING:
    import pandas as pd


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return tuning.csv by its name; see `tuning_table`."""
    return {"tuning": tuning_table(study, results)}


def tuning_table(study: Mapping[str, Any], results: Path) -> pd.DataFrame:
    """Return tuning.csv: one row per trial, rates rising; no row where a study tunes nothing.

    Args:
        study: The stamp's content (tunings, metrics).
        results: Root of all outputs.

    Returns:
        The columns of its declaration. A trial that has not ended has status ``missing``. Before
        all trials of a tuning have ended, none is chosen.

    Raises:
        UserError: A record of a trial is broken.
    """
    rows = [row for tuning in study["tunings"] for row in _rows(study, tuning, results)]
    return gathering.frame(study, "tuning", rows, ())


def _rows(
    study: Mapping[str, Any], tuning: Mapping[str, Any], results: Path
) -> Iterator[dict[str, Any]]:
    found = read_tuning(tuning["id"], results)
    chosen, same = found.get("learning_rate"), {"tuning": tuning["id"], **tuning}
    metric = gathering.primary_metric(study, tuning["dataset"])["name"]
    for rate, cell in sorted(tuning["trials"].items(), key=lambda trial: float(trial[0])):
        record = read_train(cell_directory(cell, results)) or {}
        # What the choice was made from, even if a trial was trained again since.
        told = found.get("trials", {}).get(rate) or {
            "status": record.get("status", "missing"),
            "valid_score": record.get("best_valid_score"),
        }
        yield {name: same[name] for name in study["columns"]["tuning"] if name in same} | {
            "learning_rate": float(rate),
            "cell": cell,
            "metric": metric,
            "status": told["status"],
            "valid_score": told["valid_score"],
            "chosen": float(rate) == chosen,
            "at_edge": bool(found.get("at_edge", False)),
        }
