"""shortcuts.csv: how well labels are predicted without a film, beside what networks score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.scoring import Scorer
from transfergrid.reporting.records import read_cards
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.grouped_scores import (
    Arm,
    Part,
    Tested,
    adjusted_once,
    arms_of,
    seeds_of,
    tested_of,
)
from transfergrid.reporting.tables.tested import read_tests
from transfergrid.runtime.progress import progress
from transfergrid.statistics.groups import apart, mean_over_seeds
from transfergrid.statistics.named import TOGETHER
from transfergrid.statistics.shortcuts import Codes, probabilities

if TYPE_CHECKING:
    import pandas as pd

AUROC = "auroc"
"""The metric of the study's stamp by which any prediction can be set beside another."""
WHOLE_NUMBERS = ("n", "n_pos", "n_patients", "n_learned", "n_seeds", "n_folds")


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return shortcuts.csv by its name: a row per network, column and scored task.

    Args:
        study: The stamp's content; ``subgroups`` holds, by the id of a data set, its columns, and
            ``metrics`` the AUROC.
        results: Root of all outputs.
        workers: Processes that score.

    Raises:
        UserError: A data set's tables lack a column, or are not those that cells were trained on.
    """
    masked = {name for name, card in read_cards(study, results).items() if card.get("masks")}
    labelled = [cell for cell in study["cells"] if cell["dataset"] not in masked]
    arms = arms_of({**study, "cells": labelled}, results)
    work = [_Probed(arm, study["metrics"][AUROC]) for arm in arms]
    cells = sum(len(run.cells) for arm in arms for run in arm.runs)
    found = gathering.over_cells(probe_rows, work, workers, cells)
    rows = [row for own in progress(found, len(work), "shortcuts of networks") for row in own]
    rows = adjusted_once(rows, "column")
    return {"shortcuts": gathering.frame(study, "shortcuts", rows, WHOLE_NUMBERS)}


@dataclass(frozen=True)
class _Probed:
    arm: Arm
    auroc: Mapping[str, Any]


def probe_rows(work: _Probed) -> list[dict[str, Any]]:
    """Return the rows of the seeds of one network.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    arm, scorer = work.arm, Scorer.of(work.auroc)
    read = [read_tests(run, arm.selection) for run in arm.runs]
    tests = [tested_of(run, files, scorer) for run, files in zip(arm.runs, read, strict=True)]
    alpha = arm.runs[0].first.alpha
    networks = [test.whole(alpha) for test in tests]
    columns = list(arm.grouped.columns)
    probes = {column: [column] for column in columns}
    if len(columns) > 1:
        probes[TOGETHER] = columns
    rows = []
    for name, known in probes.items():
        learned, tested = _probe(arm, known, read[0], tests[0])
        same = {"column": name, "n_learned": learned}
        rows += [{**same, **row} for row in _rows(arm, networks, tested.whole(alpha))]
    return rows


def _probe(
    arm: Arm, columns: Sequence[str], files: Mapping[str, Ensemble], test: Tested
) -> tuple[int, Tested]:
    """Return how many studies a probe learned from (the fewest of the folds), and its answers.

    It learns from every study of a patient who is not tested: those that networks were trained on,
    and those that their checkpoints were chosen by.
    """
    grouped = arm.grouped
    codes = _codes(arm, columns)
    sizes = [len(grouped.columns[column].names) for column in columns]
    counts, folds = [], {}
    for fold, table in files.items():
        tested = grouped.rows(table.study_id)
        rest = ~np.isin(grouped.patient_id, grouped.patient_id[tested])
        counts.append(int(rest.sum()))
        answers = np.full(table.labels.shape, 0.5)
        for t, task in enumerate(table.tasks):
            labels = grouped.labels[rest, grouped.tasks.index(task)]
            found = probabilities(codes[rest], labels, codes[tested], sizes)
            if found is not None:
                answers[:, t] = found
        one = test.folds[fold]
        folds[fold] = replace(one, cases=replace(one.cases, probabilities=answers))
    return min(counts), Tested(folds, test.scorer)


def _codes(arm: Arm, columns: Sequence[str]) -> Codes:
    found = []
    for name in columns:
        column = arm.grouped.columns[name]
        number = {group: place for place, group in enumerate(column.names)}
        found.append([number[group] for group in column.group.tolist()])
    return np.array(found, dtype=np.int64).T


def _rows(arm: Arm, networks: Sequence[Part], probe: Part) -> list[dict[str, Any]]:
    alpha, rows = arm.runs[0].first.alpha, []
    for task, interval in probe.intervals.items():
        row = {
            **arm.place,
            "selection": arm.selection,
            "task": task,
            "n": interval.n,
            "n_pos": interval.n_pos,
            "n_patients": interval.n_patients,
            "shortcut": interval.estimate,
            "shortcut_low": interval.low,
            "shortcut_high": interval.high,
            "p": np.nan,
            "n_seeds": 0,
            "flags": ";".join([*arm.about, *interval.flags]),
        }
        kept = [part for part in networks if part.has(task)]
        seeds = seeds_of(kept, task)
        if seeds is not None and probe.has(task):
            same = seeds_of([probe] * len(kept), task)
            assert same is not None
            network = mean_over_seeds(seeds, alpha, (0.0, 1.0))
            more = apart(seeds, same, alpha, 1.0)
            row |= {"network": network.value, "network_low": network.low}
            row |= {"network_high": network.high, "difference": more.value, "low": more.low}
            row |= {"high": more.high, "p": more.p, "n_seeds": len(kept)}
            row |= {"conditional_on": arm.given(len(kept)), "n_folds": arm.folds(probe, task)}
        rows.append(row)
    return rows
