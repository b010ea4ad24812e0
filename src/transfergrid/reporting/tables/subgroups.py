"""subgroups.csv and subgroup_gaps.csv: what networks score on groups of patients or films."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transfergrid.data.columns import UNKNOWN, Column
from transfergrid.metrics.scoring import Scorer
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.grouped_scores import (
    Arm,
    Masks,
    Part,
    Tested,
    adjusted_once,
    arms_of,
    masks_of,
    seeds_of,
    tested_of,
)
from transfergrid.reporting.tables.scored import told_of
from transfergrid.reporting.tables.tested import read_tests
from transfergrid.runtime.progress import progress
from transfergrid.statistics.groups import Seeds, apart, mean_over_seeds
from transfergrid.statistics.named import LARGEST, REST

if TYPE_CHECKING:
    import pandas as pd

WHOLE_NUMBERS = ("seed", "n", "n_pos", "n_patients", "n_seeds", "n_folds")
WHOLE_GAPS = ("n_a", "n_b", "patients_a", "patients_b", "patients_both", "n_groups", "n_undefined")

Rows = list[dict[str, Any]]


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return subgroups.csv and subgroup_gaps.csv by their names.

    Args:
        study: The stamp's content; ``subgroups`` holds, by the id of a data set, its columns.
        results: Root of all outputs.
        workers: Processes that score.

    Raises:
        UserError: A data set's tables lack a column, or are not those that cells were trained on.
    """
    arms = arms_of(study, results)
    cells = sum(len(run.cells) for arm in arms for run in arm.runs)
    found = gathering.over_cells(arm_rows, arms, workers, cells)
    told = list(progress(found, len(arms), "groups of networks"))
    values = [row for rows, _ in told for row in rows]
    gaps = [row for _, rows in told for row in rows]
    gaps = adjusted_once(gaps, "metric", "column", "comparison", "a")
    return {
        "subgroups": gathering.frame(study, "subgroups", values, WHOLE_NUMBERS),
        "subgroup_gaps": gathering.frame(
            study, "subgroup_gaps", gaps, (*WHOLE_GAPS, "n_seeds", "n_folds")
        ),
    }


def arm_rows(arm: Arm) -> tuple[Rows, Rows]:
    """Return the rows of both tables for the seeds of one network.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    values: Rows = []
    gaps: Rows = []
    read = [read_tests(run, arm.selection) for run in arm.runs]
    for metric in arm.runs[0].first.metrics:
        scorer = Scorer.of(metric)
        tests = [tested_of(run, files, scorer) for run, files in zip(arm.runs, read, strict=True)]
        for name, column in arm.grouped.columns.items():
            masks = [masks_of(files, arm.grouped, column) for files in read]
            own, between = _Compared.of(arm, name, column, tests, masks).rows()
            values += own
            gaps += between
    return values, gaps


@dataclass(frozen=True)
class _Compared:
    """What all seeds of a network score on the groups of one column, by one metric."""

    arm: Arm
    column: str
    scorer: Scorer
    alpha: float
    pairs: int
    groups: Mapping[str, Sequence[Part | None]]
    rests: Mapping[str, Sequence[Part | None]]

    @classmethod
    def of(
        cls,
        arm: Arm,
        name: str,
        column: Column,
        tests: Sequence[Tested],
        masks: Sequence[Mapping[str, Masks]],
    ) -> _Compared:
        """Score every group, and what is left of all known ones without it."""
        alpha = arm.runs[0].first.alpha
        there = [
            group
            for group in column.names
            if group != UNKNOWN and any(mask.any() for mask in masks[0][group].values())
        ]
        pairs = len(there) * (len(there) - 1) // 2
        score = partial(_parts, tests, alpha=alpha, pairs=pairs)
        groups = {group: score([own[group] for own in masks]) for group in column.names}
        rests = {}
        for group in there if len(there) > 2 else ():
            others = [other for other in there if other != group]
            rests[group] = score([_union(own, others) for own in masks])
        return cls(arm, name, tests[0].scorer, alpha, pairs, groups, rests)

    def rows(self) -> tuple[Rows, Rows]:
        """Return the rows of both tables, task by task."""
        about = self.arm.about
        tasks = next(
            tuple(part.intervals) for parts in self.groups.values() for part in parts if part
        )
        values: Rows = []
        gaps: Rows = []
        for task in tasks:
            same = {
                **self.arm.place,
                "selection": self.arm.selection,
                "metric": self.scorer.name,
                "task": task,
                "column": self.column,
            }
            for group in self.groups:
                values += [{**same, **row} for row in self._values(group, task, about)]
            gaps += [{**same, **row} for row in self._gaps(task, about)]
        return values, gaps

    def _given(self, seeds: int) -> str:
        return self.arm.given(seeds, self.scorer.estimator.operating_point is not None)

    def _values(self, group: str, task: str, about: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a group: one for each seed, then their mean."""
        parts = self.groups[group]
        for run, part in zip(self.arm.runs, parts, strict=True):
            own = {"cell": run.run.name, "seed": run.run.entry["seed"], "n_seeds": 1}
            given = {"group": group, "conditional_on": self._given(1)}
            yield {**own, **given, **self._told(part, task, about)}
        seeds = self._seeds(parts, task)
        first = next((part for part in parts if part and part.influences), parts[0])
        row = self._told(first, task, about)
        if seeds is not None:
            found = mean_over_seeds(seeds, self.alpha, self.scorer.bounds)
            row |= {"value": found.value, "low": found.low, "high": found.high}
        count = len(seeds.runs) if seeds else 0
        yield {**row, "group": group, "n_seeds": count, "conditional_on": self._given(count)}

    def _told(self, part: Part | None, task: str, about: Sequence[str]) -> dict[str, Any]:
        if part is None:
            return {"n": 0, "n_pos": 0, "n_patients": 0, "flags": ";".join([*about, "no_case"])}
        return {**told_of(part.intervals[task], about), "n_folds": self.arm.folds(part, task)}

    def _seeds(self, parts: Sequence[Part | None], task: str) -> Seeds | None:
        """Return the seeds that have a value; None where none has."""
        return seeds_of([part for part in parts if part and part.has(task)], task)

    def _gaps(self, task: str, about: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the largest value against the smallest, then each group against the rest."""
        known = [group for group in self.groups if group != UNKNOWN]
        defined = [group for group in known if self._seeds(self.groups[group], task)]
        counts = {"n_groups": len(defined), "n_undefined": len(known) - len(defined)}
        if len(defined) < 2:
            flags = ";".join([*about, "too_few_groups"])
            yield {"comparison": LARGEST, **counts, "p": np.nan, "flags": flags}
            return
        value = {group: self._value(group, task) for group in defined}
        a, b = max(defined, key=value.__getitem__), min(defined, key=value.__getitem__)
        parts = self.groups[a], self.groups[b]
        yield {"comparison": LARGEST, "a": a, "b": b, **counts, **self._apart(*parts, task, about)}
        for group in defined:
            rest = self.rests.get(group)
            if rest is None or self._seeds(rest, task) is None:
                continue
            told = self._apart(self.groups[group], rest, task, about, False)
            yield {"comparison": REST, "a": group, "b": "rest", **counts, **told}

    def _value(self, group: str, task: str) -> float:
        seeds = self._seeds(self.groups[group], task)
        return seeds.value if seeds else np.nan

    def _apart(
        self,
        one: Sequence[Part | None],
        other: Sequence[Part | None],
        task: str,
        about: Sequence[str],
        chosen: bool = True,
    ) -> dict[str, Any]:
        """Compare two sides; a pair that was chosen by its values holds for all pairs at once."""
        sides = [
            (x, y)
            for x, y in zip(one, other, strict=True)
            if x and y and x.has(task) and y.has(task)
        ]
        a, b = (seeds_of(own, task, chosen) for own in zip(*sides, strict=True))
        assert a is not None and b is not None
        pairs = self.pairs if chosen else 1
        low, high = self.scorer.bounds
        found = apart(a, b, self.alpha / pairs, high - low)
        told = [part.intervals[task] for part in sides[0]]
        flags = dict.fromkeys([*about, *told[0].flags, *told[1].flags])
        return {
            "n_a": told[0].n,
            "n_b": told[1].n,
            "patients_a": told[0].n_patients,
            "patients_b": told[1].n_patients,
            "patients_both": found.shared,
            "value_a": a.value,
            "value_b": b.value,
            "difference": found.value,
            "low": found.low,
            "high": found.high,
            "p": float(np.minimum(1.0, pairs * found.p)),
            "n_seeds": len(a.runs),
            "n_folds": self.arm.folds(sides[0][0], task),
            "conditional_on": self._given(len(a.runs)),
            "flags": ";".join(flags),
        }


def _parts(
    tests: Sequence[Tested], masks: Sequence[Masks], alpha: float, pairs: int
) -> list[Part | None]:
    return [test.part(own, alpha, pairs) for test, own in zip(tests, masks, strict=True)]


def _union(masks: Mapping[str, Masks], groups: Sequence[str]) -> Masks:
    return {
        fold: np.logical_or.reduce([masks[group][fold] for group in groups])
        for fold in masks[groups[0]]
    }
