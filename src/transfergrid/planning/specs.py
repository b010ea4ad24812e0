"""Which jobs write the specifications: few, each for many cells that wait for the same files.

Only a cell that is not trained, or has lost its spec.json, has one written. To Snakemake that of a
trained cell is a file which nothing makes: so a cache that was pruned and comes back reaches no
trained cell. Where weights were freed it has a job still, through which a cell that has to be
trained again waits for its source cell.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transfergrid.planning.cells import Cell
from transfergrid.planning.features import Features
from transfergrid.planning.plan import Plan
from transfergrid.planning.records import RECORD, SPEC, TRAINED
from transfergrid.planning.state_pairs import FINAL
from transfergrid.planning.states import State
from transfergrid.planning.weighings import Weighing
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.hashing import short_hash

MOST_TOGETHER = 100
"""Cells of one job at most: Snakemake goes through a rule's files one by one to find a file."""
MOST_RULES = 50
"""Jobs for several cells are rules of their own, and all of them appear in Snakemake's lists."""
FEW = 8
"""Beyond `MOST_RULES`, fewer cells than this are not worth a rule, and each has a job instead."""
NEVER = "(?!)"
"""A regular expression that matches nothing."""


@dataclass(frozen=True)
class SpecJob:
    """A job that writes the specifications of several cells.

    Attributes:
        rule: Its rule.
        cells: Names of the cells.
        needs: What must exist before they can be trained, relative to the folder of results.
    """

    rule: str
    cells: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """What it writes, relative to the folder of results."""
        return [f"cells/{cell}/{SPEC}" for cell in self.cells]

    @property
    def planned(self) -> str:
        """The file that holds them until the job publishes them."""
        return f"specs.{short_hash(self.cells)}.json"


@dataclass(frozen=True)
class SpecJobs:
    """How the specifications of a plan's cells are written.

    Attributes:
        together: Jobs for several cells.
        alone: Cells that have a job each.
    """

    together: tuple[SpecJob, ...] = ()
    alone: frozenset[str] = frozenset()

    @property
    def pattern(self) -> str:
        """A regular expression for the names in `alone`, made of their hashes to keep it short."""
        digests = sorted({_digest(name) for name in self.alone})
        return f".+-(?:{'|'.join(digests)})" if digests else NEVER

    @cached_property
    def job_of(self) -> dict[str, str]:
        """The job of each cell: a rule of several cells, or the cell's own name."""
        shared = {cell: job.rule for job in self.together for cell in job.cells}
        return shared | {cell: cell for cell in self.alone}


def needs_of(cell: Cell) -> tuple[str, ...]:
    """Return what must exist before a cell can be trained, relative to the folder of results."""
    tuned = (f"tuning/{cell.tuning.id}/tuning.json",) if cell.tuning else ()
    features = (f"features/{features_id}/receipt.json" for features_id in cell.features)
    return (*origins_of(cell), *tuned, *features)


def origins_of(made: Cell | Features) -> tuple[str, ...]:
    """Return the marks of the images and weights that a cell, or features, start from."""
    files = [f"cache/{made.dataset_id}/receipt.json"]
    if made.weights_id:
        files.append(f"weights/{made.weights_id}/receipt.json")
    if made.source_cell:
        files.append(f"cells/{made.source_cell}/{TRAINED}")
    return tuple(files)


def sources_of(stored: State | Weighing) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the marks of what the activations of a state, or a measurement, are made from.

    Args:
        stored: The state or the measurement.

    Returns:
        What counts only while it is missing (images, released weights, and the source cell of a
        cell whose weights are measured), and the training whose checkpoint it is.
    """
    if isinstance(stored, Weighing):
        source = stored.source_cell
        begun = (f"cells/{source}/{TRAINED}",) if source else ()
        return (*_images(stored), *begun), (f"cells/{stored.cell}/{TRAINED}",)
    trained = (f"cells/{stored.trained_cell}/{TRAINED}",) if stored.trained_cell else ()
    return (() if stored.when == FINAL else _images(stored)), trained


def _images(stored: State | Weighing) -> tuple[str, ...]:
    """Return the marks of images and released weights."""
    images = (f"cache/{stored.dataset_id}/receipt.json",) if stored.dataset_id else ()
    weights = (f"weights/{stored.weights_id}/receipt.json",) if stored.weights_id else ()
    return (*images, *weights)


def untrained(plan: Plan, there: Callable[[str, str], bool]) -> list[str]:
    """Return the plan's cells that have a job for their specification.

    They are not trained, have lost their specification, or would have to be trained again, because
    their weights were freed, after the cell that they start from.

    Args:
        plan: The plan.
        there: Tells whether a cell, by name, has a file, by its name in the cell's folder.
    """
    return [
        name
        for name, cell in plan.cells.items()
        if not (there(name, RECORD) and there(name, SPEC))
        or (cell.source_cell and not there(name, TRAINED))
    ]


def on_disk(results: Path) -> Callable[[str, str], bool]:
    """Return a function that looks for a cell's file on the disk, as `untrained` asks."""
    # Text, not Path: this is asked at every parse of the workflow.
    exists, root = os.path.exists, f"{results}/cells"
    return lambda cell, file: exists(f"{root}/{cell}/{file}")


def spec_jobs(plan: Plan, names: Iterable[str]) -> SpecJobs:
    """Return the jobs that write the specifications of some of a plan's cells.

    Args:
        plan: The plan.
        names: The cells; see `untrained`.
    """
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        groups[needs_of(plan.cells[name])].append(name)
    parts = [
        (needs, cells[start : start + MOST_TOGETHER])
        for needs, cells in groups.items()
        for start in range(0, len(cells), MOST_TOGETHER)
    ]
    alone: set[str] = set()
    if len(parts) > MOST_RULES:
        alone = {name for _, cells in parts if len(cells) < FEW for name in cells}
        # The pattern goes by hashes, and two cells may share one.
        digests = set(map(_digest, alone))
        alone |= {name for _, cells in parts for name in cells if _digest(name) in digests}
    rest = [(needs, tuple(n for n in cells if n not in alone)) for needs, cells in parts]
    found = [(needs, cells) for needs, cells in rest if cells]
    jobs = (SpecJob(f"spec_{k}", cells, needs) for k, (needs, cells) in enumerate(found, 1))
    return SpecJobs(tuple(jobs), frozenset(alone))


def write_planned(plan: Plan, jobs: Iterable[SpecJob], folder: Path) -> None:
    """Leave the specifications of jobs in `folder`, from where the jobs publish them.

    Reading the study again inside a job would record one that was edited in the meantime, and a
    command line is too short for a hundred of them. Names of cells hold their content's hash, so a
    file that is already there is right.
    """
    for job in jobs:
        if not (folder / job.planned).exists():
            specs = {name: plan.cells[name].spec for name in job.cells}
            write_text(folder / job.planned, json.dumps(specs))


def _digest(name: str) -> str:
    return name.rpartition("-")[2]
