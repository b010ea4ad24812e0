"""confusion.csv: which class is taken for which, the mean over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.clustered import clustered_share
from transfergrid.reporting.tables.crossed import RunWork
from transfergrid.reporting.tables.scored import Read
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


def confusion_rows(
    runs: Sequence[RunWork], selection: str, confidence: float, read: Read
) -> list[dict[str, Any]]:
    """Return the rows of an arm: one per true class and predicted class.

    Args:
        runs: Its scored runs, one for each seed; of a data set whose cases have one class each.
        selection: The primary selection.
        confidence: Coverage of the intervals.
        read: Reads an ensemble.

    Raises:
        UserError: A file of a cell breaks its contract, or seeds were tested on other cases.
    """
    place = {axis: runs[0].run.entry[axis] for axis in PLACE}
    same = {**place, "n_seeds": len(runs), "n_folds": len(runs[0].cells)}
    classes, found = guessed(runs, selection, read)
    return [{**same, **row} for row in _rows(classes, found, confidence)]


def guessed(runs: Sequence[RunWork], selection: str, read: Read) -> tuple[tuple[str, ...], Guessed]:
    """Return the classes and what the seeds of an arm say, each case in the fold that tests it.

    Args:
        runs: The arm's seeds.
        selection: A rule that chose checkpoints.
        read: Reads an ensemble.

    Raises:
        UserError: Seeds were tested on other cases.
    """
    found: list[Guessed] = []
    classes: tuple[str, ...] = ()
    for run in runs:
        folds = list(read_tests(run, selection, read).values())
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
