"""What networks score on some of their test studies: with folds, with seeds, by any metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.data.columns import Column, Grouped, read_grouped
from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.influence import Influence
from transfergrid.metrics.intervals import Interval
from transfergrid.metrics.scoring import WHOLE, Scorer
from transfergrid.planning.notes import known_note
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables.cell_work import cell_work
from transfergrid.reporting.tables.crossed import RunWork, run_work
from transfergrid.reporting.tables.scored import cases_of, data_flags, operating_points
from transfergrid.statistics.conditions import folded
from transfergrid.statistics.groups import Seeds
from transfergrid.statistics.multiplicity import holm_once
from transfergrid.statistics.named import ONE_SEED
from transfergrid.statistics.pooled import pool
from transfergrid.statistics.pooled_intervals import FoldedCases, pooled_intervals
from transfergrid.statistics.scale import OPERATING_POINTS

Masks = Mapping[str, NDArray[np.bool_]]
"""By fold, which of its test studies are of a group."""


@dataclass(frozen=True)
class Arm:
    """The seeds of one network on one data set, with the groups of its studies.

    Attributes:
        runs: The runs that have been scored, one for each seed.
        grouped: Which group each study is in.
    """

    runs: tuple[RunWork, ...]
    grouped: Grouped

    @property
    def place(self) -> dict[str, Any]:
        """What the seeds share."""
        return {axis: self.runs[0].run.entry[axis] for axis in PLACE}

    @property
    def selection(self) -> str:
        """The primary selection."""
        return self.runs[0].first.selections[0]

    @property
    def about(self) -> list[str]:
        """What holds of every number on the data set, as flags."""
        first = self.runs[0].first
        return data_flags(read_card(first.entry, first.results) or {})

    def given(self, seeds: int, thresholds: bool = False) -> str:
        """Return what an interval takes as given.

        Args:
            seeds: Seeds in the value.
            thresholds: Whether the metric has operating points.
        """
        run = self.runs[0]
        found = [ONE_SEED] if seeds == 1 else []
        found += [OPERATING_POINTS] if thresholds else []
        if run.run.crossed:
            found.append(folded(len(run.cells), run.first.folds or len(run.cells)))
        return "; ".join(found)

    def folds(self, part: Part | None, task: str) -> int | None:
        """Return the folds in a value; None where there are no folds."""
        return part.n_folds.get(task) if part and self.runs[0].run.crossed else None


def arms_of(study: Mapping[str, Any], results: Path) -> list[Arm]:
    """Return the scored networks of a study whose data sets have groups.

    Raises:
        UserError: A data set's tables lack a column.
    """
    arms: dict[tuple[Any, ...], list[RunWork]] = {}
    for run in run_work(cell_work(study, results)):
        if run.run.entry["dataset_id"] in study["subgroups"] and run.scored(
            run.first.selections[0]
        ):
            arms.setdefault(tuple(run.run.entry[axis] for axis in PLACE), []).append(run)
    ids = dict.fromkeys(str(runs[0].run.entry["dataset_id"]) for runs in arms.values())
    grouped = {name: _grouped(name, study["subgroups"][name], results) for name in ids}
    return [Arm(tuple(runs), grouped[runs[0].run.entry["dataset_id"]]) for runs in arms.values()]


def _grouped(dataset: str, asked: list[Mapping[str, Any]], results: Path) -> Grouped:
    note = known_note(dataset, results)
    return read_grouped(note["declaration"], Path(note["root"]) if note["root"] else None, asked)


@dataclass(frozen=True)
class Part:
    """What one seed scores on some of its test studies.

    Attributes:
        intervals: By task, and under `WHOLE`, its value by patient.
        wide: The same at the level that holds for all pairs of groups at once.
        influences: The same with the contributions of patients; none of a seed that diverged.
        n_folds: By task the folds in the value.
    """

    intervals: Mapping[str, Interval]
    wide: Mapping[str, Interval]
    influences: Mapping[str, Influence]
    n_folds: Mapping[str, int]

    def has(self, task: str) -> bool:
        """Tell whether there is a value."""
        return task in self.influences and not np.isnan(self.influences[task].estimate)


@dataclass(frozen=True)
class Tested:
    """The test studies of one seed, by fold, as a metric takes them."""

    folds: Mapping[str, FoldedCases]
    scorer: Scorer

    def whole(self, alpha: float) -> Part:
        """Score all studies."""
        everyone = {fold: np.ones(len(one.cases.labels), bool) for fold, one in self.folds.items()}
        part = self.part(everyone, alpha, 1)
        assert part is not None  # a test split has films
        return part

    def part(self, masks: Masks, alpha: float, pairs: int) -> Part | None:
        """Score the studies of a group; None if there is none."""
        folds = {
            fold: FoldedCases(
                replace(
                    one.cases,
                    probabilities=one.cases.probabilities[masks[fold]],
                    labels=one.cases.labels[masks[fold]],
                    patient_id=one.cases.patient_id[masks[fold]],
                ),
                one.points,
            )
            for fold, one in self.folds.items()
            if masks[fold].any()
        }
        if not folds:
            return None
        found, n_folds = self._intervals(folds, alpha)
        wide = found if pairs < 2 else self._intervals(folds, alpha / pairs)[0]
        return Part(found, wide, self._influences(folds), n_folds)

    def _intervals(
        self, folds: Mapping[str, FoldedCases], alpha: float
    ) -> tuple[dict[str, Interval], Mapping[str, int]]:
        found = pooled_intervals(folds, self.scorer, alpha)
        scored = next(iter(folds.values())).cases.score_tasks
        tasks = {task: found.tasks[task] for task in scored if task in found.tasks}
        return {WHOLE: found.whole, **tasks}, found.n_folds

    def _influences(self, folds: Mapping[str, FoldedCases]) -> dict[str, Influence]:
        if any(one.cases.diverged for one in folds.values()):
            return {}
        parts = {fold: self.scorer.parts(one.cases, one.points) for fold, one in folds.items()}
        tasks = next(iter(parts.values())).tasks
        whole = {WHOLE: pool(parts).influence}
        return whole | {
            task: pool({fold: part.only(task) for fold, part in parts.items()}).influence
            for task in tasks
            if task != WHOLE
        }


def tested_of(run: RunWork, files: Mapping[str, Ensemble], scorer: Scorer) -> Tested:
    """Return a run's test studies as a metric takes them."""
    folds = {}
    for fold, one in run.cells.items():
        place = one.ensemble(one.selections[0])
        points = operating_points(scorer, place, one.score_tasks, False)
        folds[fold] = FoldedCases(cases_of(files[fold], one.score_tasks, False), points)
    return Tested(folds, scorer)


def masks_of(files: Mapping[str, Ensemble], grouped: Grouped, column: Column) -> dict[str, Masks]:
    """Return by group which test studies are of it."""
    group = {fold: column.group[grouped.rows(table.study_id)] for fold, table in files.items()}
    return {name: {fold: of == name for fold, of in group.items()} for name in column.names}


def seeds_of(parts: Sequence[Part], task: str, wide: bool = False) -> Seeds | None:
    """Return what seeds that have a value score; None of none.

    Args:
        parts: One for each seed.
        task: The task, or `WHOLE`.
        wide: Whether the bounds hold for all pairs of groups at once.
    """
    if not parts:
        return None
    intervals = [(part.wide if wide else part.intervals)[task] for part in parts]
    bounds = np.array([(one.low, one.high) for one in intervals])
    return Seeds(tuple(part.influences[task] for part in parts), bounds)


def adjusted_once(rows: Sequence[Mapping[str, Any]], *more: str) -> list[dict[str, Any]]:
    """Return rows with ``p_adjusted`` by Holm's method over all of them, each comparison once.

    Of a data set with one scored task, the row of the task is that of the mean over tasks.

    Args:
        rows: Rows with ``p``, ``task`` and the network's place.
        more: Columns that say what is compared, beside the place.
    """
    tasks: dict[Any, set[str]] = {}
    for row in rows:
        tasks.setdefault(row["dataset"], set()).add(row["task"])
    keys = [
        (
            *(row.get(name) for name in (*PLACE, *more)),
            row["task"] if len(tasks[row["dataset"]] - {WHOLE}) > 1 else WHOLE,
        )
        for row in rows
    ]
    adjusted = holm_once([row["p"] for row in rows], keys)
    return [{**row, "p_adjusted": p} for row, p in zip(rows, adjusted, strict=True)]
