"""drift.csv: how far the weights of each layer have moved from where they started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.weighed import FINISHED, depths_of, measured

_WHOLE = ("truncation", "seed", "depth", "n")


def drift(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return a row per cell, layer and group of weights, or one where a cell has no two ends.

    Args:
        study: The stamp's content: drifts, cells and columns.
        results: Root of all outputs.
        workers: Is not used: there is little to read.

    Raises:
        UserError: A measurement is missing or damaged.
    """
    rows: list[dict[str, Any]] = []
    for _, place, found in measured(study, "drifts", results):
        if found.status != FINISHED:
            rows.append({**place, "flags": found.status})
        depths = depths_of([one["layer"] for one in found.values["drift"]])
        for one in found.values["drift"]:
            about = {"depth": depths.get(one["layer"]), "flags": ";".join(one["flags"])}
            rows.append({**place, **one, **about})
    return {"drift": gathering.frame(study, "drift", rows, _WHOLE)}
