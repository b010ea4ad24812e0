"""Which of a study's later stages are stale (ensembles to report), and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from transfergrid.catalog.records import Stage
from transfergrid.commands.memory import Memory, modified
from transfergrid.commands.reasons import read_json_or_none
from transfergrid.commands.stage_reasons import stage_phrases
from transfergrid.commands.state import CellState
from transfergrid.planning.outputs import files_of, inputs_of, of_study, shard_sources
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.stamps import replaced_by


@dataclass(frozen=True)
class StageState:
    """One stage of a study.

    Attributes:
        stage: Its name.
        jobs: How many of its jobs Snakemake would run.
        reasons: Why, in words; empty if it only follows what is redone before it.
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
    stored: Set[str] = frozenset(),
) -> list[StageState]:
    """Return the state of every stage of a study, in their order.

    Args:
        study: The study.
        cells: The state of its cells by name.
        results: The folder of results.
        memory: What Snakemake remembers.
        maps: Cells whose class activation maps are made.
        stored: States whose activations are stored, and measurements of weights that are made.
    """
    disk = _Disk(study, results, memory or Memory())
    scored = any(cells[cell.name].scores for cell in study.scored)
    made = {one.stage for one in study.stored if one.id in stored}
    states: dict[str, StageState] = {}
    for stage in study.stages:
        reasons = disk.stamp_reasons(stage)
        follows = any(states[name].jobs for name in stage.reads if name in states)
        if stage.per == "shard":
            jobs = disk.shard_jobs(stage, cells, stored)
        elif stage.per == "cell":
            jobs = len(maps)
        elif stage.per == "figure":
            jobs, reasons = disk.lost_figures(), ["lost"]
        else:
            reasons = reasons or disk.missing(stage)
            due = reasons or follows or ("evaluate" in stage.reads and scored)
            due = due or bool(made & {*stage.reads})
            jobs = int(bool(due or not disk.stamp(stage).exists() or disk.updated(stage)))
        if jobs and not reasons and not follows and stage.per == "study":
            reasons = ["its inputs changed"]
        states[stage.name] = StageState(stage.name, jobs, tuple(reasons))
    return list(states.values())


def evaluation_reason(plan: Plan, results: Path = RESULTS) -> str | None:
    """Say why all cells would be scored again, or None if their stamp is there."""
    stamp = results / "stamps" / plan.evaluate_stamp[0]
    if stamp.exists() or not earlier_stamps(stamp):
        return None
    return "evaluation code changed"


def earlier_stamps(stamp: Path) -> list[Path]:
    """Return the stamps on disk that a planned one replaces, the newest last."""
    # A run that has just published the new one removes them.
    times = {path: time for path in replaced_by(stamp) if (time := modified(path)) is not None}
    return sorted(times, key=times.__getitem__)


@dataclass(frozen=True)
class _Disk:
    """How the later stages of a study stand on disk."""

    study: PlannedStudy
    results: Path
    memory: Memory

    def stamp(self, stage: Stage) -> Path:
        """Return the stamp of a stage that has one."""
        return self.results / "stamps" / self.study.stamps[stage.name][0]

    def stamp_reasons(self, stage: Stage) -> list[str]:
        """Say what differs from the stage's stamp on disk; empty if it is as planned."""
        if not stage.code or self.stamp(stage).exists():
            return []
        earlier = earlier_stamps(self.stamp(stage))
        old = read_json_or_none(earlier[-1]) if earlier else None
        if not isinstance(old, dict):
            return ["not made yet"]
        return stage_phrases(old, self.study.stamps[stage.name][1])

    def shard_jobs(self, stage: Stage, cells: Mapping[str, CellState], stored: Set[str]) -> int:
        """Count the parts of the study whose ensembles would be made."""
        study, stamp = self.study, self.stamp(stage)
        if not stamp.exists():
            return len(study.shards)
        parts = (one for one in of_study(study, self.results) if one.rule == stage.rule_name)
        count = 0
        for part, (shard, names) in zip(parts, study.shards.items(), strict=True):
            mark, *others = (self.results / name for name in part.files)
            inputs = [self.results / name for name in shard_sources(study, shard)]
            count += bool(
                any(cells[name].scores or study.outlined.get(name) in stored for name in names)
                or self._gone([mark])
                or not all(path.exists() for path in others)
                or self._newer([*inputs, stamp], [mark])
            )
        return count

    def lost_figures(self) -> int:
        """Count the figures that were drawn and are gone."""
        made = (one for one in of_study(self.study, self.results) if one.rule == "figure")
        return len(self._gone([self.results / name for one in made for name in one.files]))

    def missing(self, stage: Stage) -> list[str]:
        """Name a stage's file that is missing, or was being written when its job was killed."""
        gone = self._gone(self._outputs(stage))
        return [f"{gone[0].relative_to(self.results)} is missing"] if gone else []

    def updated(self, stage: Stage) -> bool:
        """Tell whether something that a stage reads is newer than what it made."""
        inputs = [self.results / name for name in inputs_of(self.study, stage)]
        return self._newer([self.stamp(stage), *inputs], self._outputs(stage))

    def _outputs(self, stage: Stage) -> list[Path]:
        return [self.results / name for name in files_of(self.study.name, stage)]

    def _gone(self, paths: Sequence[Path]) -> list[Path]:
        return [p for p in paths if not p.exists() or self.memory.incomplete(str(p))]

    def _newer(self, inputs: Sequence[Path], outputs: Sequence[Path]) -> bool:
        return bool(self.memory.updated(map(str, inputs), map(str, outputs)))
