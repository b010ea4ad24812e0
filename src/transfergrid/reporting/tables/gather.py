"""The tables of a study: every cell, every source, and a bootstrap of every macro AUROC."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.records import read_kept
from transfergrid.reporting.tables.bootstrap import BOOTSTRAP, bootstrap_rows
from transfergrid.reporting.tables.calibration import calibration_table
from transfergrid.reporting.tables.cells import (
    AXES,
    COST,
    CellTask,
    cell_rows,
    score_tasks,
    source_row,
)
from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.reporting.tables.tuning import tuning_table
from transfergrid.runtime.imports import for_workers
from transfergrid.runtime.progress import progress

T = TypeVar("T")
MANY = 200  # fewer cells than this are done before a pool of processes has started
BATCH = 16  # cells that share one set of draws; more of them would be no faster

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
SOURCES = (
    "cell",
    "dataset",
    "architecture",
    "pretraining",
    "protocol",
    "seed",
    "status",
    "valid_auroc",
    "valid_accuracy",
    "chance_accuracy",
    "n_valid",
)


def write_tables(
    study: Mapping[str, Any], results: Path, folder: Path, workers: int = 1
) -> pd.DataFrame:
    """Write the tables that are made of ensembles and records; return cells.csv.

    Args:
        study: The stamp's content.
        results: Root of all outputs.
        folder: Where the tables go, in the study's folder.
        workers: Processes that read cells.
    """
    cells = cells_table(study, results, workers)
    write_table(cells, folder / "cells.csv")
    write_table(sources_table(study, results, workers), folder / "sources.csv")
    write_table(bootstrap_table(study, results, workers), folder / "bootstrap.csv")
    write_table(tuning_table(study, results), folder / "tuning.csv")
    write_table(calibration_table(study, cells, results), folder / "calibration.csv")
    seal_stage(folder.parent, "tables")
    return cells


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
    entries = _entries(study, "target")
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
    mapped = _map(cell_rows, work, _processes(workers, work))
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


def _entries(study: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    return [entry for entry in study["cells"] if entry["role"] == role]


def _processes(workers: int, cells: Sequence[Any]) -> int:
    return workers if len(cells) >= MANY else 1


def _map(function: Any, work: Sequence[T], workers: int) -> Iterator[Any]:
    if workers <= 1:
        yield from map(function, work)
        return
    # A fork would copy the locks of torch's and Arrow's threads in whatever state they are.
    context = multiprocessing.get_context("spawn")
    # They import this process's code, not what is on the disk when they start.
    with (
        for_workers() as (initializer, arguments),
        ProcessPoolExecutor(min(workers, len(work)), context, initializer, arguments) as pool,
    ):
        yield from pool.map(function, work, chunksize=4)


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


def sources_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return sources.csv: the cells that others start from, with their own validation scores.

    Args:
        study: The study's JSON.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        A row per source cell; NaN where it diverged, status ``missing`` where it has no scores.
    """
    entries = _entries(study, "source")
    mapped = _map(partial(source_row, results=results), entries, _processes(workers, entries))
    rows = list(progress(mapped, len(entries), "sources"))
    table = pd.DataFrame(rows, columns=list(SOURCES))
    return table.astype({"n_valid": "Int64"})


def bootstrap_table(study: Mapping[str, Any], results: Path, workers: int = 1) -> pd.DataFrame:
    """Return bootstrap.csv: a percentile interval of each macro AUROC, beside the closed form.

    Every cell draws the same patients, because each starts from the same seed.

    Args:
        study: The study's JSON.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        A row per scored cell under the primary selection.
    """
    entries = _entries(study, "target")
    scored = {entry["dataset_id"]: score_tasks(entry, results) for entry in entries}
    primary = study["evaluation"]["primary"]
    places = [
        ensemble_directory(study["name"], entry["cell"], primary, results) for entry in entries
    ]
    work = [
        (entry["cell"], place / "test.parquet", scored[entry["dataset_id"]])
        for entry, place in zip(entries, places, strict=True)
        if (place / "test.parquet").exists()
    ]
    batches = [work[first : first + BATCH] for first in range(0, len(work), BATCH)]
    function = partial(bootstrap_rows, evaluation=study["evaluation"])
    mapped = _map(function, batches, _processes(workers, work))
    rows = list(progress((row for part in mapped for row in part), len(work), "bootstrap"))
    return pd.DataFrame(rows, columns=list(BOOTSTRAP))
