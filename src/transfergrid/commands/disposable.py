"""Finds what can be removed from results/, and removes it whole, under its users' locks."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transfergrid.catalog.stages import STAGE
from transfergrid.commands.jobs import planned_jobs
from transfergrid.commands.live import is_alive, read_told
from transfergrid.commands.memory import Memory
from transfergrid.commands.reasons import read_json_or_none
from transfergrid.commands.removal import leftovers, remove_leftover, remove_path, size_of
from transfergrid.commands.state import (
    CellState,
    Status,
    cell_states,
    folders,
)
from transfergrid.planning.ids import (
    CELL,
    DATASET_ID,
    FEATURES_ID,
    STATE_ID,
    TUNING_ID,
    WEIGHING_ID,
    WEIGHTS_ID,
)
from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import SCORED, TRAINED
from transfergrid.planning.shards import SPLITS
from transfergrid.planning.stamps import LOCATION, stamps_in
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.live import FILE
from transfergrid.runtime.locks import exclusive

ROOMS_OF_IDS = {
    "cache": DATASET_ID,
    "weights": WEIGHTS_ID,
    "features": FEATURES_ID,
    "activations": STATE_ID,
    "weighings": WEIGHING_ID,
    "tuning": TUNING_ID,
}
"""The form of the ids in each folder of what cells share."""
SELECTION = r"last|best|top\d+(_per_task)?"
LEFTOVER = "leftover"
"""The kind of what a killed writer left."""
_LOCKED = "a run of Snakemake names it (if that run was killed: snakemake --unlock)"
_BUSY = "another process uses it"


@dataclass(frozen=True)
class Item:
    """One thing that can be removed.

    Attributes:
        kind: What it is, in one word.
        name: Its name.
        paths: Files and folders to remove, in this order.
        lock: The lock that its users hold, or None.
        in_use: Why it has to stay for now; empty if it can be removed.
    """

    kind: str
    name: str
    paths: tuple[Path, ...]
    lock: Path | None = None
    in_use: str = ""

    @property
    def size(self) -> int:
        """The size of all its files in bytes."""
        return sum(size_of(path) for path in self.paths)


def unnamed(plan: Plan, results: Path = RESULTS, memory: Memory | None = None) -> list[Item]:
    """Return everything under `results` that the plan's studies do not name and nothing needs."""
    locked = _in_locks(memory or Memory(), results)
    items = list(_cell_items(plan, results, locked))
    used = _used_by([item.name for item in items if item.in_use], results)
    items = [_kept(item) if item.name in used else item for item in items]
    ids = {cell.dataset_id for cell in plan.cells.values()} | used
    ids |= {name for cell in plan.cells.values() for name in cell.features} | set(plan.stored)
    ids |= {one.dataset_id for one in plan.weighings.values() if one.dataset_id}
    ids |= {cell.weights_id for cell in plan.cells.values() if cell.weights_id} | set(plan.tunings)
    for kind, pattern in ROOMS_OF_IDS.items():
        items += _shared_items(kind, results / kind, pattern, ids, locked)
    for study in plan.studies.values():
        items += _ensemble_items(study, results, locked)
    items += _origin_items(results, ids, locked)
    items += _note_items(results, ids | locked | set(plan.notes))
    items += _stamp_items(plan, results)
    gone = {path for item in items for path in item.paths}
    left = leftovers(results, gone, locked)
    return items + [Item(LEFTOVER, str(path.relative_to(results)), (path,)) for path in left]


def finished_checkpoints(
    plan: Plan, results: Path = RESULTS, memory: Memory | None = None
) -> list[Item]:
    """Return the weights of finished cells of the plan that no unfinished cell starts from."""
    memory = memory or Memory()
    states = cell_states(plan, results, planned_jobs(plan, results, memory))
    locked = _in_locks(memory, results)
    needed = _sources_needed(plan, states, results)
    items = []
    for name, state in states.items():
        folder = cell_directory(name, results)
        if state.status is not Status.DONE or state.freed or folder.is_symlink():
            continue
        reason = _cell_in_use(folder, locked)
        if name in needed:
            reason = f"{needed[name]} starts from it and is not finished"
        # The receipt goes first: a kill between the two leaves a cell that is trained again if it
        # is needed, never one that is mistaken for complete.
        paths = (folder / TRAINED, folder / "checkpoints")
        items.append(Item("checkpoints", name, paths, folder / ".lock", reason))
    return items


def finished_features(
    plan: Plan, results: Path = RESULTS, memory: Memory | None = None
) -> list[Item]:
    """Return the stored features that no unfinished cell of the plan is trained on or scored by."""
    memory = memory or Memory()
    states = cell_states(plan, results, planned_jobs(plan, results, memory))
    locked = _in_locks(memory, results)
    needed = {
        features: name
        for name, cell in plan.cells.items()
        for features in cell.features
        if states[name].trains or states[name].scores
    }
    items = []
    for item in _shared_items("features", results / "features", FEATURES_ID, set(), locked):
        if item.name in plan.features:
            user = needed.get(item.name)
            reason = item.in_use or (f"{user} is not finished" if user else "")
            items.append(replace(item, in_use=reason))
    return items


def compared_activations(
    plan: Plan, results: Path = RESULTS, memory: Memory | None = None
) -> list[Item]:
    """Return the stored activations of the plan that no comparison waits for."""
    memory = memory or Memory()
    waiting = set().union(*planned_jobs(plan, results, memory).stored.values())
    needed = {
        state.id: study.name
        for study in plan.studies.values()
        for state in study.states
        if waiting & {other.id for other in study.states}
    }
    items = []
    locked = _in_locks(memory, results)
    for item in _shared_items("activations", results / "activations", STATE_ID, set(), locked):
        if item.name in plan.states:
            study = needed.get(item.name)
            reason = item.in_use or (f"{study} has not compared it" if study else "")
            items.append(replace(item, in_use=reason))
    return items


def _in_locks(memory: Memory, results: Path) -> set[str]:
    """Return names of cells, ids, and studies whose ensembles a Snakemake run has locked."""
    found = set()
    top = len(results.parts)
    for path in memory.locked:
        parts = Path(path).parts
        if parts[:top] != results.parts:
            continue
        inner = parts[top:]
        if len(inner) > 1:
            found.add(inner[1])
        if inner[1:2] == ("ensemble",) or inner[1:3] == ("receipts", "ensembles"):
            found.add(f"{inner[0]}/ensemble")
    return found


def _cell_in_use(folder: Path, locked: set[str]) -> str:
    told = read_told(folder / FILE)
    if told is not None and is_alive(told, time.time()):
        return "its job runs"
    return _LOCKED if folder.name in locked else ""


def _cell_items(plan: Plan, results: Path, locked: set[str]) -> Iterator[Item]:
    for name, folder in sorted(_room(results / "cells").items()):
        if name not in plan.cells and re.fullmatch(CELL, name):
            yield Item("cell", name, (folder,), folder / ".lock", _cell_in_use(folder, locked))


def _room(room: Path) -> dict[str, Path]:
    """Return the folders of a room; a room that is a link is not this run's to clear."""
    return {} if room.is_symlink() else folders(room)


def _kept(item: Item) -> Item:
    return replace(item, in_use=item.in_use or "a cell in use starts from it")


def _used_by(names: list[str], results: Path) -> set[str]:
    """Return the ids of data, weights, features and tunings, and the sources, that cells need."""
    used: set[str] = set()
    queue = list(names)
    while queue:
        spec = _spec(queue.pop(), results)
        weights = spec.get("weights") or {}
        parts = (spec.get("dataset") or {}, weights, spec.get("tuning") or {})
        used.update(part["id"] for part in parts if part.get("id"))
        used.update((spec.get("features") or {}).values())
        source = weights.get("source_cell")
        if source and source not in used:
            used.add(source)
            queue.append(source)
    return used


def _spec(name: str, results: Path) -> Mapping[str, Any]:
    spec = read_json_or_none(cell_directory(name, results) / "spec.json")
    return spec if isinstance(spec, dict) else {}


def _shared_items(
    kind: str, room: Path, pattern: str, ids: set[str], locked: set[str]
) -> Iterator[Item]:
    for name, folder in sorted(_room(room).items()):
        if name not in ids and re.fullmatch(pattern, name):
            paths = (folder, *(room / "logs" / f"{name}.{end}" for end in ("log", "tsv")))
            reason = _LOCKED if name in locked else ""
            # Readers of a learning rate read it once and take no lock.
            lock = None if kind == "tuning" else room / f".{name}.lock"
            yield Item(kind, name, paths, lock, reason)


def _ensemble_items(study: PlannedStudy, results: Path, locked: set[str]) -> Iterator[Item]:
    named = {cell.name for cell in study.targets}
    room, logs = results / study.name / "ensemble", results / study.name / "logs" / "ensemble"
    if room.parent.is_symlink():
        return
    reason = _LOCKED if f"{study.name}/ensemble" in locked else ""
    for cell, folder in sorted(_room(room).items()):
        if not re.fullmatch(CELL, cell):
            continue
        if cell not in named:
            found = (folder, *_logs_of(cell, logs))
            yield Item("ensemble", f"{study.name}/{cell}", found, in_use=reason)
            continue
        for selection, inner in sorted(folders(folder).items()):
            if selection not in study.selections and re.fullmatch(SELECTION, selection):
                found = (inner, *_logs_of(cell, logs, re.escape(selection)))
                yield Item("ensemble", f"{study.name}/{cell}/{selection}", found, in_use=reason)


def _logs_of(cell: str, room: Path, selection: str = SELECTION) -> list[Path]:
    """Return the logs of ensembles that were made again, or by an earlier version."""
    names = sorted(os.listdir(room)) if room.is_dir() else []
    pattern = re.compile(rf"{re.escape(cell)}\.({selection})(\.({'|'.join(SPLITS)}))?\.log")
    return [room / name for name in names if pattern.fullmatch(name)]


def _origin_items(results: Path, needed: set[str], locked: set[str]) -> Iterator[Item]:
    """Yield records of images for data sets that no cell has; cells keep them beyond the cache."""
    room = results / "origins"
    if room.is_symlink() or not room.is_dir():
        return
    for path in sorted(room.iterdir()):
        known = path.suffix == ".parquet" and re.fullmatch(DATASET_ID, path.stem)
        if known and path.stem not in needed:
            reason = _LOCKED if path.stem in locked else ""
            yield Item("origin", path.stem, (path,), in_use=reason)


def _note_items(results: Path, needed: set[str]) -> Iterator[Item]:
    room = results / "stamps"
    if room.is_symlink():
        return
    for name, path in stamps_in(room):
        if name.stage == LOCATION and name.owner not in needed and path.name not in needed:
            yield Item("note", path.name, (path,))


def _stamp_items(plan: Plan, results: Path) -> Iterator[Item]:
    """Yield stamps of the plan's studies for stages that no study has any more."""
    room = results / "stamps"
    if room.is_symlink():
        return
    for name, path in stamps_in(room):
        if name.owner in plan.studies and name.stage not in (*STAGE, LOCATION):
            yield Item("stamp", path.name, (path,))


def _sources_needed(plan: Plan, states: Mapping[str, CellState], results: Path) -> dict[str, str]:
    """Return, for each source cell, an unfinished cell of any study that starts from it."""
    needed, tried = {}, _tried(results)
    for name, cell in plan.cells.items():
        if cell.source_cell and states[name].trains:
            needed[cell.source_cell] = name
    for name, folder in _room(results / "cells").items():
        if name not in plan.cells and name not in tried and not (folder / SCORED).exists():
            source = (_spec(name, results).get("weights") or {}).get("source_cell")
            if source:
                needed.setdefault(source, name)
    return needed


def _tried(results: Path) -> set[str]:
    """Return the trials by which learning rates were chosen: they are trained and never scored."""
    found = [read_json_or_none(path) for path in (results / "tuning").glob("*/tuning.json")]
    rows = [row for tuning in found for row in (tuning or {}).get("trials", {}).values()]
    return {row["cell"] for row in rows}


def remove(item: Item) -> str:
    """Remove a thing under its lock; return why it was left alone, or an empty string."""
    if item.kind == LEFTOVER:
        return "" if all([remove_leftover(path) for path in item.paths]) else _BUSY
    try:
        with exclusive(item.lock, _BUSY) if item.lock else contextlib.nullcontext():
            for path in item.paths:
                remove_path(path)
    except UserError as error:
        if str(error) != _BUSY:
            raise
        return _BUSY
    return ""
