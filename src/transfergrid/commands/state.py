"""What stands on disk for each cell of a plan, and which of its jobs Snakemake would run.

Only names, times and, where a cell is not finished, the ends of its logs are read; nothing is
locked or written, so it may be asked at any time, also while a run is going on.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from transfergrid.commands.jobs import RECORD, SCORED, STATE, TRAINED, Jobs, planned_jobs
from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.plan import Plan

SILENT_SECONDS = 120
"""A job on another host that has written nothing for this long is taken for dead."""
TAIL_BYTES = 8192
_ERROR = re.compile(r"error: |([A-Za-z_][\w.]*\.)?[A-Z]\w*(Error|Exception|Exit)\b")


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
        predecessors: Trained cells of the same place on the axes that the plan does not name.
        progress: Share of a running or stopped training that is done, in [0, 1].
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
    progress: float = 0.0
    message: str = ""
    log: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.status in (Status.DONE, Status.DIVERGED)


@dataclass(frozen=True)
class Runner:
    """What progress.jsonl tells of the latest job of a cell.

    Attributes:
        alive: Whether the job still runs, as far as can be told from here.
        stage: ``train`` or ``evaluate``.
        ended: The status that it ended with, or None.
        progress: Share of its steps done, in [0, 1].
    """

    alive: bool
    stage: str
    ended: str | None
    progress: float


def cell_states(
    plan: Plan, results: Path = RESULTS, jobs: Jobs | None = None
) -> dict[str, CellState]:
    """Return the state of every cell of the plan by name.

    Args:
        plan: The plan.
        results: The folder of results.
        jobs: What `planned_jobs` gave, if it was asked already.
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
        states[name] = _named(state, cell_directory(name, results), files, others)
    return states


def folders(room: Path) -> dict[str, Path]:
    """Return the folders in a folder by name; none where there is no such folder."""
    try:
        with os.scandir(room) as entries:
            return {e.name: Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)}
    except OSError:
        return {}


def place(cell: str) -> str:
    """Return a cell's name without its hash: its place on the axes."""
    return cell.rpartition("-")[0]


def _by_place(names: Iterator[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[place(name)].append(name)
    return found


def _named(
    state: CellState, folder: Path, files: Mapping[str, int], others: Mapping[str, list[str]]
) -> CellState:
    if not (state.trains or state.scores):
        diverged = b'"diverged"' in (folder / SCORED).read_bytes()
        return replace(state, status=Status.DIVERGED if diverged else Status.DONE)
    runner = read_runner(folder) if files else None
    if runner is not None:
        share = runner.progress if runner.stage == "train" else 1.0
        state = replace(state, progress=share if state.trains else 0.0)
        if runner.alive:
            return replace(state, status=Status.RUNNING)
    failure = _failure(folder, state.trains, runner) if files else None
    if failure:
        log, message = failure
        return replace(state, status=Status.FAILED, message=message, log=log)
    if not state.trains:
        return replace(state, status=Status.UNSCORED)
    if state.freed:
        return replace(state, status=Status.FREED)
    trained = tuple(
        name
        for name in others.get(place(state.cell), ())
        if os.path.exists(folder.with_name(name) / RECORD)
    )
    state = replace(state, predecessors=trained)
    if STATE in files:
        return replace(state, status=Status.STOPPED)
    return replace(state, status=Status.STALE if trained else Status.MISSING, progress=0.0)


def _failure(folder: Path, trains: bool, runner: Runner | None) -> tuple[str, str] | None:
    """Return the log that ends in an error, and its last line."""
    log = folder / "logs" / ("train.log" if trains else "evaluate.log")
    lines = tail(log)
    last = lines[-1].strip() if lines else ""
    failed = runner is not None and runner.ended == "failed"
    if failed or _ERROR.match(last):
        return str(log), last or "the log is empty"
    return None


def read_runner(folder: Path) -> Runner | None:
    """Return what a cell's progress.jsonl tells, or None where there is none to read."""
    path = folder / "logs" / "progress.jsonl"
    try:
        with open(path, encoding="utf-8") as file:
            start = json.loads(file.readline())
        age = time.time() - path.stat().st_mtime
        pid, host, stage = int(start["pid"]), str(start["host"]), str(start["stage"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    events = list(_events(tail(path)))
    end = next((event for event in events if event.get("event") == "end"), None)
    steps = [event for event in events if event.get("event") == "step" and event.get("steps")]
    share = steps[-1]["step"] / steps[-1]["steps"] if steps else 0.0
    if end is not None:
        return Runner(False, stage, str(end.get("status")), share)
    here = host == platform.node()
    alive = is_alive(pid, float(start.get("time", 0))) if here else age <= SILENT_SECONDS
    return Runner(alive, stage, None, share)


def _events(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut off at the tail's beginning, or being written
        if isinstance(event, dict):
            yield event


def is_alive(pid: int, since: float) -> bool:
    """Tell whether a process of this host, which ran at the Unix time `since`, still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = float(Path("/proc/stat").read_text().split("btime ")[1].split()[0])
    except (OSError, IndexError, ValueError):
        return True  # no Linux: the number is all there is to go by
    # A dead process that nobody has waited for keeps its number, and a new one may take it.
    started = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] != "Z" and started <= since + 2


def tail(path: Path, size: int = TAIL_BYTES) -> list[str]:
    """Return the last lines of a text file that are not blank; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]
