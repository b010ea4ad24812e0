"""What was run, and when: the workflow's files, and what jobs noted while they ran."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from transfergrid.commands.archiving.crate import Ran
from transfergrid.planning.paths import PROJECT, cell_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import read_train
from transfergrid.runtime.live import FILE

_CODE = ("workflow/rules", "workflow/scripts", "workflow/schemas", "workflow/report")
_FILES = ("Snakefile", "workflow/Snakefile", "envs/transfergrid.yaml")


def copy_code(target: Path) -> None:
    """Copy the workflow as it is now, in the layout in which Snakemake reads it.

    Args:
        target: A folder; the Snakefile lies in it, and finds what it includes.
    """
    for name in _CODE:
        compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, target / name, ignore=compiled)
    for name in _FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, target / name)


def ran(study: PlannedStudy, results: Path) -> Ran:
    """Return when a study's cells were trained and scored, as their jobs noted it, and with what.

    Times of files are no record of that: a copy has new ones. Cells that an earlier run has trained
    count with their own times.
    """
    record: dict[str, Any] = read_train(cell_directory(study.scored[0].name, results)) or {}
    environment = record.get("environment", {})
    folders = (cell_directory(cell.name, results) for cell in study.scored)
    noted = sorted(time for folder in folders for time in _noted(folder / FILE))
    return Ran(
        start=_told(noted[0]) if noted else None,
        end=_told(noted[-1]) if noted else None,
        snakemake=environment.get("packages", {}).get("snakemake"),
        commit=environment.get("commit"),
    )


def _noted(path: Path) -> Iterator[float]:
    """Yield the first and last times, in Unix seconds, in a cell's report on its latest job."""
    lines: list[bytes] = []
    with suppress(OSError):
        lines = path.read_bytes().splitlines()
    for line in (*lines[:1], *lines[-2:]):  # the last one may be cut off
        with suppress(ValueError, TypeError, KeyError):
            yield float(json.loads(line)["time"])


def _told(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
