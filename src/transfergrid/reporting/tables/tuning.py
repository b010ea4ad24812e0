"""tuning.csv: every learning rate that was tried, what it scored, and which was taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_train
from transfergrid.reporting.records import read_tuning

COLUMNS = (
    "tuning",
    "dataset",
    "architecture",
    "pretraining",
    "truncation",
    "protocol",
    "seed",
    "learning_rate",
    "cell",
    "status",
    "valid_auroc",
    "chosen",
    "at_edge",
)


def tuning(study: Mapping[str, Any], results: Path, workers: int) -> Mapping[str, pd.DataFrame]:
    """Return the table of rates that were tried; see `tuning_table`."""
    return {"tuning": tuning_table(study, results)}


def tuning_table(study: Mapping[str, Any], results: Path) -> pd.DataFrame:
    """Return tuning.csv: a row a trial, rates rising; no row where a study tunes nothing.

    Args:
        study: The study's JSON (tunings).
        results: Root of all outputs.

    Returns:
        `COLUMNS`. A trial that has not ended has status ``missing``. Before all trials of a tuning
        have ended, none is chosen.

    Raises:
        UserError: A record of a trial is broken.
    """
    rows = [row for tuned in study["tunings"] for row in _rows(tuned, results)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(tuning: Mapping[str, Any], results: Path) -> Iterator[dict[str, Any]]:
    found = read_tuning(tuning["id"], results)
    chosen, same = found.get("learning_rate"), {"tuning": tuning["id"], **tuning}
    for rate, cell in sorted(tuning["trials"].items(), key=lambda trial: float(trial[0])):
        record = read_train(cell_directory(cell, results)) or {}
        # What the choice was made from, even if a trial was trained again since.
        told = found.get("trials", {}).get(rate) or {
            "status": record.get("status", "missing"),
            "valid_score": record.get("best_valid_score"),
        }
        yield {name: same[name] for name in COLUMNS if name in same} | {
            "learning_rate": float(rate),
            "cell": cell,
            "status": told["status"],
            "valid_auroc": told["valid_score"],
            "chosen": float(rate) == chosen,
            "at_edge": bool(found.get("at_edge", False)),
        }
