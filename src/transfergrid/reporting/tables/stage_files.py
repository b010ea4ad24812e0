"""What the stages of a study make, compared with their receipts as it is read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from transfergrid.reporting.tables.files import parse_table
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.listing import written
from transfergrid.runtime.sealed import read_sealed, write_sealed
from transfergrid.runtime.verified import read_verified

RECEIPTS = "receipts"
"""Folder of receipts in a study's folder, one per stage."""


def receipt_path(folder: Path, stage: str) -> Path:
    """Return where a stage leaves its receipt in the study's folder."""
    return folder / RECEIPTS / f"{stage}.json"


def seal_stage(folder: Path, stage: str, names: Iterable[str]) -> None:
    """Write the receipt of what a stage has just made, the only one that tells of these files.

    Args:
        folder: The study's folder.
        stage: The stage.
        names: What it made, named in the folder.
    """
    made = {name: sha256_file(folder / name) for name in names}
    receipt = receipt_path(folder, stage)
    for other in _receipts(folder):
        # From a stage that once made the same file, under another version or name.
        with suppress(OSError, UserError):
            if other != receipt and made.keys() & _files_of(other).keys():
                other.unlink()
    write_sealed(receipt, {"files": made})


def read_made(folder: Path, name: str) -> bytes:
    """Return a file that a stage made.

    Args:
        folder: The study's folder.
        name: Its name in there, such as ``tables/cells.csv``.

    Raises:
        UserError: It is missing, or is not what the stage wrote.
    """
    path = folder / name
    broken: UserError | None = None
    for receipt in _receipts(folder):
        try:
            expected = _files_of(receipt).get(name)
        except FileNotFoundError:
            continue  # another stage has just put its own in place of an earlier version's
        except UserError as error:
            broken = error  # of another stage, unless none tells of the file
            continue
        if expected is not None:
            return read_verified(path, expected, bytes, _mend(path))
    raise broken or UserError(f"no stage has made {path}; run snakemake, which makes it.")


def read_made_table(folder: Path, name: str) -> pd.DataFrame:
    """Return a study's table, such as ``cells``, every float exactly.

    Raises:
        UserError: It is missing, or is not what was written.
    """
    file = f"tables/{name}.csv"
    return parse_table(io.BytesIO(read_made(folder, file)), folder / file)


def _receipts(folder: Path) -> list[Path]:
    return written(folder / RECEIPTS, "*.json")


def _files_of(receipt: Path) -> Mapping[str, str]:
    files: Mapping[str, str] = read_sealed(receipt, _mend(receipt))["files"]
    return files


def _mend(path: Path) -> str:
    return f"remove {path} and run snakemake again, which makes it again"
