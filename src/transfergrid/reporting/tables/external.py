"""external.csv: what finished cells score on films of other hospitals, beside their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.evaluation.external_files import External, external_ensembles, read_external
from transfergrid.planning.grid import ALL
from transfergrid.planning.passed_on import trained_before
from transfergrid.planning.paths import cell_directory
from transfergrid.reporting.flags import OF_DATA
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import cell_work
from transfergrid.reporting.tables.crossed import RunWork, run_work
from transfergrid.reporting.tables.score_rows import run_score_rows
from transfergrid.reporting.tables.scored import Read, data_flags
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.runtime.progress import progress
from transfergrid.statistics.elsewhere import Bounded, drop_of

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("n", "n_pos", "n_patients", "internal_n", "internal_n_pos", "internal_n_patients")
SHARED = "shared_films"
"""Flag of films that may have been learned."""
_KEY = ("cell", "fold", "selection", "metric", "task")
_COUNTS = ("n", "n_pos", "n_patients")
_BOUNDS = ("value", "low", "high")
Row = dict[str, Any]


@dataclass(frozen=True)
class Tested:
    """A run and a data set of another hospital on which all of its cells are scored.

    Attributes:
        work: The run.
        externals: By fold the ``id`` of its cell's measurement, and what that is made from.
        shared: Whether films of that data set are like films that the cells have learned.
    """

    work: RunWork
    externals: Mapping[str, Mapping[str, Any]]
    shared: bool

    @property
    def about(self) -> Mapping[str, Any]:
        """What the measurements of all folds share."""
        return next(iter(self.externals.values()))


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return external.csv by its name.

    Args:
        study: The stamp's content (cells, externals, evaluation, metrics).
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Raises:
        UserError: A file of a cell breaks its contract, or a measurement is missing or damaged.
    """
    tested = list(_tested(study, results))
    mapped = gathering.over_cells(tested_rows, tested, workers, len(study["externals"]))
    rows = [row for part in progress(mapped, len(tested), "external") for row in part]
    return {"external": gathering.frame(study, "external", rows, WHOLE)}


def _tested(study: Mapping[str, Any], results: Path) -> Iterator[Tested]:
    """Yield each run with each data set on which all of its cells are scored."""
    asked: dict[tuple[str, str], Mapping[str, Any]] = {
        (one["cell"], one["tested_on"]): one for one in study["externals"]
    }
    entries = {entry["cell"]: entry for entry in study["cells"]}
    leaks = _leaks(read_made_table(results / study["name"], "leaks"))
    for work in run_work(cell_work(study, results)):
        for name in dict.fromkeys(name for _, name in asked):
            cells = work.run.cells
            found = {f: asked[cell, name] for f, cell in cells.items() if (cell, name) in asked}
            if len(found) == len(cells):
                own = entries[next(iter(cells.values()))]
                learned = (own, *trained_before(own, entries))
                shared = any((name, one["dataset"]) in leaks for one in learned)
                yield Tested(work, found, shared)


def _leaks(table: pd.DataFrame) -> set[tuple[str, str]]:
    """Return pairs of data sets of which the first has films that the second has as well."""
    found = table[(table["n_equal"].fillna(0) > 0) | (table["n_near"].fillna(0) > 0)]
    return set(zip(found["dataset"], found["other_dataset"], strict=True))


def tested_rows(one: Tested) -> list[Row]:
    """Return the rows of a run on another data set: its own first, then those of its folds.

    Raises:
        UserError: A file of a cell breaks its contract, or a measurement is missing or damaged.
    """
    results = one.work.first.results
    found = {fold: read_external(own["id"], results) for fold, own in one.externals.items()}
    first = next(iter(found.values()))
    tasks = tuple(map(str, first.scores.task))
    scored = tuple(task for task in one.work.first.score_tasks or tasks if task in tasks)
    cells = {fold: replace(cell, score_tasks=scored) for fold, cell in one.work.cells.items()}
    work = replace(one.work, cells=cells)

    def own(path: Path) -> Ensemble:
        return _only(read_ensemble(path), tasks)

    internal = {_key(row): row for row in run_score_rows(work, own)}
    external = run_score_rows(work, _elsewhere(work, found, own))
    by_fold = {_key(row)[2:]: row for row in external if row["fold"] != ALL}
    flags = data_flags(first.card)
    rows = []
    for row in external:
        if work.run.crossed and row["fold"] == ALL:
            # Every fold's network has seen the same films, and they count once.
            row |= {name: by_fold[_key(row)[2:]][name] for name in _COUNTS}
        rows.append(_row(one, row, internal[_key(row)], flags, scored))
    return rows


def _elsewhere(work: RunWork, found: Mapping[str, External], own: Read) -> Read:
    """Return what reads ensembles of the other films in place of those of the cells' own."""
    there: dict[Path, Ensemble] = {}
    for fold, cell in work.cells.items():
        folder = cell_directory(cell.entry["cell"], cell.results)
        made = external_ensembles(found[fold], folder, cell.selections)
        there |= {cell.ensemble(name) / "test.parquet": table for name, table in made.items()}
    return lambda path: there[path] if path in there else own(path)


def _only(table: Ensemble, tasks: tuple[str, ...]) -> Ensemble:
    """Return an ensemble of some of its tasks."""
    columns = [table.tasks.index(task) for task in tasks]
    probabilities, labels = table.probabilities[:, columns], table.labels[:, columns]
    return replace(table, tasks=tasks, probabilities=probabilities, labels=labels)


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


def _row(one: Tested, there: Row, own: Row, flags: list[str], scored: tuple[str, ...]) -> Row:
    signs = {
        metric["name"]: 1.0 if metric["higher_is_better"] else -1.0
        for metric in one.work.first.metrics
    }
    values = [Bounded(*(row[name] for name in _BOUNDS)) for row in (own, there)]
    drop = drop_of(values[0], values[1], signs[there["metric"]])
    told = [flag for flag in str(there["flags"]).split(";") if flag and flag not in OF_DATA]
    return {
        **{name: there[name] for name in (*_KEY, *_BOUNDS, *_COUNTS, "conditional_on")},
        "dataset": one.work.run.entry["dataset"],
        "tested_on": one.about["tested_on"],
        "split": one.about["split"],
        "mean_over": "" if there["task"] else ";".join(scored),
        **dict(zip(("internal", "internal_low", "internal_high"), values[0], strict=True)),
        **{f"internal_{name}": own[name] for name in _COUNTS},
        **dict(zip(("drop", "drop_low", "drop_high"), drop, strict=True)),
        "flags": ";".join([*flags, *told, *([SHARED] if one.shared else [])]),
    }
