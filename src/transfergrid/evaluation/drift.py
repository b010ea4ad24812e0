"""Measure how far a cell's weights have moved, and keep its first filters of both ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from transfergrid.evaluation.archives import write_arrays
from transfergrid.evaluation.retraced import FINISHED, retrace
from transfergrid.evaluation.weighing_files import FILTERS, write_measured
from transfergrid.models.drift import Drift, drifts
from transfergrid.models.parts import Parts
from transfergrid.planning.ends import weighings_directory
from transfergrid.runtime.hashing import sha256_file


def record_drift(weighing_id: str, made_from: Mapping[str, Any], results: Path) -> None:
    """Measure a cell's weights against those of its start, and write the receipt.

    Args:
        weighing_id: Its id.
        made_from: What `transfergrid.planning.weighings.Weighing` holds.
        results: The folder of all outputs; initial weights or source cell must be there.

    Raises:
        UserError: The cell is not trained, or a file is not what was written.
    """
    folder = weighings_directory(weighing_id, results)
    ends = retrace(made_from["cell"], results)
    if isinstance(ends, str):
        write_measured(folder, {"status": ends, "drift": [], "files": {}})
        return
    parts = Parts.of(ends.network)
    files = {}
    if parts.first:
        _write_filters(folder / FILTERS, ends.start[parts.first], ends.end[parts.first])
        files[FILTERS] = sha256_file(folder / FILTERS)
    calibration = ends.proof.get("calibration") or {}
    anew = calibration["norms"] if calibration.get("keeps_function") else ()
    rows = [_row(one) for one in drifts(parts, ends.start, ends.end, anew)]
    done = {"status": FINISHED, "checkpoint": ends.checkpoint, "drift": rows, "files": files}
    write_measured(folder, done)


def _row(found: Drift) -> dict[str, Any]:
    """Return a row as JSON takes it, without NaN."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in asdict(found).items()
    }


def _write_filters(path: Path, before: Tensor, after: Tensor) -> None:
    ends = {"before": before.float().numpy(), "after": after.float().numpy()}
    write_arrays(path, ends)
