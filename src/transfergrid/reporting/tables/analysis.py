"""Any stage that makes tables: call its function, set the columns in order, write and seal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.stage_files import seal_stage

Tables = Mapping[str, pd.DataFrame]
Analysis = Callable[[Mapping[str, Any], Path, int], Tables]


def analyse(stage: str, study: Mapping[str, Any], results: Path, workers: int = 1) -> None:
    """Make the tables of a stage.

    Args:
        stage: Its name.
        study: What the stage's stamp holds (``run``: the function; ``columns``: by table the names
            of its columns, in order), with the study's cells.
        results: Root of all outputs.
        workers: Processes that the function may use.

    Raises:
        ValueError: The function returned other tables, or other columns, than were declared.
    """
    module, _, name = study["run"].partition(":")
    function: Analysis = getattr(import_module(module), name)
    found = function(study, results, workers)
    if found.keys() != study["columns"].keys():
        raise ValueError(f"{study['run']} returned {sorted(found)}, not {list(study['columns'])}")
    folder, files = results / study["name"], []
    for table, columns in study["columns"].items():
        files.append(f"tables/{table}.csv")
        write_table(in_order(found[table], columns, table), folder / files[-1])
    seal_stage(folder, stage, files)


def in_order(table: pd.DataFrame, columns: Sequence[str], name: str) -> pd.DataFrame:
    """Return a table with its declared columns in their order; one without rows may have none.

    Raises:
        ValueError: It has other columns.
    """
    if len(table) == 0:
        return table.reindex(columns=list(columns))
    if set(table.columns) != set(columns):
        differ = sorted(set(map(str, table.columns)) ^ set(columns))
        raise ValueError(f"table {name} has other columns than were declared: {differ}")
    return table[list(columns)]
