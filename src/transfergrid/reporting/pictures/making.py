"""Marks the chosen films of a study with the networks of its cells, and draws the outlines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.marked import marked_films
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.records import TRAINED, read_spec
from transfergrid.reporting.pictures.chosen import ChosenFilm, chosen_films, chosen_runs
from transfergrid.reporting.pictures.drawn import data_uri, outlined
from transfergrid.reporting.pictures.file import Picture, write_pictures
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.runtime.progress import progress
from transfergrid.statistics.runs import Run, runs_of


def make_pictures(study: Mapping[str, Any], results: Path, device: str = "cpu") -> None:
    """Write a study's films with outlines.

    Args:
        study: The stamp's content, with the study's cells; ``pictured`` says which may be shown.
        results: Root of all outputs.
        device: "cpu", "cuda" or "cuda:<n>".

    Raises:
        UserError: A file of a cell is not what was written.
    """
    folder, primary = results / study["name"], study["evaluation"]["primary"]
    asked, entries = study["pictured"], gathering.entries(study, "target")
    cells = read_made_table(folder, "cells")
    runs = {run.name: run for run in runs_of(entries).values()}
    lower = _lower_is_better(asked["cells"], results)
    shown = chosen_runs(
        cells[cells["selection"] == primary],
        list(runs.values()),
        asked["cells"],
        asked["show"],
        lower,
    )
    told = progress(
        (_of_run(runs[str(row["cell"])], study, results, device) for row in shown),
        len(shown),
        "films",
    )
    write_pictures(folder, [picture for part in told for picture in part])


def _lower_is_better(cells: list[str], results: Path) -> list[str]:
    """Return the primary metrics of cells of which lower is better."""
    specs = (read_spec(cell_directory(cell, results) / "spec.json") for cell in cells)
    return [spec["metric"]["name"] for spec in specs if not spec["metric"]["higher_is_better"]]


def _of_run(run: Run, study: Mapping[str, Any], results: Path, device: str) -> list[Picture]:
    """Return the pictures of a cell or a run over folds."""
    primary = study["evaluation"]["primary"]
    entries = {entry["cell"]: entry for entry in study["cells"]}
    folds = {
        fold: read_ensemble(
            ensemble_directory(study["name"], cell, primary, results) / "test.parquet"
        )
        for fold, cell in run.cells.items()
    }
    card = read_card(entries[next(iter(run.cells.values()))], results) or {}
    films = chosen_films(folds, gathering.score_tasks(card))
    return [
        Picture(run.name, film.place, film.film, film.value, picture)
        for film, picture in _drawn(films, run, primary, results, device)
    ]


def _drawn(
    films: list[ChosenFilm], run: Run, selection: str, results: Path, device: str
) -> Iterator[tuple[ChosenFilm, str]]:
    """Yield films with their pictures, which are empty where the weights were freed."""
    for film in films:
        folder = cell_directory(run.cells[film.fold], results)
        if not (folder / TRAINED).is_file():
            yield film, ""
            continue
        spec = read_spec(folder / "spec.json")
        (part,) = marked_films(spec, results, [selection], "test", device, [film.row])
        marked = part.marks[selection].marked[0]
        yield film, data_uri(outlined(part.images[0], part.truth[0], marked))
