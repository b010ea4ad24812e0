"""Which jobs of a plan's cells Snakemake would run, by Snakemake's own rules.

A job runs if a requested file is missing, if an input is newer than its outputs, or if a job before
it runs. An ``ancient`` input counts only while it is missing: so a training follows its
specification's job only if there is no spec.json, and the specifications of one job are all written
again if one of them is missing, or something that they wait for.
tests/workflow/test_plan.py compares this with what Snakemake says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from transfergrid.commands.compared import due_stored
from transfergrid.commands.memory import Memory, modified
from transfergrid.planning.cells import Cell
from transfergrid.planning.outputs import SCORES, map_of
from transfergrid.planning.paths import (
    RESULTS,
    cache_directory,
    cell_directory,
    features_directory,
    tuning_file,
    weights_directory,
)
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import KEPT, RECORD, SPEC, TRAINED
from transfergrid.planning.specs import SpecJobs, sources_of, spec_jobs, untrained


@dataclass
class Jobs:
    """The jobs that would run: ids of data sets, weights and tunings, names of cells.

    Attributes:
        files: For each cell, when each file in its folder was changed, in ns.
        prepare: Data sets that are decoded.
        weights: Weights that are prepared.
        features: Features of frozen layers that are computed.
        written: Which jobs may write specifications.
        specs: Cells whose spec.json is written.
        trains: Cells that are trained.
        restores: Files of trained cells that are restored from their copy.
        scores: Cells that are scored; trials of learning rates never are.
        tunes: Tunings that choose a learning rate.
        maps: By study, cells whose class activation maps are made.
        stored: By study, states of networks whose activations are stored, and measurements of
            weights that are made.
    """

    files: Mapping[str, Mapping[str, int]]
    prepare: set[str] = field(default_factory=set)
    weights: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)
    specs: set[str] = field(default_factory=set)
    trains: set[str] = field(default_factory=set)
    restores: set[str] = field(default_factory=set)
    scores: set[str] = field(default_factory=set)
    tunes: set[str] = field(default_factory=set)
    maps: dict[str, set[str]] = field(default_factory=dict)
    stored: dict[str, set[str]] = field(default_factory=dict)
    written: SpecJobs = field(default_factory=SpecJobs)

    @property
    def spec_jobs(self) -> int:
        """How many jobs write the specifications in `specs`."""
        return len({self.written.job_of[cell] for cell in self.specs})


def planned_jobs(plan: Plan, results: Path = RESULTS, memory: Memory | None = None) -> Jobs:
    """Return the jobs of the plan's cells that Snakemake would run."""
    memory = memory or Memory()
    room = results / "cells"
    on_disk = set(os.listdir(room)) if room.is_dir() else set()
    jobs = Jobs({name: _files(room / name) if name in on_disk else {} for name in plan.cells})
    jobs.written = spec_jobs(plan, untrained(plan, lambda cell, file: file in jobs.files[cell]))
    stamp = results / "stamps" / plan.evaluate_stamp[0]
    stamp_time = modified(stamp)
    for name, files in jobs.files.items():
        folder = cell_directory(name, results)
        if name in jobs.written.job_of and (
            SPEC not in files or memory.incomplete(str(folder / SPEC))
        ):
            jobs.specs.add(name)
        if (
            SPEC not in files
            or RECORD not in files
            or any(memory.incomplete(str(folder / file)) for file in (RECORD, TRAINED))
        ):
            jobs.trains.add(name)
        if RECORD in files:
            jobs.restores |= {f"cells/{name}/{kept}" for kept in KEPT if kept not in files}
        if plan.cells[name].trial:
            continue
        if name in jobs.trains or _is_scored(folder, files, stamp, stamp_time, memory):
            jobs.scores.add(name)
    for tuning_id in plan.tunings:
        made = tuning_file(tuning_id, results)
        if not made.exists() or memory.incomplete(str(made)):
            jobs.tunes.add(tuning_id)
    for name, study in plan.studies.items():
        jobs.maps[name] = {c.name for c in study.cam_cells if _is_mapped(study, c, results, memory)}
    _spread(plan, jobs, results, memory)
    return jobs


def _spread(plan: Plan, jobs: Jobs, results: Path, memory: Memory) -> None:
    """Add the jobs that follow from others, until none is added."""
    missing = _missing_inputs(plan, jobs, results)
    scored = {name for name, cell in plan.cells.items() if not cell.trial}
    size = -1
    while size != (size := _size(jobs)):
        for name, study in plan.studies.items():
            jobs.stored[name] = due_stored(study, jobs, results, memory)
        _prepared_for_stored(plan, jobs, results)
        wanted = jobs.scores.union(*jobs.maps.values(), _trained_for_stored(plan, jobs, results))
        jobs.trains |= {name for name in wanted if TRAINED not in jobs.files[name]}
        for name in jobs.specs:
            inputs = missing[name]
            jobs.prepare |= inputs.prepare
            jobs.weights |= inputs.weights
            jobs.features |= inputs.features
            jobs.trains |= inputs.trains
        jobs.scores |= jobs.trains & scored
        for name, study in plan.studies.items():
            jobs.maps[name] |= {c.name for c in study.cam_cells if c.name in jobs.trains}
        jobs.tunes |= {
            tuning_id
            for tuning_id, tuning in plan.tunings.items()
            if any(t in jobs.trains and RECORD not in jobs.files[t] for t in tuning.trials.values())
        }
        jobs.specs |= {
            name
            for name, inputs in missing.items()
            if inputs.prepare & jobs.prepare
            or inputs.weights & jobs.weights
            or inputs.features & jobs.features
            or inputs.trains & jobs.trains
            or inputs.tunes & jobs.tunes
        }
        begun = {jobs.written.job_of[name] for name in jobs.specs}
        jobs.specs |= {
            name for job in jobs.written.together if job.rule in begun for name in job.cells
        }


def _size(jobs: Jobs) -> int:
    rooms = [jobs.specs, jobs.trains, jobs.scores, jobs.prepare, jobs.weights, jobs.tunes]
    rooms.append(jobs.features)
    return sum(map(len, [*rooms, *jobs.maps.values(), *jobs.stored.values()]))


def _sources(plan: Plan, jobs: Jobs, results: Path) -> list[tuple[str, str]]:
    """Return the room and the name of what states and measurements are made from.

    Images, released weights and source cells that are there count no more.
    """
    everything = plan.stored
    found: list[str] = []
    for name in set().union(*jobs.stored.values()):
        aged, trained = sources_of(everything[name])
        found += [*trained, *(mark for mark in aged if not (results / mark).exists())]
    return [(room, name) for room, name, *_ in (mark.split("/") for mark in found)]


def _trained_for_stored(plan: Plan, jobs: Jobs, results: Path) -> set[str]:
    """Return the cells whose checkpoints are needed for activations and measurements."""
    return {name for room, name in _sources(plan, jobs, results) if room == "cells"}


def _prepared_for_stored(plan: Plan, jobs: Jobs, results: Path) -> None:
    """Add the images and released weights that they need and that are not there."""
    rooms = {"cache": jobs.prepare, "weights": jobs.weights}
    for room, name in _sources(plan, jobs, results):
        if room in rooms:
            rooms[room].add(name)


def _missing_inputs(plan: Plan, jobs: Jobs, results: Path) -> dict[str, Jobs]:
    """Return, for each untrained cell, the jobs of what it waits for and is missing."""
    receipts: dict[Path, bool] = {}

    def gone(folder: Path) -> bool:
        if folder not in receipts:
            receipts[folder] = not (folder / "receipt.json").exists()
        return receipts[folder]

    def of(cell: Cell) -> Jobs:
        found = Jobs({})
        if gone(cache_directory(cell.dataset_id, results)):
            found.prepare.add(cell.dataset_id)
        if cell.weights_id and gone(weights_directory(cell.weights_id, results)):
            found.weights.add(cell.weights_id)
        if cell.source_cell and TRAINED not in jobs.files[cell.source_cell]:
            found.trains.add(cell.source_cell)
        made_anew = found.prepare or found.weights or found.trains
        for name in cell.features:
            if made_anew or gone(features_directory(name, results)):
                found.features.add(name)
        if cell.tuning and not tuning_file(cell.tuning.id, results).exists():
            found.tunes.add(cell.tuning.id)
        return found

    return {name: of(plan.cells[name]) for name in jobs.written.job_of}


def _files(folder: Path) -> dict[str, int]:
    """Return when every file that tells a cell's state was changed, in ns."""
    found = {}
    for part in ("", "receipts/", "scores/"):
        try:
            with os.scandir(folder / part) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # of a job at work, written aside until now
                        if entry.is_file():
                            found[part + entry.name] = entry.stat().st_mtime_ns
        except OSError:
            continue
    return found


def _is_mapped(study: PlannedStudy, cell: Cell, results: Path, memory: Memory) -> bool:
    """Tell whether maps of a cell would be made, whatever becomes of the training."""
    stamp = results / "stamps" / study.stamps["cams"][0]
    made = map_file(study.name, cell.name, results)
    if not stamp.exists() or not made.exists() or memory.incomplete(str(made)):
        return True
    receipt = cell_directory(cell.name, results) / TRAINED
    return bool(memory.updated([str(receipt), str(stamp)], [str(made)]))


def map_file(study: str, cell: str, results: Path) -> Path:
    """Return the file of a cell's class activation maps in a study."""
    return results / map_of(study, cell)


def _is_scored(
    folder: Path,
    files: Mapping[str, int],
    stamp: Path,
    stamp_time: int | None,
    memory: Memory,
) -> bool:
    """Tell whether scores would be made, whatever becomes of the training."""
    if stamp_time is None or any(name not in files for name in SCORES):
        return True
    outputs = [str(folder / name) for name in SCORES]
    if any(map(memory.incomplete, outputs)):
        return True
    newest = max(stamp_time, files.get(TRAINED, 0))
    if newest <= min(files[name] for name in SCORES):
        return False
    return bool(memory.updated([str(folder / TRAINED), str(stamp)], outputs))
