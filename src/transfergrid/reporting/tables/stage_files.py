"""What the stages that gather a study make, compared with their receipts as it is read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from transfergrid.planning.outputs import STAGE_FILES, receipt_of
from transfergrid.reporting.tables.files import parse_table
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import read_sealed, write_sealed
from transfergrid.runtime.verified import read_verified


def seal_stage(folder: Path, stage: str) -> None:
    """Write the receipt of what a stage has just made.

    Args:
        folder: The study's folder.
        stage: tables, statistics, figures, panels or report.
    """
    receipt = receipt_of(stage)
    there = [name for name in STAGE_FILES[stage] if (folder / name).is_file() and name != receipt]
    write_sealed(folder / receipt, {"files": {name: sha256_file(folder / name) for name in there}})


def stage_receipt(folder: Path, stage: str) -> Mapping[str, str]:
    """Return the SHA-256 of what a stage made, by name.

    Raises:
        UserError: The stage has not run, or its receipt is damaged.
    """
    path = folder / receipt_of(stage)
    try:
        files: Mapping[str, str] = read_sealed(path, _mend(path))["files"]
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run snakemake, which makes the {stage}.") from None
    return files


def read_made(folder: Path, name: str) -> bytes:
    """Return a file that a stage made.

    Args:
        folder: The study's folder.
        name: Its name in there, such as ``tables/cells.csv``.

    Raises:
        UserError: It is missing, or is not what the stage wrote.
    """
    stage = next(stage for stage, files in STAGE_FILES.items() if name in files)
    path = folder / name
    return read_verified(path, stage_receipt(folder, stage).get(name), bytes, _mend(path))


def read_made_table(folder: Path, name: str) -> pd.DataFrame:
    """Return a study's table, such as ``cells``, every float exactly.

    Raises:
        UserError: It is missing, or is not what was written.
    """
    file = f"tables/{name}.csv"
    return parse_table(io.BytesIO(read_made(folder, file)), folder / file)


def _mend(path: Path) -> str:
    return f"remove {path} and run snakemake again, which makes it again"
