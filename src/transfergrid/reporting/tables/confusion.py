"""confusion.csv: which class is taken for which, the mean over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.clustered import clustered_share
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.crossed import RunWork
from transfergrid.reporting.tables.tested import read_tests
from transfergrid.runtime.errors import UserError

WHOLE = ("n", "n_patients", "n_seeds", "n_folds")


@dataclass(frozen=True)
class Guessed:
    """What the seeds of one arm say of the same test cases.

    Attributes:
        study_id: (S,) str, sorted.
        patient_id: (S,) str.
        truth: (S,) int, number of the true class.
        shares: (S, C) share of the seeds that call each class the most probable.
    """

    study_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    truth: NDArray[np.int64]
    shares: NDArray[np.float64]


def confusion_table(
    study: Mapping[str, Any], runs: Sequence[RunWork], selection: str
) -> pd.DataFrame:
    """Return confusion.csv: a row per arm, true class and predicted class.

    Args:
        study: The stamp's content.
        runs: Scored runs of data sets whose cases have one class each.
        selection: The primary selection.

    Raises:
        UserError: A file of a cell breaks its contract, or seeds were tested on other cases.
    """
    arms: dict[tuple[Any, ...], list[RunWork]] = {}
    for run in runs:
        arms.setdefault(tuple(run.run.entry[axis] for axis in PLACE), []).append(run)
    confidence = float(study["evaluation"]["confidence"])
    rows = []
    for place, own in arms.items():
        classes, found = guessed(own, selection)
        counts = {"n_seeds": len(own), "n_folds": len(own[0].cells)}
        same = {**dict(zip(PLACE, place, strict=True)), **counts}
        rows += [{**same, **row} for row in _rows(classes, found, confidence)]
    return gathering.frame(study, "confusion", rows, WHOLE)


def guessed(runs: Sequence[RunWork], selection: str) -> tuple[tuple[str, ...], Guessed]:
    """Return the classes and what the seeds of an arm say, each case in the fold that tests it.

    Args:
        runs: The arm's seeds.
        selection: A rule that chose checkpoints.

    Raises:
        UserError: Seeds were tested on other cases.
    """
    found: list[Guessed] = []
    classes: tuple[str, ...] = ()
    for run in runs:
        folds = list(read_tests(run, selection).values())
        classes = folds[0].tasks
        found.append(_of_seed(folds))
    first = found[0]
    for run, other in zip(runs, found, strict=True):
        if not np.array_equal(first.study_id, other.study_id):
            raise UserError(
                f"{run.run.name} was tested on other studies than {runs[0].run.name}; remove its "
                "ensembles and run snakemake again."
            )
    shares = np.mean([one.shares for one in found], axis=0)
    return classes, Guessed(first.study_id, first.patient_id, first.truth, shares)


def _of_seed(folds: Sequence[Ensemble]) -> Guessed:
    labels = np.concatenate([fold.labels for fold in folds])
    known = ~np.isnan(labels).any(axis=1)
    studies = np.concatenate([fold.study_id for fold in folds])[known]
    patients = np.concatenate([fold.patient_id for fold in folds])[known]
    # Of equal probabilities the first counts, as in the metric accuracy.
    called = np.concatenate([fold.probabilities for fold in folds])[known].argmax(axis=1)
    order = np.argsort(studies, kind="stable")
    said = np.eye(labels.shape[1])[called]
    truth = labels[known].argmax(axis=1)
    return Guessed(studies[order], patients[order], truth[order], said[order])


def _rows(classes: Sequence[str], found: Guessed, confidence: float) -> Iterator[dict[str, Any]]:
    for true, name in enumerate(classes):
        own = found.truth == true
        for predicted, other in enumerate(classes):
            values = found.shares[own, predicted]
            share = clustered_share(values, found.patient_id[own], confidence)
            yield {
                "true": name,
                "predicted": other,
                "count": float(values.sum()),
                "share": share.estimate,
                "low": share.low,
                "high": share.high,
                "n": share.n,
                "n_patients": share.n_patients,
            }
