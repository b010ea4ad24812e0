"""Which of a study's later stages are stale (ensembles to report), and why."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from transfergrid.commands.jobs import map_file
from transfergrid.commands.memory import Memory
from transfergrid.commands.reasons import read_json_or_none, stage_phrases
from transfergrid.commands.state import CellState
from transfergrid.planning.outputs import ensemble_of, stage_files
from transfergrid.planning.paths import RESULTS, cell_directory, ensemble_directory
from transfergrid.planning.plan import STAGES, Plan, PlannedStudy
from transfergrid.planning.records import SCORED
from transfergrid.planning.stamps import replaced_by

AFTER = {
    "tables": "ensemble",
    "statistics": "tables",
    "figures": "statistics",
    "panels": "cams",
    "report": "figures",
}
"""The stage that each one follows."""


@dataclass(frozen=True)
class StageState:
    """One stage of a study.

    Attributes:
        stage: Its name.
        jobs: How many of its jobs Snakemake would run.
        reasons: Why, in words; empty where it only follows what is redone before it.
    """

    stage: str
    jobs: int
    reasons: tuple[str, ...]


def stage_states(
    study: PlannedStudy,
    cells: Mapping[str, CellState],
    results: Path = RESULTS,
    memory: Memory | None = None,
    maps: Set[str] = frozenset(),
) -> list[StageState]:
    """Return the state of every stage of a study, in their order.

    Args:
        study: The study.
        cells: The state of its cells by name.
        results: The folder of results.
        memory: What Snakemake remembers.
        maps: Cells whose class activation maps are made.
    """
    memory = memory or Memory()
    states: dict[str, StageState] = {}
    for stage in _stages(study):
        name, content = study.stamps[stage]
        stamp = results / "stamps" / name
        reasons = [] if stamp.exists() else _stamp_reasons(stamp, content)
        if stage == "ensemble":
            jobs = _ensemble_jobs(study, cells, stamp, results, memory)
        elif stage == "cams":
            jobs = len(maps)
        else:
            before = states[AFTER[stage]].jobs or (
                stage == "tables" and any(cells[cell.name].scores for cell in study.scored)
            )
            before = before or (stage == "report" and "panels" in states and states["panels"].jobs)
            missing = _missing(study, stage, results, memory)
            if missing and not reasons:
                reasons = missing
            jobs = int(bool(before or reasons or _updated(study, stage, stamp, results, memory)))
        if jobs and not reasons:
            follows = stage in AFTER and states[AFTER[stage]].jobs
            first = stage in ("ensemble", "cams")
            reasons = [] if follows or first else ["what it is made of changed"]
        states[stage] = StageState(stage, jobs, tuple(reasons))
    return list(states.values())


def _stages(study: PlannedStudy) -> tuple[str, ...]:
    """Return the stages of a study, each after those that it follows."""
    maps = ("cams", "panels") if study.cam_cells else ()
    return (*STAGES[:-1], *maps, STAGES[-1])


def evaluation_reason(plan: Plan, results: Path = RESULTS) -> str | None:
    """Say why scores would be made again for all cells, or None where their stamp is there."""
    stamp = results / "stamps" / plan.evaluate_stamp[0]
    if stamp.exists() or not earlier_stamps(stamp):
        return None
    return "evaluation code changed"


def earlier_stamps(stamp: Path) -> list[Path]:
    """Return the stamps on disk that a planned one replaces, the newest last."""
    return sorted(replaced_by(stamp), key=lambda path: path.stat().st_mtime_ns)


def _stamp_reasons(stamp: Path, content: Mapping[str, object]) -> list[str]:
    earlier = earlier_stamps(stamp)
    old = read_json_or_none(earlier[-1]) if earlier else None
    if not isinstance(old, dict):
        return ["not made yet"]
    return stage_phrases(old, content)


def _ensemble_jobs(
    study: PlannedStudy,
    cells: Mapping[str, CellState],
    stamp: Path,
    results: Path,
    memory: Memory,
) -> int:
    if not stamp.exists():
        return len(study.targets) * len(study.selections)
    stamp_time = stamp.stat().st_mtime_ns
    count = 0
    for cell in study.targets:
        receipt = cell_directory(cell.name, results) / SCORED
        newest = max(stamp_time, receipt.stat().st_mtime_ns) if receipt.exists() else stamp_time
        for selection in study.selections:
            made = ensemble_of(study.name, cell.name, selection)
            outputs = [results / name for name in made.files]
            count += bool(
                cells[cell.name].scores
                or _incomplete(outputs, memory)
                or (_oldest(outputs) < newest and _newer([receipt, stamp], outputs, memory))
            )
    return count


def _outputs(study: PlannedStudy, stage: str, results: Path) -> list[Path]:
    return [results / name for name in stage_files(study.name, stage)]


def _inputs(study: PlannedStudy, stage: str, results: Path) -> list[Path]:
    made = {name: _outputs(study, name, results) for name in AFTER}
    table = {path.stem: path for path in made["tables"] + made["statistics"]}
    if stage == "tables":
        scored = [cell_directory(cell.name, results) / SCORED for cell in study.scored]
        return scored + [
            ensemble_directory(study.name, cell.name, selection, results) / "test.parquet"
            for cell in study.targets
            for selection in study.selections
        ]
    maps = [map_file(study.name, cell.name, results) for cell in study.cam_cells]
    return {
        "statistics": [table["cells"]],
        "panels": maps,
        "figures": [
            table[n] for n in ("cells", "calibration", "contrasts", "correlations", "findings")
        ],
        "report": [
            *made["figures"],
            *(table[name] for name in ("sources", "bootstrap", "tuning", "calibration")),
            *(made["panels"] if maps else []),
        ],
    }[stage]


def _missing(study: PlannedStudy, stage: str, results: Path, memory: Memory) -> list[str]:
    outputs = _outputs(study, stage, results)
    gone = [p for p in outputs if not p.exists() or memory.incomplete(str(p))]
    return [f"{gone[0].relative_to(results)} is missing"] if gone else []


def _updated(study: PlannedStudy, stage: str, stamp: Path, results: Path, memory: Memory) -> bool:
    outputs = _outputs(study, stage, results)
    return _newer([stamp, *_inputs(study, stage, results)], outputs, memory)


def _newer(inputs: Sequence[Path], outputs: Sequence[Path], memory: Memory) -> bool:
    return bool(memory.updated(map(str, inputs), map(str, outputs)))


def _incomplete(outputs: Sequence[Path], memory: Memory) -> bool:
    return any(not path.exists() or memory.incomplete(str(path)) for path in outputs)


def _oldest(outputs: Sequence[Path]) -> int:
    return min(os.stat(path).st_mtime_ns for path in outputs if path.exists())
