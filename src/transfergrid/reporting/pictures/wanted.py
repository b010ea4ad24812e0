"""Which films of a study are shown, and which of them have to be marked for that.

A picture is marked once: what a cell's selection marks on a film never changes, whatever else the
study asks. So pictures stay when the cell's weights are freed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.records import SPEC, TRAINED, read_spec
from transfergrid.reporting.pictures.chosen import chosen_films, chosen_runs
from transfergrid.reporting.pictures.file import Picture, read_all
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.runs import Run, runs_of


@dataclass(frozen=True)
class Wanted:
    """The pictures of a study.

    Attributes:
        shown: Those that are shown; one that has to be marked, or cannot be, has no picture yet.
        due: Those of them that have to be marked.
        earlier: Those that were shown and may be again.
    """

    shown: tuple[Picture, ...]
    due: tuple[Picture, ...]
    earlier: tuple[Picture, ...]


def wanted_pictures(study: Mapping[str, Any], results: Path) -> Wanted:
    """Choose the films that are shown, and find the pictures that were made of them.

    Args:
        study: The stamp's content, with the study's cells; ``pictured`` says which may be shown.
        results: Root of all outputs.

    Raises:
        UserError: A file of a cell is not what was written.
    """
    folder, there = results / study["name"], {entry["cell"] for entry in study["cells"]}
    known = {one.key: one for one in _made(folder) if one.picture and one.network in there}
    shown, due = [], []
    for film in _chosen(study, results):
        made = known.pop(film.key, None)
        freed = not (cell_directory(film.network, results) / TRAINED).is_file()
        # Weights that were freed draw nothing anew, whatever became of the code that draws.
        if made is not None and (freed or made.code == study["code"]):
            film = replace(film, picture=made.picture, code=made.code)
        elif not freed:
            due.append(film)
        shown.append(film)
    return Wanted(tuple(shown), tuple(due), tuple(known.values()))


def _made(folder: Path) -> tuple[Picture, ...]:
    try:
        return read_all(folder)
    except UserError as error:
        # A job that was killed may have written the file and not its receipt.
        print(f"pictures of an earlier run are not used: {error}", file=sys.stderr)
        return ()


def _chosen(study: Mapping[str, Any], results: Path) -> Iterator[Picture]:
    """Yield what is shown, without pictures."""
    primary, asked = study["evaluation"]["primary"], study["pictured"]
    cells = read_made_table(results / study["name"], "cells")
    runs = {run.name: run for run in runs_of(gathering.entries(study, "target")).values()}
    for row in chosen_runs(
        cells[cells["selection"] == primary],
        list(runs.values()),
        asked["cells"],
        asked["show"],
        _lower_is_better(asked["cells"], results),
    ):
        yield from _of_run(runs[str(row["cell"])], study, results)


def _lower_is_better(cells: list[str], results: Path) -> list[str]:
    """Return the primary metrics of cells of which lower is better."""
    specs = (read_spec(cell_directory(cell, results) / SPEC) for cell in cells)
    return [spec["metric"]["name"] for spec in specs if not spec["metric"]["higher_is_better"]]


def _of_run(run: Run, study: Mapping[str, Any], results: Path) -> Iterator[Picture]:
    """Yield what is shown of a cell or of a run over folds."""
    primary = study["evaluation"]["primary"]
    entries = {entry["cell"]: entry for entry in study["cells"]}
    folds = {
        fold: read_ensemble(
            ensemble_directory(study["name"], cell, primary, results) / "test.parquet"
        )
        for fold, cell in run.cells.items()
    }
    card = read_card(entries[next(iter(run.cells.values()))], results) or {}
    for film in chosen_films(folds, gathering.score_tasks(card)):
        yield Picture(
            run.name,
            film.place,
            film.film,
            film.value,
            picture="",
            network=run.cells[film.fold],
            selection=primary,
            row=film.row,
            code=study["code"],
        )
