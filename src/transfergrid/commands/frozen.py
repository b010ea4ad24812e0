"""A view of the finished cells as they are at one moment, in the layout of results/.

The view consists of links, so what a run removes or replaces meanwhile stays in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path

from transfergrid.commands.jobs import map_file
from transfergrid.commands.memory import modified
from transfergrid.evaluation.ensembles import Ensembles, is_made_of
from transfergrid.planning.outputs import SCORES
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import FINISHED, KEPT, RECORD, SCORED, SPEC, TRAINED
from transfergrid.planning.shards import SPLITS
from transfergrid.runtime.energy import NAME
from transfergrid.runtime.progress import progress

NEEDED = (SPEC, RECORD, *SCORES)
ENERGY = f"logs/{NAME}"
USEFUL = (*KEPT, "logs/train.log", "logs/train.tsv", "logs/evaluate.tsv", ENERGY)

SHARED = (
    *("cache", "origins", "weights", "features"),
    *("tuning", "activations", "weighings", "stamps"),
)
"""Folders of what studies share, or that no run of a study removes."""


def freeze_cells(cells: Sequence[str], results: Path, view: Path) -> list[str]:
    """Link the files of scored cells into `view`.

    Args:
        cells: Names of cells that have been scored.
        results: Root of all outputs.
        view: Root of the view, a new folder on the same file system.

    Returns:
        The cells that are complete in the view; one that a job removed meanwhile is not.
    """
    (view / "cells").mkdir(parents=True)
    for name in SHARED:
        (view / name).symlink_to((results / name).absolute())
    return [cell for cell in cells if _freeze(cell, results, view)]


def freeze_trials(trials: Iterable[str], results: Path, view: Path) -> None:
    """Link the records of learning-rate trials into `view`, as far as they exist.

    Args:
        trials: Names of trials.
        results: Root of all outputs.
        view: Root of the view.
    """
    for cell in trials:
        for name in (RECORD, "logs/train.tsv", ENERGY):
            with suppress(FileNotFoundError):
                _link(cell_directory(cell, results) / name, cell_directory(cell, view) / name)


def freeze_costs(study: str, results: Path, view: Path) -> None:
    """Link into `view` what a study's own jobs took, as Snakemake measured it."""
    for path in (results / study).glob("logs/**/*.tsv"):
        with suppress(FileNotFoundError):
            _link(path, view / path.relative_to(results))


def _freeze(cell: str, results: Path, view: Path) -> bool:
    source, target = cell_directory(cell, results), cell_directory(cell, view)
    try:
        # The receipt is removed before its cell is scored again, and written last.
        before = _identity(source / SCORED)
        for name in NEEDED:
            _link(source / name, target / name)
        if not (source / "card.json").exists():
            _link(source / FINISHED, target / FINISHED)  # it is restored from there
        for name in USEFUL:
            if (source / name).exists():
                _link(source / name, target / name)
        whole = before == _identity(source / SCORED)
    except FileNotFoundError:
        whole = False
    if not whole:
        shutil.rmtree(target, ignore_errors=True)
    return whole


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        # Another user's file, or another file system under a linked folder.
        target.symlink_to(source.absolute())


def freeze_ensembles(study: PlannedStudy, cells: Sequence[str], results: Path, view: Path) -> None:
    """Link the ensembles of a study's cells into `view`; make those that a run has not made.

    Args:
        study: The study.
        cells: Its targets that are in the view.
        results: Root of all outputs.
        view: Root of the view.

    Raises:
        UserError: A score file breaks its contract.
    """
    code = study.stamps["ensembles"][1]["code"]
    made, frozen = (
        Ensembles(root, study.name, study.selections, code, study.outlined)
        for root in (results, view)
    )
    for cell in progress(cells, len(cells), "ensembles"):
        made_of = frozen.made_of(cell)
        for selection, split in product(study.selections, SPLITS):
            source, target = (one.file(cell, selection, split) for one in (made, frozen))
            if is_made_of(source, made_of[selection]):
                with suppress(FileNotFoundError):
                    _link(source, target)
        frozen.make(cell)


def freeze_maps(study: PlannedStudy, cells: Sequence[str], results: Path, view: Path) -> list[str]:
    """Link the up-to-date class activation maps of a study's cells into `view`.

    Args:
        study: The study.
        cells: Its targets that are in the view.
        results: Root of all outputs.
        view: Root of the view.

    Returns:
        The cells that have maps in the view.
    """
    wanted = [cell.name for cell in study.cam_cells if cell.name in set(cells)]
    stamp = modified(results / "stamps" / study.stamps["cams"][0]) if wanted else None
    if stamp is None:
        return []
    there = []
    for cell in wanted:
        source = map_file(study.name, cell, results)
        trained = modified(cell_directory(cell, results) / TRAINED) or 0
        with suppress(FileNotFoundError):
            if source.stat().st_mtime_ns >= max(stamp, trained):
                _link(source, map_file(study.name, cell, view))
                there.append(cell)
    return there
