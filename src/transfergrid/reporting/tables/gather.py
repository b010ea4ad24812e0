"""cells.csv: every cell of a study under every selection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_kept
from transfergrid.reporting.tables.cells import AXES, COST, CellTask, cell_rows, score_tasks
from transfergrid.reporting.tables.pool import entries_of, map_many, processes
from transfergrid.runtime.progress import progress

BEFORE_TASKS = (
    "cell",
    *AXES,
    "status",
    "params",
    "macs",
    "input_size",
    "selection",
    "n_checkpoints",
    "micro_batch",
    "n_images",
    "n_studies",
    "n_patients",
    "auroc",
    "auroc_low",
    "auroc_high",
)
AFTER_TASKS = ("flags", *COST)


def cells(study: Mapping[str, Any], results: Path, workers: int) -> Mapping[str, pd.DataFrame]:
    """Return the table of cells; see `cells_table`."""
    return {"cells": cells_table(study, results, workers)}


def cells_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return cells.csv: a row per target cell and selection, the primary selection first.

    Args:
        study: The study's JSON (name, cells, evaluation).
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        The columns of the contract, four for each task of any dataset (``auroc_<task>``, its
        ``_low`` and ``_high``, ``n_pos_<task>``). A diverged cell has its counts and NaN for every
        AUROC; a cell without scores has status ``missing`` and NaN for every number.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    evaluation = study["evaluation"]
    entries = entries_of(study, "target")
    scored = {entry["dataset_id"]: score_tasks(entry, results) for entry in entries}
    work = [
        CellTask(
            entry,
            study["name"],
            tuple(ordered_selections(evaluation)),
            1 - evaluation["confidence"],
            scored[entry["dataset_id"]],
            results,
        )
        for entry in entries
    ]
    mapped = map_many(cell_rows, work, processes(workers, work))
    rows = [row for part in progress(mapped, len(work), "cells") for row in part]
    keys = dict.fromkeys(key for row in rows for key in row if key.startswith("n_pos_"))
    tasks = [key.removeprefix("n_pos_") for key in keys]
    _add_costs(rows, results)
    columns = [*BEFORE_TASKS, *(c for task in tasks for c in task_columns(task)), *AFTER_TASKS]
    table = pd.DataFrame(rows, columns=columns)
    table["flags"] = table["flags"].fillna("")
    return _whole_numbers(table)


def task_columns(task: str) -> tuple[str, str, str, str]:
    """Return the four columns of cells.csv that one task has."""
    return f"auroc_{task}", f"auroc_{task}_low", f"auroc_{task}_high", f"n_pos_{task}"


def ordered_selections(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the selection rules, the primary one first."""
    return list(dict.fromkeys([evaluation["primary"], *evaluation["selections"]]))


def _add_costs(rows: list[dict[str, Any]], results: Path) -> None:
    # PyTorch takes seconds and memory, which processes that read cells do not need.
    from transfergrid.models.cost import Cost, cost

    known: dict[tuple, Cost] = {}
    for row in rows:
        outputs = sum(key.startswith("n_pos_") for key in row)
        if outputs == 0 or row["input_size"] is None:
            continue
        truncation, px = row["truncation"], row["input_size"]
        key = (row["architecture"], outputs, truncation, px)
        if key not in known:
            spec = json.loads(read_kept(cell_directory(row["cell"], results), "spec.json"))
            known[key] = cost(spec["architecture"], outputs, truncation, px)
        row |= {"params": known[key].params, "macs": known[key].macs}


def _whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    whole = ["params", "macs", "input_size", "n_checkpoints", "micro_batch"]
    whole += [str(name) for name in table if str(name).startswith("n_")]
    return table.astype({name: "Int64" for name in dict.fromkeys(whole)})
