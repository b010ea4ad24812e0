"""The most confident errors of a study's best networks on labels, as small films.

For each task, the negatives with the highest and the positives with the lowest probability, among
those on the wrong side of Youden's threshold, which was chosen on validation scores. A film is
named by its place in the test split, and by no id: ids of films may hold those of patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from transfergrid.data.store import Split, open_split, verify_pixels
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.balanced_accuracy import best_threshold
from transfergrid.planning.naming import fold_of
from transfergrid.planning.paths import cache_directory, cell_directory, ensemble_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.reporting.figures.films import shrunk
from transfergrid.reporting.pictures.chosen import chosen_runs
from transfergrid.reporting.pictures.drawn import data_uri
from transfergrid.reporting.pictures.mistakes_file import NEGATIVE, POSITIVE, Mistake
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.statistics.runs import Run, runs_of


def best_runs(study: Mapping[str, Any], results: Path) -> list[Run]:
    """Return the run with the best test score of each data set whose films may be shown.

    Args:
        study: The stamp's content, with the study's cells; ``mistaken`` says which may be shown.
        results: Root of all outputs.
    """
    entries, primary = gathering.entries(study, "target"), study["evaluation"]["primary"]
    runs = {run.name: run for run in runs_of(entries).values()}
    cells = read_made_table(results / study["name"], "cells")
    cells = cells[cells["selection"] == primary]
    lower = [str(one["name"]) for one in study["metrics"].values() if not one["higher_is_better"]]
    rows = chosen_runs(cells, list(runs.values()), study["mistaken"]["cells"], "best", lower)
    best: dict[str, Mapping[Any, Any]] = {}
    for row in rows:
        sign = -1 if row["metric"] in lower else 1
        other = best.get(str(row["dataset"]))
        if other is None or sign * row["score"] > sign * other["score"]:
            best[str(row["dataset"])] = row
    return [runs[str(row["cell"])] for row in best.values()]


def mistakes_of(run: Run, study: Mapping[str, Any], results: Path) -> list[Mistake]:
    """Return the most confident errors of a run on each scored task, without pictures.

    Args:
        run: The cell, or the run over folds.
        study: The stamp's content; ``mistaken`` says how many of each kind are wanted.
        results: Root of all outputs.
    """
    primary, most = study["evaluation"]["primary"], int(study["mistaken"]["most"])
    entries = {entry["cell"]: entry for entry in study["cells"]}
    card = read_card(entries[next(iter(run.cells.values()))], results) or {}
    every: list[Mistake] = []
    for fold, cell in run.cells.items():
        place = ensemble_directory(study["name"], cell, primary, results)
        valid, test = (read_ensemble(place / f"{split}.parquet") for split in ("valid", "test"))
        classes = card.get("task_kind") == "multiclass"
        own = errors(run.name, cell, valid, test, gathering.score_tasks(card), classes)
        every += [replace(one, fold=fold if run.crossed else "") for one in own]
    found: dict[tuple[str, str], list[Mistake]] = {}
    for one in sorted(every, key=lambda one: (-_confidence(one), one.cell, one.place)):
        kept = found.setdefault((one.task, one.kind), [])
        if len(kept) < most:
            kept.append(one)
    tasks = list(dict.fromkeys(one.task for one in every))
    return [
        one
        for task in tasks
        for kind in (POSITIVE, NEGATIVE)
        for one in found.get((task, kind), ())
    ]


def _confidence(one: Mistake) -> float:
    return one.probability if one.kind == POSITIVE else 1 - one.probability


def errors(
    run: str,
    cell: str,
    valid: Ensemble,
    test: Ensemble,
    score_tasks: Sequence[str] | None,
    classes: bool = False,
) -> Iterator[Mistake]:
    """Yield every error of one cell on its test split, task by task.

    Args:
        run: The run that the cell belongs to.
        cell: The cell.
        valid: Its ensemble on the validation split, which chooses thresholds.
        test: Its ensemble on the test split.
        score_tasks: The scored tasks; None for all.
        classes: Whether the tasks are classes, of which one is chosen.
    """
    for number, task in enumerate(test.tasks):
        if task not in (score_tasks or test.tasks):
            continue
        scores = valid.probabilities[:, number]
        threshold = float(best_threshold(scores[None], valid.labels[:, number])[0])
        said, truth = test.probabilities[:, number], test.labels[:, number]
        # Nothing compares with NaN: without a threshold, or a probability, there is no error.
        for kind, wrong in (
            (POSITIVE, (said >= threshold) & (truth == 0)),
            (NEGATIVE, (said < threshold) & (truth == 1)),
        ):
            told = test.labels if kind == POSITIVE else test.probabilities
            for row in np.flatnonzero(wrong):
                one = Mistake(run, cell, task, kind, int(row) + 1, float(said[row]), threshold)
                other = test.tasks[int(np.nanargmax(told[row]))] if classes else ""
                yield replace(one, other=other)


def with_films(
    mistakes: Sequence[Mistake], study: Mapping[str, Any], results: Path
) -> list[Mistake]:
    """Return errors with the first film of each study, small.

    Args:
        mistakes: The errors, of any cells.
        study: The stamp's content.
        results: Root of all outputs, with the caches of these cells' data sets.

    Raises:
        UserError: A cache is not what was written.
    """
    found = dict.fromkeys(mistakes, "")
    views: dict[Mistake, int] = {}
    for cell in dict.fromkeys(one.cell for one in mistakes):
        spec = read_spec(cell_directory(cell, results) / SPEC)
        cache = cache_directory(spec["dataset"]["id"], results)
        split = open_split(cache, "test", fold_of(spec))
        pixels = verify_pixels(cache, split)
        primary = study["evaluation"]["primary"]
        place = ensemble_directory(study["name"], cell, primary, results)
        studies = read_ensemble(place / "test.parquet").study_id
        for one in (one for one in mistakes if one.cell == cell):
            rows = np.flatnonzero(split.study_id == studies[one.place - 1])
            found[one], views[one] = _film(split, int(rows[0])), len(rows)
        pixels.wait()
    return [replace(one, picture=found[one], views=views[one]) for one in mistakes]


def _film(split: Split, row: int) -> str:
    return data_uri(np.asarray(shrunk(np.asarray(split.images[row]))))
