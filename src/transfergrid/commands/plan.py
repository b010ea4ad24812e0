"""transfergrid plan: what is done, what is stale and why, and what the rest will cost."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from transfergrid.catalog.stages import STAGE
from transfergrid.commands.costs import cost_lines
from transfergrid.commands.estimate import (
    too_few_patients,
)
from transfergrid.commands.jobs import Jobs, planned_jobs
from transfergrid.commands.memory import Memory
from transfergrid.commands.options import add_study_arguments, in_directory, plan_of
from transfergrid.commands.pace import Measured, measurements
from transfergrid.commands.reasons import Reasons, read_json_or_none
from transfergrid.commands.stages import StageState, evaluation_reason, stage_states
from transfergrid.commands.state import CellState, Status, cell_states
from transfergrid.commands.text import aligned, cells
from transfergrid.planning.cells import Cell
from transfergrid.planning.outputs import told_lost, wanted_files
from transfergrid.planning.paths import (
    RESULTS,
    cache_directory,
    cell_directory,
    features_directory,
    weights_directory,
)
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import RECORD, is_whole
from transfergrid.planning.rights import rights_warning
from transfergrid.runtime.errors import UserError, listed

MOST_LINES = 20
"""How many cells a list names one by one; the rest are counted."""
MOST_VALUES = 3
"""How many values of an axis are named to describe cells."""
_TELLING = ("protocol", "architecture", "pretraining", "dataset", "truncation", "seed", "fold")
"""The axes, in the order in which they are tried for telling cells apart."""
_SHOWN_ALWAYS = (Status.DONE, Status.STALE, Status.MISSING, Status.FAILED)


@dataclass(frozen=True)
class Survey:
    """A plan, and how everything in it stands on disk."""

    plan: Plan
    results: Path
    jobs: Jobs
    states: Mapping[str, CellState]
    stages: Mapping[str, Sequence[StageState]]
    measured: Sequence[Measured]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``transfergrid plan``."""
    add_study_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    with in_directory(arguments.directory):
        print("\n".join(report(survey(plan_of(arguments)))))
    return 0


def survey(plan: Plan, results: Path = RESULTS) -> Survey:
    """Look at everything that a plan names.

    Raises:
        UserError: A recipe asks for more patients than its data set has.
    """
    for study in plan.studies.values():
        if lacking := too_few_patients(study, results):
            raise UserError(lacking[0])
    memory = Memory()
    jobs = planned_jobs(plan, results, memory)
    states = cell_states(plan, results, jobs)
    stages = {
        name: stage_states(study, states, results, memory, jobs.maps[name], jobs.stored[name])
        for name, study in plan.studies.items()
    }
    return Survey(plan, results, jobs, states, stages, measurements(results))


def job_counts(seen: Survey) -> dict[str, int]:
    """Return how many jobs of each rule Snakemake would run; stamps, which cost nothing, aside."""
    jobs = seen.jobs
    counts = {
        "prepare": len(jobs.prepare),
        "weights": len(jobs.weights),
        "features": len(jobs.features),
        "spec": jobs.spec_jobs,
        "train": len(jobs.trains),
        "restore": len(jobs.restores),
        "tune": len(jobs.tunes),
        "evaluate": len(jobs.scores),
        **Counter(seen.plan.stored[one].stage for one in set().union(*jobs.stored.values())),
    }
    for stages in seen.stages.values():
        for stage in stages:
            rule = STAGE[stage.stage].rule_name
            counts[rule] = counts.get(rule, 0) + stage.jobs
    return {rule: count for rule, count in counts.items() if count}


def report(seen: Survey) -> list[str]:
    """Return the lines that the command prints."""
    lines: list[str] = []
    reasons = Reasons(seen.plan, seen.results)
    for study in seen.plan.studies.values():
        lines += _study_lines(seen, study, reasons)
    if len(seen.plan.studies) > 1:
        lines += _heading(f"all studies: {cells(len(seen.plan.cells))}, shared ones once")
        lines += _count_lines(seen.states.values())
    lost = told_lost(wanted_files(seen.plan, seen.results).lost, seen.results)
    lines += _heading("lost files") + [f"  {text}" for text in lost] if lost else []
    lines += _again_lines(seen)
    jobs = job_counts(seen)
    lines += _heading("what snakemake would run")
    lines += aligned([[rule, str(count)] for rule, count in jobs.items()]) or ["  nothing"]
    costs = cost_lines(seen)
    lines += _heading("what it costs") + costs if costs else []
    warnings = [*seen.plan.warnings, *_environment_warnings(seen), *_orphan_warnings(seen)]
    closed = rights_warning(seen.results)
    warnings += [closed] if closed else []
    lines += _heading("warnings") + [f"  {text}" for text in warnings] if warnings else []
    return lines[1:]


def _heading(text: str) -> list[str]:
    return ["", text]


def _study_lines(seen: Survey, study: PlannedStudy, reasons: Reasons) -> list[str]:
    states = [seen.states[cell.name] for cell in study.cells]
    trials = f", {len(study.trials)} of them trials of learning rates" if study.trials else ""
    lines = _heading(f"study {study.name} ({study.study.source}): {cells(len(states))}{trials}")
    lines += _count_lines(states)
    by_status: dict[Status, list[Cell]] = defaultdict(list)
    for cell, state in zip(study.cells, states, strict=True):
        by_status[state.status].append(cell)
    stale = by_status[Status.STALE] + [
        cell for cell in by_status[Status.STOPPED] if seen.states[cell.name].predecessors
    ]
    if stale:
        lines += _heading("  stale, and why") + _stale_lines(seen, study, stale, reasons)
    for status, title in (
        (Status.FREED, "weights were freed, so these are trained again before they are scored"),
        (Status.FAILED, "failed, with the last line of the log"),
    ):
        if by_status[status]:
            lines += _heading(f"  {title}") + _cell_lines(seen, by_status[status])
    why = evaluation_reason(seen.plan, seen.results)
    if by_status[Status.UNSCORED]:
        count = cells(len(by_status[Status.UNSCORED]))
        lines += _heading(f"  to be scored: {count}" + (f", because {why}" if why else ""))
    return lines + _stage_lines(seen.stages[study.name])


def _count_lines(states: Iterable[CellState]) -> list[str]:
    counts = Counter(state.status for state in states)
    rows = [
        [str(status), str(counts[status])]
        for status in Status
        if counts[status] or status in _SHOWN_ALWAYS
    ]
    return aligned(rows)


def _stale_lines(
    seen: Survey, study: PlannedStudy, stale: Sequence[Cell], reasons: Reasons
) -> list[str]:
    groups: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in stale:
        groups[reasons.of(cell, seen.states[cell.name].predecessors)].append(cell)
    lines = []
    for why, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines.append(f"    {describe(group, study.cells)}: {'; '.join(why)}")
    return lines


def describe(group: Sequence[Cell], all_cells: Sequence[Cell]) -> str:
    """Return words for some of a study's cells: their number, and the axes that set them apart."""
    if len(group) == 1:
        return group[0].name
    if len(group) == len(all_cells):
        return f"all {len(group)} cells"
    told: list[str] = []
    left = list(all_cells)
    for axis in _TELLING:
        here = list(dict.fromkeys(getattr(cell.point, axis) for cell in group))
        narrowed = [cell for cell in left if getattr(cell.point, axis) in here]
        if len(narrowed) == len(left) or len(here) > MOST_VALUES:
            continue
        if len(group) == sum(getattr(cell.point, axis) in here for cell in all_cells):
            told = []  # this axis alone says which
        told.append(f"{axis} {listed(here)}")
        left = narrowed
        if len(left) == len(group):
            break
    return cells(len(group)) + (f" of {', '.join(told)}" if told else "")


def _cell_lines(seen: Survey, some: Sequence[Cell]) -> list[str]:
    lines = []
    for cell in some[:MOST_LINES]:
        state = seen.states[cell.name]
        lines.append(f"    {cell.name}")
        if state.message:
            lines.append(f"      {state.message}  ({state.log})")
    left = len(some) - MOST_LINES
    return lines + ([f"    and {left} more"] if left > 0 else [])


def _stage_lines(stages: Sequence[StageState]) -> list[str]:
    rows = []
    due = {stage.stage: stage for stage in stages if stage.jobs}
    for name, stage in due.items():
        before = [due[read] for read in STAGE[name].reads if read in due]
        earlier = {reason for one in before for reason in one.reasons}
        new = [reason for reason in stage.reasons if reason not in earlier]
        if not new and not before:
            new = [
                "follows the trainings" if "train" in STAGE[name].reads else "follows the scores"
            ]
        # What another of them follows goes without saying.
        implied = {read for one in before for read in STAGE[one.stage].reads}
        nearest = [one.stage for one in before if one.stage not in implied]
        rows.append([name, "; ".join(new) or f"follows {listed(nearest)}"])
    if not rows:
        return _heading("  tables, figures and report are up to date")
    return _heading("  later stages to redo, and why") + aligned(rows, "    ")


def _again_lines(seen: Survey) -> list[str]:
    """Say what must be decoded or prepared, by a rule or by the first job that misses it."""
    needed = {f"data set {name} is decoded": None for name in sorted(seen.jobs.prepare)}
    needed |= {f"weights {name} are prepared": None for name in sorted(seen.jobs.weights)}
    read = [seen.plan.cells[name] for name in seen.jobs.scores | seen.jobs.trains]
    for dataset_id in sorted({cell.dataset_id for cell in read}):
        if not (cache_directory(dataset_id, seen.results) / "card.json").exists():
            needed[f"data set {dataset_id} is decoded"] = None
    begun = {seen.plan.cells[name].weights_id for name in seen.jobs.trains}
    for weights_id in sorted(filter(None, begun)):
        if not (weights_directory(weights_id, seen.results) / "proof.json").exists():
            needed[f"weights {weights_id} are prepared"] = None
    stored = {name for cell in read for name in cell.features}
    for name in sorted(
        seen.jobs.features
        | {n for n in stored if not is_whole(features_directory(n, seen.results))}
    ):
        needed[f"features {name} are computed"] = None
    if not needed:
        return []
    return _heading("to prepare first") + [f"  {text}" for text in needed]


def _environment_warnings(seen: Survey) -> list[str]:
    """Say which finished cells were trained with other versions or on other devices."""
    records = [
        read_json_or_none(cell_directory(name, seen.results) / RECORD)
        for name, state in seen.states.items()
        if state.finished
    ]
    devices: Counter[str] = Counter()
    packages: dict[str, Counter[str]] = {"torch": Counter(), "timm": Counter()}
    for record in records:
        if not isinstance(record, Mapping):
            continue
        devices[str(record.get("device"))] += 1
        recorded: Mapping[str, Any] = (record.get("environment") or {}).get("packages") or {}
        for package, versions in packages.items():
            if recorded.get(package):
                versions[recorded[package]] += 1
    found = []
    for package, versions in packages.items():
        now = _version(package)
        others = {version: count for version, count in versions.items() if version != now}
        if now and others:
            told = ", ".join(f"{cells(n)} with {package} {v}" for v, n in others.items())
            found.append(
                f"trained {told}, and {package} {now} is installed now: recorded, not part of a "
                "cell's identity"
            )
    if len(devices) > 1:
        told = ", ".join(f"{name} ({cells(count)})" for name, count in devices.most_common())
        found.append(f"finished cells were trained on {told}: their numbers differ in last digits")
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _orphan_warnings(seen: Survey) -> list[str]:
    """Say which cells wait for freed weights that no job would bring back."""
    found = []
    for name, cell in seen.plan.cells.items():
        state, source = seen.states[name], cell.source_cell
        if source is None or not state.trains or state.specs:
            continue
        if seen.states[source].freed and not seen.states[source].trains:
            found.append(
                f"{name} starts from the weights of {source}, which were freed; delete "
                f"{cell_directory(name, seen.results)} and they will be trained again first."
            )
    return found
