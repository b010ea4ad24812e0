"""agreement.csv: how alike the predictions of a study's networks are on the test split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.planning.paths import ensemble_directory
from transfergrid.planning.state_pairs import PLACE, Pair, cell_pairs, places
from transfergrid.reporting.tables import gathering
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.progress import progress
from transfergrid.similarity.agreement import Agreement
from transfergrid.similarity.predictions import Answers, compare_answers

_SIDE = ("pretraining", "protocol", "seed")
_WHOLE = ("left_seed", "right_seed", "n", "patients")


@dataclass(frozen=True)
class CellAnswers:
    """What a cell says of the test split.

    Attributes:
        answers: Prepared for comparison; None if the cell diverged.
        tasks: Names of the tasks, or an empty one for all classes together.
        patients: (S,) patient of each study.
        studies: (S,) study_id.
    """

    answers: Answers | None
    tasks: tuple[str, ...]
    patients: NDArray[np.str_]
    studies: NDArray[np.str_]


def agreement(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return the table of agreement."""
    return {"agreement": agreement_table(study, results)}


def agreement_table(study: Mapping[str, Any], results: Path) -> pd.DataFrame:
    """Return one row per pair of cells in a place, task and measure.

    Args:
        study: The stamp's content: cells, compared, evaluation and columns.
        results: Root of all outputs.

    Raises:
        UserError: A file of a cell is damaged, or two cells of a place scored other studies.
    """
    taken = study["compared"]
    cells = [{**one, "taken": taken[one["cell"]]} for one in study["cells"] if one["cell"] in taken]
    cards = gathering.cards(cells, results)
    confidence = float(study["evaluation"]["confidence"])
    rows: list[dict[str, Any]] = []
    parts = places(cells).values()
    for members in progress(parts, len(parts), "predictions"):
        entries = {str(entry["cell"]): entry for entry in members}
        said = {
            name: _answers(study, name, cards[entry["dataset_id"]], results)
            for name, entry in entries.items()
        }
        for pair in cell_pairs(list(entries.values())):
            named = _named(pair, entries)
            sides = said[pair[1]], said[pair[2]]
            rows += [{**named, **row} for row in _rows(pair, *sides, confidence)]
    return gathering.frame(study, "agreement", rows, _WHOLE)


def _answers(
    study: Mapping[str, Any], cell: str, card: Mapping[str, Any], results: Path
) -> CellAnswers:
    folder = ensemble_directory(study["name"], cell, study["evaluation"]["primary"], results)
    table = read_ensemble(folder / "test.parquet")
    tasks = tuple(gathering.score_tasks(card) or table.tasks)
    prepared = None if table.n_checkpoints == 0 else _prepared(table, tasks, card)
    named = tasks if card["task_kind"] == "multilabel" else ("",)
    return CellAnswers(prepared, named, table.patient_id, table.study_id)


def _prepared(table: Ensemble, tasks: Sequence[str], card: Mapping[str, Any]) -> Answers:
    if card["task_kind"] == "multiclass":
        return Answers.multiclass(table.probabilities, table.labels)
    kept = [table.tasks.index(task) for task in tasks]
    return Answers.multilabel(table.probabilities[:, kept], table.labels[:, kept])


def _rows(
    pair: Pair, left: CellAnswers, right: CellAnswers, confidence: float
) -> Iterator[dict[str, Any]]:
    """Yield a pair's rows, the mean over tasks first."""
    if left.answers is None or right.answers is None:
        yield {"flags": "diverged"}
        return
    if not np.array_equal(left.studies, right.studies):
        raise UserError(
            f"{pair[1]} and {pair[2]} were scored on other studies; remove the scores of both and "
            "run snakemake again, which scores them again."
        )
    each, mean = compare_answers(left.answers, right.answers, left.patients, confidence)
    yield from _measures("", mean)
    for task, found in zip(left.tasks, each, strict=True):
        if task:
            yield from _measures(task, found)


def _measures(task: str, found: Mapping[str, Agreement]) -> Iterator[dict[str, Any]]:
    for measure, one in found.items():
        numbers = {key: getattr(one, key) for key in ("value", "low", "high", "n", "patients")}
        beside = {"baseline": one.baseline, "ceiling": one.ceiling, "flags": ";".join(one.flags)}
        yield {"task": task, "measure": measure, **numbers, **beside}


def _named(pair: Pair, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    reason, *ends = pair
    first = entries[ends[0]]
    named: dict[str, Any] = {axis: first[axis] for axis in PLACE if axis != "fold"}
    named["fold"] = gathering.fold_of(first)
    for side, cell in zip(("left", "right"), ends, strict=True):
        named[side] = cell
        named |= {f"{side}_{key}": entries[cell][key] for key in _SIDE}
    return {**named, "pair": reason}
