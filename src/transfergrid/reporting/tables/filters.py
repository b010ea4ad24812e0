"""filters.csv: the first convolution's filters before and after training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.evaluation.weighing_files import Filters
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.weighed import FINISHED, measured

_WHOLE = ("truncation", "seed", "filter", "height", "width")
_NETWORK = ("dataset", "architecture", "pretraining", "truncation", "protocol")


def filters(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return a row per cell and filter, or one where a cell has none or no two ends.

    Args:
        study: The stamp's content: filters, cells and columns.
        results: Root of all outputs.
        workers: Is not used: there is little to read.

    Raises:
        UserError: A measurement is missing or damaged.
    """
    found = list(measured(study, "filters", results))
    shown = _first([place for _, place, one in found if one.status == FINISHED])
    rows: list[dict[str, Any]] = []
    for _, place, one in found:
        kept = one.filters()
        if kept is None:
            lack = "no_convolution" if one.status == FINISHED else one.status
            rows.append({**place, "flags": lack})
        else:
            pictures = place["cell"] in shown
            rows += [{**place, **row} for row in filter_rows(kept, pictures)]
    return {"filters": gathering.frame(study, "filters", rows, _WHOLE)}


def _first(places: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return of each network the cell of the lowest seed and fold."""
    first: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for place in sorted(places, key=lambda place: (place["seed"], place["fold"])):
        first.setdefault(tuple(place[axis] for axis in _NETWORK), place)
    return {str(place["cell"]) for place in first.values()}


def filter_rows(found: Filters, pictures: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each filter.

    Args:
        found: The filters.
        pictures: Whether rows hold the filters themselves.
    """
    for number, (before, after) in enumerate(zip(found.before, found.after, strict=True)):
        row: dict[str, Any] = {"filter": number, "flags": ""}
        row |= {"height": before.shape[1], "width": before.shape[2]}
        if np.isfinite(before).all() and np.isfinite(after).all():
            row |= _compared(before.ravel().astype(float), after.ravel().astype(float))
            if pictures:
                row |= {"before": _written(before), "after": _written(after)}
        else:
            row["flags"] = "not_finite"
        yield row


def _compared(before: NDArray[np.float64], after: NDArray[np.float64]) -> dict[str, float]:
    norm = float(np.linalg.norm(before))
    change = float(np.linalg.norm(after - before)) / norm if norm else np.nan
    x, y = before - before.mean(), after - after.mean()
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    correlation = float(np.clip(x @ y / size, -1, 1)) if size else np.nan
    return {"correlation": correlation, "change": change}


def _written(filter_: NDArray[np.float32]) -> str:
    """Write (I, h, w) weights as the mean over channels, row by row."""
    return " ".join(f"{value:.5g}" for value in filter_.mean(axis=0, dtype=np.float64).ravel())
