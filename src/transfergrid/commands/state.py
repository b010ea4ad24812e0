"""What is on disk for each cell of a plan, and which of its jobs Snakemake would run.

Only names, times and, if a cell is not finished, the ends of its logs are read; nothing is locked
or written, so it can be called at any time, even during a run.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from transfergrid.commands.jobs import Jobs, planned_jobs
from transfergrid.commands.live import error_line, is_alive, read_told
from transfergrid.commands.reasons import read_json_or_none
from transfergrid.planning.cell_names import place_of
from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.plan import Plan
from transfergrid.planning.records import RECORD, SCORED, STATE, TRAINED
from transfergrid.runtime.live import FILE


class Status(StrEnum):
    """One word for a cell; the order is that of tables."""

    DONE = "done"
    DIVERGED = "diverged"
    RUNNING = "running"
    UNSCORED = "needs scoring"
    FREED = "weights freed"
    STALE = "stale"
    STOPPED = "stopped"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class CellState:
    """One cell of the plan as it stands on disk.

    Attributes:
        cell: Its name.
        status: One word for it.
        specs: Snakemake would write its spec.json.
        trains: Snakemake would train it.
        scores: Snakemake would score it.
        freed: It was trained, and `prune --checkpoints` has removed its weights since.
        predecessors: Trained cells at the same place on the axes that the plan does not name.
        share_done: Share of a running or stopped training that is done, in [0, 1].
        message: Last line of the log that ends in an error.
        log: That log.
    """

    cell: str
    status: Status
    specs: bool = False
    trains: bool = False
    scores: bool = False
    freed: bool = False
    predecessors: tuple[str, ...] = ()
    share_done: float = 0.0
    message: str = ""
    log: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.status in (Status.DONE, Status.DIVERGED)


def cell_states(
    plan: Plan, results: Path = RESULTS, jobs: Jobs | None = None
) -> dict[str, CellState]:
    """Return the state of every cell of the plan by name.

    Args:
        plan: The plan.
        results: The folder of results.
        jobs: What `planned_jobs` returned, if it was already called.
    """
    jobs = jobs or planned_jobs(plan, results)
    others = _by_place(name for name in folders(results / "cells") if name not in plan.cells)
    states = {}
    for name, files in jobs.files.items():
        state = CellState(
            name,
            Status.DONE,
            specs=name in jobs.specs,
            trains=name in jobs.trains,
            scores=name in jobs.scores,
            freed=RECORD in files and TRAINED not in files,
        )
        done = RECORD if plan.cells[name].trial else SCORED
        states[name] = _named(state, cell_directory(name, results), files, others, done)
    return states


def folders(room: Path) -> dict[str, Path]:
    """Return the folders in a folder by name; empty if there is no such folder.

    Hidden ones are left out: a writer may be filling them.
    """
    try:
        with os.scandir(room) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            return {e.name: Path(e.path) for e in shown if e.is_dir(follow_symlinks=False)}
    except OSError:
        return {}


def _by_place(names: Iterator[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[place_of(name)].append(name)
    return found


def _named(
    state: CellState,
    folder: Path,
    files: Mapping[str, int],
    others: Mapping[str, list[str]],
    done: str,
) -> CellState:
    if not (state.trains or state.scores):
        record = read_json_or_none(folder / done)
        diverged = isinstance(record, dict) and record.get("status") == "diverged"
        return replace(state, status=Status.DIVERGED if diverged else Status.DONE)
    told = read_told(folder / FILE) if files else None
    if told is not None:
        if state.trains and told.stage == "train" and told.step and told.steps:
            state = replace(state, share_done=told.step / told.steps)
        if is_alive(told, time.time()):
            return replace(state, status=Status.RUNNING)
    log = folder / "logs" / ("train.log" if state.trains else "evaluate.log")
    message = error_line(log) if files else ""
    if message or (told is not None and told.ended == "failed"):
        message = message or "no reason was logged"
        return replace(state, status=Status.FAILED, message=message, log=str(log))
    if not state.trains:
        return replace(state, status=Status.UNSCORED)
    if state.freed:
        return replace(state, status=Status.FREED)
    trained = tuple(
        name
        for name in others.get(place_of(state.cell), ())
        if os.path.exists(folder.with_name(name) / RECORD)
    )
    state = replace(state, predecessors=trained)
    if STATE in files:
        return replace(state, status=Status.STOPPED)
    return replace(state, status=Status.STALE if trained else Status.MISSING, share_done=0.0)
