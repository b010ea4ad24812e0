"""`transfergrid index`: a page over all studies in results/, with what each has found first.

A run writes it as well, after each study's page; nothing depends on it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from transfergrid import __version__
from transfergrid.catalog.tables import TABLES
from transfergrid.commands.live import Cells
from transfergrid.commands.options import add_directory, in_directory
from transfergrid.commands.reasons import read_json_or_none
from transfergrid.commands.snapshot import FOLDER, status_of
from transfergrid.planning.gathered import GATHERED
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.stamps import stamps_in
from transfergrid.reporting.page.index import IndexedStudy, render_index
from transfergrid.reporting.page.told import FirstAnswer, first_answer
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.locks import exclusive

FILE = "index.html"
LOCK = ".index.lock"
"""Held while the index is made: of two runs that end at once, the later one sees both pages."""
ORDER = ("finished", "diverged", "failed", "running", "stopped", "not scored yet", "missing")
"""States of cells, as the index lists them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's option."""
    add_directory(parser, "working directory of the runs")


def run(arguments: argparse.Namespace) -> int:
    """Write the index and say where it is.

    Raises:
        UserError: There is no folder of results, or its file system has no locks.
    """
    with in_directory(arguments.directory):
        if not RESULTS.is_dir():
            raise UserError(
                f"{RESULTS.absolute()} does not exist; run snakemake first, or name the folder "
                "that holds results/ with --directory."
            )
        number = write_index(RESULTS)
    print(
        f"{arguments.directory / RESULTS / FILE}: {number} {'study' if number == 1 else 'studies'}"
    )
    return 0


def write_index(results: Path) -> int:
    """Write the index of a folder of results, under its lock; return the number of studies."""
    with exclusive(results / LOCK):
        studies = indexed(results)
        when = _told(datetime.now().timestamp())
        write_text(results / FILE, render_index(studies, when, __version__))
    return len(studies)


def indexed(results: Path) -> list[IndexedStudy]:
    """Return what there is of every study, the one whose page was written last first."""
    stamps: dict[tuple[str, str], Path] = {}
    for name, path in stamps_in(results / "stamps"):
        known = stamps.get((name.owner, name.stage))
        if known is None or _written(path) > _written(known):
            stamps[name.owner, name.stage] = path
    owners = {owner for owner, stage in stamps if stage in ("gather", "report")}
    owners |= {path.parent.name for path in results.glob(f"*/{GATHERED}")}
    found = [
        (_written(results / owner / "report.html"), _study(results, owner, stamps))
        for owner in sorted(owners)
    ]
    return [study for _, study in sorted(found, key=lambda pair: -pair[0])]


def _study(results: Path, name: str, stamps: Mapping[tuple[str, str], Path]) -> IndexedStudy:
    said = _content(stamps.get((name, "report")))
    page, snapshot = f"{name}/report.html", f"{name}/{FOLDER}/report.html"
    written = _written(results / page)
    tables = (f"{name}/{table.file}" for table in TABLES)
    return IndexedStudy(
        name,
        str(said.get("title") or ""),
        str(said.get("description") or ""),
        _states(results, name, stamps.get((name, "gather"))),
        _told(written) if written else "",
        _answer(results / page) if written else None,
        page if written else "",
        snapshot if _written(results / snapshot) else "",
        [table for table in tables if _has_rows(results / table)],
    )


def _answer(page: Path) -> FirstAnswer | None:
    """Return what a page says first; None of one that a run has just removed to write it anew."""
    try:
        return first_answer(page)
    except FileNotFoundError:
        return None


def _has_rows(table: Path) -> bool:
    """Tell whether a table is there and has more than its head."""
    try:
        with table.open("rb") as file:
            return bool(file.readline() and file.readline())
    except OSError:
        return False


def _states(results: Path, name: str, planned: Path | None) -> dict[str, int] | None:
    """Return how many of a study's cells are in each state; None where nobody planned it."""
    cells = _content(planned).get("cells")
    if cells is None:
        cells = _content(results / name / GATHERED).get("cells")
    if not isinstance(cells, list):
        return None
    live = Cells([str(cell["cell"]) for cell in cells], results).look()
    counts = Counter(status_of(cell) for cell in live.values())
    return {word: counts[word] for word in ORDER}


def _content(path: Path | None) -> Mapping[str, Any]:
    """Return a stamp's content; nothing of one that is gone or cannot be read."""
    return (read_json_or_none(path) or {}) if path else {}


def _written(path: Path) -> float:
    """Return when a file was written, in Unix seconds; 0 where it is gone, or has just gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _told(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
