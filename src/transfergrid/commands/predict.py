"""`transfergrid predict`: what a trained cell's ensemble says of films."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from transfergrid.runtime.atomic import replacing
from transfergrid.runtime.errors import UserError, listed

if TYPE_CHECKING:
    from transfergrid.evaluation.loaded import LoadedCell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("cell", type=Path, metavar="CELL", help="a cell's folder, or its name")
    parser.add_argument("films", nargs="+", type=Path, metavar="FILM", help="image files")
    parser.add_argument(
        "--selection", metavar="NAME", help="which checkpoints are averaged [the study's first]"
    )
    parser.add_argument("--study", metavar="NAME", help="the study, where several have the cell")
    parser.add_argument(
        "--one-study",
        action="store_true",
        help="the films are views of one examination: give it one row",
    )
    parser.add_argument(
        "--masks", type=Path, metavar="DIR", help="where a cell of masks writes them, as PNG"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N [cpu]")
    parser.add_argument(
        "--own-code",
        action="store_true",
        help="import the network, decoder or metric that a cell from elsewhere names",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a row of probabilities for each film as CSV, and on stderr what the cell is.

    Raises:
        UserError: The cell cannot be loaded, or films cannot be read; nothing is then printed.
    """
    # Seconds of imports, which the help does without.
    from transfergrid.reporting.loading import load_cell

    cell = load_cell(
        arguments.cell,
        arguments.selection,
        arguments.study,
        arguments.device,
        own_code=arguments.own_code,
    )
    if arguments.masks is not None and not cell.marks:
        raise UserError(f"cell {cell.folder.name} has labels and no masks; leave out --masks.")
    if arguments.one_study and cell.marks:
        raise UserError(
            f"cell {cell.folder.name} marks each film by itself; leave out --one-study."
        )
    films: list[Path] = arguments.films
    folder = next((film for film in films if film.is_dir()), None)
    if folder is not None:
        raise UserError(f"{folder} is a folder; name the films in it, such as {folder}/*.")
    if cell.marks:
        rows = _masks(cell, films, arguments.masks)
    else:
        studies = ["all"] * len(films) if arguments.one_study else None
        found = cell.predict(films, studies).tolist()
        names = [" ".join(map(str, films))] if arguments.one_study else list(map(str, films))
        rows = [[name, *values] for name, values in zip(names, found, strict=True)]
    print(cell.about, file=sys.stderr)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["film", *(f"{task}_share" if cell.marks else task for task in cell.tasks)])
    table.writerows(rows)
    return 0


def _masks(cell: LoadedCell, films: Sequence[Path], folder: Path | None) -> list[list[str | float]]:
    """Return for each film the share of its pixels that each structure takes; write the masks.

    A mask is an 8-bit PNG of the size at which the cell sees films, 255 where it marks.
    """
    files = [] if folder is None else _files(cell, films, folder)
    rows: list[list[str | float]] = []
    for marks in cell.marked(films):
        done = len(rows)
        marks.check(cell.folder.name, list(map(str, films[done : done + len(marks.marked)])))
        for masks in marks.marked:
            number = len(rows)
            rows.append([str(films[number]), *masks.mean(axis=(1, 2)).tolist()])
            if files:
                _write(masks, files[number])
    return rows


def _write(masks: npt.NDArray[np.bool_], files: Sequence[Path]) -> None:
    for mask, path in zip(masks, files, strict=True):
        with replacing(path) as temporary:
            Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(temporary, "PNG")


def _files(cell: LoadedCell, films: Sequence[Path], folder: Path) -> list[list[Path]]:
    """Return where the masks of each film go.

    Raises:
        UserError: Two would be one file, or one is there already.
    """
    names = [film.stem for film in films]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"several films are called {listed(twice)}, and their masks would be one file; "
            "predict them one at a time."
        )
    files = [[folder / f"{name}.{task}.png" for task in cell.tasks] for name in names]
    there = [str(path) for paths in files for path in paths if path.exists()]
    if there:
        raise UserError(f"{listed(there, 3)} is there already; name another folder with --masks.")
    return files
