"""operating_points.csv: what a cell finds and misses at thresholds chosen on validation scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from transfergrid.planning.grid import ALL
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import CellWork
from transfergrid.reporting.tables.crossed import RunWork, pooled_score
from transfergrid.reporting.tables.scored import Read, Scored, data_flags, score
from transfergrid.statistics.named import WITHOUT

SHARES = ("sensitivity", "specificity", "ppv", "npv")
WHOLE = ("n", "n_pos", "n_patients", "n_folds")


@dataclass(frozen=True)
class PointsWork:
    """What the rows of a run are made from.

    Attributes:
        run: The run, of which every fold has a result.
        selection: The primary selection.
        specificity: What the first rule demands on the validation split, in (0, 1).
        read: Reads an ensemble, and is asked for the same one several times.
    """

    run: RunWork
    selection: str
    specificity: float
    read: Read


def run_rows(work: PointsWork) -> list[dict[str, Any]]:
    """Return the rows of a run: those of its cell, or its own and then those of its folds.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    run, first = work.run.run, work.run.first
    about = data_flags(read_card(first.entry, first.results) or {})
    found: list[dict[str, Any]] = []
    if run.crossed:
        pooled = partial(pooled_score, work.run, work.selection, read=work.read)
        found += _rows({"cell": run.name, "fold": ALL}, about, work, pooled)
    for one in work.run.cells.values():
        head = {"cell": one.entry["cell"], "fold": gathering.fold_of(one.entry)}
        scored = partial(_cell_score, one, work.selection, work.read)
        found += _rows(head, about, work, scored)
    return found


def _cell_score(one: CellWork, selection: str, read: Read, metric: Mapping[str, Any]) -> Scored:
    place = one.ensemble(selection)
    return score(read(place / "test.parquet"), one.score_tasks, metric, one.alpha, place, read=read)


def _rows(
    head: Mapping[str, Any],
    about: Sequence[str],
    work: PointsWork,
    scored: Callable[[Mapping[str, Any]], Scored],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one cell or run, task by task and rule by rule."""
    rules = {
        f"specificity {work.specificity:g}": {"specificity": work.specificity},
        "youden": {},
    }
    parts = {
        rule: {share: scored(declaration(share, settings)) for share in SHARES}
        for rule, settings in rules.items()
    }
    first = next(iter(parts.values()))["sensitivity"]
    for task in first.tasks:
        for rule, found in parts.items():
            row = {**head, "selection": work.selection, "task": task, "rule": rule}
            yield {**row, **_numbers(task, found, about)}


def declaration(share: str, settings: Mapping[str, float]) -> dict[str, Any]:
    """Return one of `SHARES` as a metric with an operating point.

    Args:
        share: Its name.
        settings: ``specificity``, for the threshold that has it on validation scores; empty for
            Youden's.
    """
    rule = (
        "sensitivity:threshold_at_specificity" if settings else "balanced_accuracy:best_threshold"
    )
    return {
        "name": share,
        "title": share,
        "function": f"transfergrid.metrics.operating:{share}",
        "estimate": None,
        "interval": f"transfergrid.metrics.operating:{share}_bounds",
        "operating_point": f"transfergrid.metrics.{rule}",
        "higher_is_better": True,
        "range": [0.0, 1.0],
        "per": "task",
        "settings": dict(settings),
    }


def _numbers(task: str, found: Mapping[str, Scored], about: Sequence[str]) -> dict[str, Any]:
    """Return the values of one task under one rule."""
    first = found["sensitivity"]
    whole = first.tasks[task]
    row: dict[str, Any] = {
        "threshold": first.thresholds.get(task),
        "n": whole.n,
        "n_pos": whole.n_pos,
        "n_patients": whole.n_patients,
        "n_folds": first.n_folds.get(task),
        "conditional_on": first.conditional_on,
    }
    # That hardly a share varies is told by its interval.
    flags = [*about, *(flag for flag in whole.flags if flag != "no_variance")]
    for share, scored in found.items():
        part = scored.tasks[task]
        row |= {share: part.estimate, f"{share}_low": part.low, f"{share}_high": part.high}
        if np.isnan(part.estimate) and not np.isnan(whole.estimate):
            flags.append(f"no_{share}")
        own = [flag for flag in part.flags if flag.startswith(WITHOUT) and flag not in whole.flags]
        flags += [f"{share}_{flag}" for flag in own]
    return {**row, "flags": ";".join(flags)}
