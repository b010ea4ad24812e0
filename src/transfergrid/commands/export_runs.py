"""What a study's trainings were and how they went, as plain values for other tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.planning.planned import PlannedStudy
from transfergrid.reporting.records import read_record
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.runtime.progress import progress

Plain = str | int | float | bool


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        cell: Its cell's name.
        settings: Its place on the axes, its recipe and its initial weights, flat, by dotted names.
        course: For each validation its numbers by name, with ``step``; losses and scores, and those
            of each task as ``valid_score.<task>``.
        results: Its test scores as ``test.<selection>.<metric>``, with ``.<task>`` behind it where
            it is of one task, and what training took.
    """

    cell: str
    settings: Mapping[str, Plain]
    course: tuple[Mapping[str, float], ...]
    results: Mapping[str, float]


def runs_of(study: PlannedStudy, results: Path) -> Iterator[Run]:
    """Yield the trainings of a finished study: those of its grid, then their sources.

    Raises:
        UserError: A file is not what was written.
    """
    scores = read_made_table(results / study.name, "scores")
    by_cell = dict(tuple(scores.groupby("cell", sort=False)))
    none = scores.iloc[:0]
    for cell in progress(study.scored, len(study.scored), "reading trainings"):
        record = read_record(cell.name, results)
        spec = record.spec
        settings = {**spec["cell"], "recipe": spec["recipe"], "weights": spec["weights"]}
        yield Run(
            cell=cell.name,
            settings=dict(flat(settings)),
            course=tuple(_validation(line) for line in record.history),
            results={**_cost(record.train), **_scores(by_cell.get(cell.name, none))},
        )


def scalars(run: Run) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of every number of a training's course."""
    for line in run.course:
        for name, value in line.items():
            if name != "step":
                yield name, value, int(line["step"])


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Plain]]:
    """Yield nested settings by dotted names; what is not set is left out, a list is numbered."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, list):
            value = {str(number): one for number, one in enumerate(value)}
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif value is not None:
            yield name, value


def _validation(line: Mapping[str, Any]) -> dict[str, float]:
    named = {"valid_score": line.get("valid_score_tasks") or {}}
    numbers = {k: v for k, v in line.items() if isinstance(v, int | float)}
    return {**numbers, **{k: float(v) for k, v in flat(named) if not isinstance(v, str)}}


def _cost(train: Mapping[str, Any]) -> dict[str, float]:
    wanted = ("train_seconds", "images_per_second", "peak_memory_mb", "steps", "epochs")
    return {key: float(train[key]) for key in wanted if train.get(key) is not None}


def _scores(table: pd.DataFrame) -> dict[str, float]:
    found = {}
    for row in table.to_dict("records"):
        task = "" if pd.isna(row["task"]) or row["task"] == "" else f".{row['task']}"
        if pd.notna(row["value"]):
            found[f"test.{row['selection']}.{row['metric']}{task}"] = float(row["value"])
    return found
