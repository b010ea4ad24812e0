"""Choose a learning rate by its trials' scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import cell_directory
from transfergrid.runtime.sealed import read_sealed

RULE = "best validation score on held-out training patients; the lower rate where equal"


def choose_rate(trials: Mapping[str, str], results: Path) -> dict[str, Any]:
    """Return the content of tuning.json.

    Args:
        trials: Name of the trial cell by learning rate, as text, rising.
        results: The folder of all outputs, with the trials trained.

    Returns:
        ``rule``, ``metric``, ``trials`` (cell, status and best validation score by rate),
        ``learning_rate`` (None if every trial diverged or has no score) and ``at_edge``, whether
        it is the lowest or highest that was tried, so that a better one may lie outside.
    """
    rows, metric, sign = {}, "", 1.0
    for rate, cell in trials.items():
        record = read_sealed(cell_directory(cell, results) / "train.json")
        rows[rate] = {
            "cell": cell,
            "status": record["status"],
            "valid_score": record["best_valid_score"],
        }
        # A data set's trials share its metric.
        metric, sign = record["metric"], 1.0 if record["higher_is_better"] else -1.0
    scored = {
        rate: sign * row["valid_score"]
        for rate, row in rows.items()
        if row["valid_score"] is not None
    }
    best = min(scored, key=lambda rate: (-scored[rate], float(rate)), default=None)
    ends = {min(trials, key=float), max(trials, key=float)}
    return {
        "rule": RULE,
        "metric": metric,
        "trials": rows,
        "learning_rate": None if best is None else float(best),
        "at_edge": best in ends,
    }
