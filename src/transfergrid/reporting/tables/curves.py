"""curves.csv: ROC and precision-recall curves of the compared arms, with bands by patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics import curves
from transfergrid.metrics.curves import Ranked, band, mean_area, usable
from transfergrid.reporting.records import read_card
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cell_work import cell_work
from transfergrid.reporting.tables.confusion import WHOLE as WHOLE_CONFUSION
from transfergrid.reporting.tables.confusion import confusion_rows
from transfergrid.reporting.tables.crossed import RunWork, run_work
from transfergrid.reporting.tables.operating_points import WHOLE as WHOLE_POINTS
from transfergrid.reporting.tables.operating_points import PointsWork, run_rows
from transfergrid.reporting.tables.shown_arms import Arm, arms_of
from transfergrid.reporting.tables.tested import read_tests
from transfergrid.runtime.hashing import seeded
from transfergrid.runtime.progress import progress

KINDS: Mapping[str, tuple[curves.Curve, NDArray[np.float64], curves.Area]] = {
    "roc": (curves.sensitivities, curves.FALSE_POSITIVE_RATES, curves.area_under_sensitivities),
    "precision_recall": (curves.precisions, curves.RECALLS, curves.area_under_precisions),
}
WHOLE = ("n_seeds", "n_folds", "n", "n_pos", "n_patients")


@dataclass(frozen=True)
class ArmWork:
    """What a worker needs for one arm's rows.

    Attributes:
        arm: The arm.
        selection: The primary selection.
        confidence: Coverage at each point.
        seed: Draws the patients, the same for every arm and task.
    """

    arm: Arm
    selection: str
    confidence: float
    seed: int


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return curves.csv, operating_points.csv and confusion.csv by their names.

    Args:
        study: The stamp's content, with the study's cells; ``curves`` says which of them are asked
            about.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    work = networks_of(study, results)
    cells = sum(len(run.cells) for one in work for run in one.runs)
    mapped = gathering.over_cells(network_rows, work, workers, cells)
    found = list(progress(mapped, len(work), "networks"))
    runs = [run for one, own in zip(work, found, strict=True) for run in one.those(own.kept)]
    points = [row for own in found for row in own.points]
    confused = [row for own in found for row in own.confusion]
    return {
        "curves": curves_table(study, runs, results, workers),
        "operating_points": gathering.frame(study, "operating_points", points, WHOLE_POINTS),
        "confusion": gathering.frame(study, "confusion", confused, WHOLE_CONFUSION),
    }


@dataclass(frozen=True)
class NetworkWork:
    """What a worker needs for the rows of one network that are not of its curves.

    Attributes:
        runs: Its scored runs, one for each seed.
        selection: The primary selection.
        specificity: What the first operating point demands on the validation split, in (0, 1).
        confidence: Coverage of the intervals.
    """

    runs: tuple[RunWork, ...]
    selection: str
    specificity: float
    confidence: float

    def those(self, kept: Sequence[int]) -> list[RunWork]:
        """Return the runs with these numbers."""
        return [self.runs[number] for number in kept]


@dataclass(frozen=True)
class NetworkRows:
    """What one reading of a network's ensembles gives.

    Attributes:
        kept: Numbers of the runs that have not diverged.
        points: Rows of operating_points.csv.
        confusion: Rows of confusion.csv, of a data set with classes.
    """

    kept: tuple[int, ...]
    points: list[dict[str, Any]]
    confusion: list[dict[str, Any]]


def networks_of(study: Mapping[str, Any], results: Path) -> list[NetworkWork]:
    """Return the networks that are asked about, with runs that have a result in all their folds."""
    evaluation, asked = study["evaluation"], set(study["curves"]["cells"])
    work = [one for one in cell_work(study, results) if one.entry["cell"] in asked]
    primary = evaluation["primary"]
    networks: dict[tuple[Any, ...], list[RunWork]] = {}
    for run in run_work(work):
        if run.scored(primary):
            networks.setdefault(tuple(run.run.entry[axis] for axis in PLACE), []).append(run)
    settings = primary, float(study["curves"]["specificity"]), float(evaluation["confidence"])
    return [NetworkWork(tuple(runs), *settings) for runs in networks.values()]


def network_rows(work: NetworkWork) -> NetworkRows:
    """Return the rows of one network, each of whose ensembles is read once.

    Raises:
        UserError: A file of a cell breaks its contract, or seeds were tested on other cases.
    """
    read = cache(read_ensemble)
    kept = [
        number
        for number, run in enumerate(work.runs)
        if all(table.n_checkpoints for table in read_tests(run, work.selection, read).values())
    ]
    runs = work.those(kept)
    if not runs:
        return NetworkRows((), [], [])
    card = read_card(runs[0].first.entry, runs[0].first.results) or {}
    confusion = (
        confusion_rows(runs, work.selection, work.confidence, read)
        if card.get("task_kind") == "multiclass"
        else []
    )
    each = [PointsWork(run, work.selection, work.specificity, read) for run in runs]
    points = [row for one in each for row in run_rows(one)]
    return NetworkRows(tuple(kept), points, confusion)


def curves_table(
    study: Mapping[str, Any], runs: Sequence[RunWork], results: Path, workers: int = 1
) -> pd.DataFrame:
    """Return curves.csv: a row per arm, task, kind of curve and point.

    Args:
        study: The stamp's content.
        runs: Scored runs.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.
    """
    evaluation = study["evaluation"]
    work = [
        ArmWork(
            arm, evaluation["primary"], evaluation["confidence"], evaluation["bootstrap"]["seed"]
        )
        for arm in (arms_of(study, runs, results) if runs else ())
    ]
    mapped = gathering.over_cells(arm_rows, work, workers)
    rows = [row for part in progress(mapped, len(work), "curves") for row in part]
    return gathering.frame(study, "curves", rows, WHOLE)


def arm_rows(work: ArmWork) -> list[dict[str, Any]]:
    """Return the rows of one arm.

    Raises:
        UserError: A file of a cell breaks its contract.
    """
    read = [list(read_tests(run, work.selection).values()) for run in work.arm.runs]
    tables = [table for folds in read for table in folds]
    names = np.unique(np.concatenate([table.patient_id for table in tables]))
    numbered = [np.searchsorted(names, table.patient_id) for table in tables]
    same = {**work.arm.place, "chosen": work.arm.chosen, "n_seeds": len(read)}
    rows: list[dict[str, Any]] = []
    for number, task in enumerate(tables[0].tasks):
        models = [_ranked(table, number, who) for table, who in zip(tables, numbered, strict=True)]
        counts = _counts(read[0], models[: len(read[0])], number)
        about = {**same, **counts, "task": task}
        rows += [{**about, **row} for row in _points(models, work)]
    return rows


def _ranked(table: Ensemble, task: int, patient: NDArray[np.int64]) -> Ranked:
    return Ranked.of(table.probabilities[:, task], table.labels[:, task], patient)


def _counts(folds: Sequence[Ensemble], models: Sequence[Ranked], task: int) -> dict[str, int]:
    """Return what the folds of one seed are tested on, in the folds that are in the mean."""
    kept = {id(model) for model in usable(models)}
    used = [fold for fold, own in zip(folds, models, strict=True) if id(own) in kept] or folds
    labels = np.concatenate([fold.labels[:, task] for fold in used])
    patients = np.concatenate([fold.patient_id for fold in used])
    known = ~np.isnan(labels)
    return {
        "n_folds": len(used),
        "n": int(known.sum()),
        "n_pos": int((labels == 1).sum()),
        "n_patients": len(np.unique(patients[known])),
    }


def _points(models: Sequence[Ranked], work: ArmWork) -> Iterator[dict[str, Any]]:
    for name, (curve, grid, area) in KINDS.items():
        draws = np.random.default_rng(seeded("curves", work.seed, name))
        found = band(curve, models, draws, work.confidence)
        same = {"curve": name, "area": mean_area(area, models)}
        for x, y, low, high in zip(grid, found.mean, found.low, found.high, strict=True):
            yield {**same, "x": x, "y": y, "low": low, "high": high}
