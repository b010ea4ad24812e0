"""cams.csv: how well the class activation maps of a study point at what they should."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.catalog.axes import RUN
from transfergrid.evaluation.cam_record import CamRecord, read_record
from transfergrid.evaluation.localisation import THRESHOLD
from transfergrid.metrics.clustered import clustered_mean, clustered_share


def pointing(study: Mapping[str, Any], results: Path, workers: int) -> Mapping[str, pd.DataFrame]:
    """Return the table of a study's maps; see `cams_table`."""
    records = read_records(study, results / study["name"] / "cams")
    return {"cams": cams_table(study, records)}


def read_records(study: Mapping[str, Any], folder: Path) -> dict[str, CamRecord]:
    """Read the records of a study's cells that have maps, in the study's order."""
    return {cell: read_record(folder / f"{cell}.npz") for cell in study["cams"]}


def cams_table(study: Mapping[str, Any], records: Mapping[str, CamRecord]) -> pd.DataFrame:
    """Return one row per cell and task, or one row where a cell has no marks.

    Args:
        study: The stamp's content: cells and evaluation.
        records: Records by cell.
    """
    entries = {entry["cell"]: entry for entry in study["cells"]}
    confidence = float(study["evaluation"]["confidence"])
    rows: list[dict[str, Any]] = []
    for cell, record in records.items():
        axes = {"cell": cell, **{axis: entries[cell][axis] for axis in RUN}}
        height, width = (int(side) for side in record.map_px)
        known: dict[str, Any] = {"map_px": f"{height}x{width}" if height else ""}
        known |= {"method": record.method, "step": record.step, "region": THRESHOLD}
        # Regions may be known for none of a task's films.
        tasks = list(dict.fromkeys(record.mark_task.tolist())) or [""]
        for task in sorted(tasks):
            marks = _marks(record, record.mark_task == task, confidence)
            rows.append({**axes, "status": record.status, "task": task, **marks, **known})
    return pd.DataFrame(rows)


def _marks(record: CamRecord, rows: NDArray[np.bool_], confidence: float) -> dict[str, Any]:
    patient = record.mark_patient[rows]
    hit = clustered_share(record.hit[rows], patient, confidence)
    iou = clustered_mean(record.iou[rows], patient, confidence)
    random_hit, random_iou = record.random_hit[rows], record.random_iou[rows]
    return {
        "n": hit.n,
        "n_patients": hit.n_patients,
        "pointing": hit.estimate,
        "pointing_low": hit.low,
        "pointing_high": hit.high,
        "pointing_random": float(random_hit.mean()) if hit.n else float("nan"),
        "iou": iou.estimate,
        "iou_low": iou.low,
        "iou_high": iou.high,
        "blank": float(record.blank[rows].mean()) if hit.n else float("nan"),
        "iou_random": float(random_iou.mean()) if hit.n else float("nan"),
    }
