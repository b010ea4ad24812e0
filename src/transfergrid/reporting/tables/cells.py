"""cells.csv: every cell of the grid, with the score of its primary metric and what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.catalog.axes import RUN
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_kept, read_train
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import MISSING, CellWork, cell_work
from transfergrid.reporting.tables.crossed import RunWork, pooled_row, pooled_score, run_work
from transfergrid.reporting.tables.scored import Scored, data_flags, score
from transfergrid.runtime.progress import progress

if TYPE_CHECKING:
    import pandas as pd

COST = ("train_seconds", "images_per_second", "peak_memory_mb", "device")
WHOLE = (
    "params",
    "macs",
    "input_size",
    "n_checkpoints",
    "micro_batch",
    "n_images",
    "n_studies",
    "n_patients",
)


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return cells.csv by its name; see `cells_table`."""
    return {"cells": cells_table(study, results, workers)}


def cells_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return cells.csv: a row per target cell and selection, the primary selection first.

    The cells of a run over folds follow its own rows, whose fold is ``all``.

    Args:
        study: The stamp's content (name, cells, evaluation).
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        The columns of its declaration. A diverged cell has its counts and NaN for its score; a
        cell without scores has status ``missing`` and NaN for every number.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    work = cell_work(study, results)
    runs = run_work(work)
    mapped = gathering.over_cells(run_rows, runs, workers, len(work))
    rows = [row for part in progress(mapped, len(runs), "cells") for row in part]
    _add_costs(rows, results)
    return gathering.frame(study, "cells", rows, WHOLE)


def run_rows(work: RunWork) -> list[dict[str, Any]]:
    """Return the rows of a run: those of its cell, or its own and then those of its folds.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    folds = [cell_rows(one) for one in work.cells.values()]
    if not work.run.crossed:
        return folds[0]
    rows = []
    about = data_flags(read_card(work.first.entry, work.first.results) or {})
    for number, selection in enumerate(work.first.selections):
        row = pooled_row(work, [own[number] for own in folds])
        if row["status"] != MISSING:
            found = pooled_score(work, selection, work.first.metrics[0], scored_only=True)
            row |= _numbers(found, about)
        rows.append(row)
    return rows + [row for own in folds for row in own]


def cell_rows(work: CellWork) -> list[dict[str, Any]]:
    """Return one row of cells.csv per selection, in the order of `CellWork.selections`.

    A cell that has not been trained or scored has status ``missing`` and no numbers.

    Raises:
        UserError: A file of the cell breaks its contract.
    """
    folder = cell_directory(work.entry["cell"], work.results)
    trained = read_train(folder)
    spec = json.loads(read_kept(folder, "spec.json")) if trained else {}
    head = {name: work.entry[name] for name in ("cell", "family", *RUN)}
    head |= {"fold": gathering.fold_of(work.entry), "metric": work.metrics[0]["name"]}
    card = read_card(work.entry, work.results) or {}
    about = data_flags(card)
    rows = []
    for selection in work.selections:
        place = work.ensemble(selection)
        scored = trained is not None and (place / "test.parquet").exists()
        row = {**head, "status": trained["status"] if scored and trained else MISSING}
        row |= {"input_size": spec.get("architecture", {}).get("input_px")}
        row |= {"selection": selection, "flags": ""}
        row |= {key: (trained or {}).get(key) for key in ("micro_batch", *COST)}
        if scored:
            row |= _scores(work, place, about, card)
        rows.append(row)
    return rows


def _scores(
    work: CellWork, place: Path, about: list[str], card: Mapping[str, Any]
) -> dict[str, Any]:
    table = read_ensemble(place / "test.parquet")
    found = score(table, work.score_tasks, work.metrics[0], work.alpha, place, scored_only=True)
    return {
        "n_checkpoints": table.n_checkpoints,
        "n_images": table.n_images,
        "n_studies": len(table.study_id),
        "n_patients": len(set(table.patient_id.tolist())),
        # Of structures that exclude each other, the background has an output as well.
        "outputs": len(table.tasks) + (card.get("masks") == "exclusive"),
        "decoded": bool(card.get("masks")),
        **_numbers(found, about),
    }


def _numbers(found: Scored, about: list[str]) -> dict[str, Any]:
    return {
        "score": found.whole.estimate,
        "score_low": found.whole.low,
        "score_high": found.whole.high,
        "flags": ";".join([*about, *_flags(found)]),
    }


def _flags(found: Scored) -> Iterator[str]:
    for task, part in found.tasks.items():
        yield from (f"{flag}:{task}" for flag in part.flags)
    if not found.tasks:
        yield from found.whole.flags


def _add_costs(rows: list[dict[str, Any]], results: Path) -> None:
    # PyTorch takes seconds and memory, which processes that read cells do not need.
    from transfergrid.models.cost import Cost, cost
    from transfergrid.models.mask_network import mask_cost

    known: dict[tuple[Any, ...], Cost] = {}
    for row in rows:
        outputs, cell = row.pop("outputs", 0), row.pop("spec_of", row["cell"])
        decoded = row.pop("decoded", False)
        if outputs == 0 or row["input_size"] is None:
            continue
        truncation, px = row["truncation"], row["input_size"]
        # A recipe may have a decoder of its own.
        key = (row["architecture"], outputs, truncation, px, decoded and row["protocol"])
        if key not in known:
            spec = json.loads(read_kept(cell_directory(cell, results), "spec.json"))
            counted = mask_cost if decoded else cost
            known[key] = counted(spec["architecture"], outputs, truncation, px)
        row |= {"params": known[key].params, "macs": known[key].macs}
