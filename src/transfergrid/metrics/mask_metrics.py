"""Metrics of masks: of a film, as means over patients or films, and pooled, with contributions.

Every film has a value in every state (`transfergrid.metrics.overlap.State`), so that no structure
that a network missed drops out of a mean. Where a share is of nothing, it is 1 if the structure is
not there, and 0 if it is: no network gains by marking nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.influence import count_distinct
from transfergrid.metrics.mask_record import MaskRecord
from transfergrid.metrics.means import mean_with_contributions
from transfergrid.metrics.overlap import State
from transfergrid.runtime.errors import UserError

Empty = Literal["score", "skip"]
"""Whether a film both of whose masks are empty has a value or is left out."""

Share = Callable[..., tuple[NDArray, NDArray]]
"""From a record (..., K) and settings to numerators and denominators (...)."""


@dataclass(frozen=True)
class MaskMetric:
    """A metric as `transfergrid.metrics.scoring` calls it, see `docs/extending.md`.

    Attributes:
        share: What a film's value is the quotient of.
        over: What the value is a mean over: patients, each with the mean of his or her films;
            films; or nothing: numerators and denominators of all films are added up ("pooled").
    """

    share: Share
    over: Literal["patient", "film", "pooled"]

    def __call__(
        self,
        scores: ArrayLike,
        labels: ArrayLike,
        patient: ArrayLike,
        *,
        empty: Empty = "score",
        **settings: float,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the value of each model and each film's contribution.

        Contributions of a pooled value are its derivatives by the weight of a film (Cochran 1977,
        Sampling Techniques, section 6.4), and all are times sqrt(I / (I - 1)) with I the number of
        patients: summed by patient and squared they give the clustered variance.

        Args:
            scores: (M, N, K) rows of `transfergrid.metrics.mask_record.pack`, one table per model.
            labels: (N,) values; a film with NaN does not count, nor does one without known pixels.
            patient: (N,) int, the number of each film's patient, from 0.
            empty: "skip" leaves out films both of whose masks are empty.
            settings: The metric's own.

        Returns:
            (M,) values, NaN where no film counts, and (M, N) contributions: 0 for a film that does
            not count, NaN for a single patient.
        """
        rows, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
        patient = np.asarray(patient)
        estimates, values = np.full(len(rows), np.nan), np.zeros(rows.shape[:2])
        for m, table in enumerate(rows):
            known = ~np.isnan(labels)
            if np.isnan(table[known]).any():
                values[m, known] = np.nan
                continue
            record = MaskRecord.of(np.where(known[:, None], table, 0.0))
            counted = known & _counted(record, empty)
            if counted.any():
                own = MaskRecord(record.rows[counted])
                estimates[m], values[m, counted] = self._score(own, patient[counted], settings)
        return estimates, values

    def film_values(
        self, rows: ArrayLike, *, empty: Empty = "score", **settings: float
    ) -> NDArray[np.float64]:
        """Return (...) the value of each film, NaN for one that does not count.

        Args:
            rows: (..., K), see `transfergrid.metrics.mask_record.pack`.
            empty: As above.
            settings: The metric's own.
        """
        record = MaskRecord.of(rows)
        values = _quotient(*self.share(record, **settings), record.overlap.true)
        return np.where(_counted(record, empty), values, np.nan)

    def _score(
        self, record: MaskRecord, patient: NDArray, settings: dict[str, float]
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the value over films that count, and the contribution of each."""
        upper, lower = self.share(record, **settings)
        if self.over == "pooled":
            return _pooled(upper, lower, record.overlap.true, patient)
        values = _quotient(upper, lower, record.overlap.true)
        if self.over == "patient":
            return _mean_of_patients(values, patient)
        means, own = mean_with_contributions(values[None], np.ones(len(values), bool), patient)
        return float(means[0]), own[0]


def _counted(record: MaskRecord, empty: Empty) -> NDArray[np.bool_]:
    if empty not in ("score", "skip"):
        raise UserError(f"empty is '{empty}'; allowed are score and skip.")
    state = record.overlap.state
    left_out = (State.UNKNOWN, State.BOTH_EMPTY) if empty == "skip" else (State.UNKNOWN,)
    return ~np.isin(state, left_out)


def _quotient(upper: NDArray, lower: NDArray, true: NDArray) -> NDArray[np.float64]:
    nothing = lower == 0
    found = upper / np.where(nothing, 1, lower)
    return np.where(nothing, np.where(true == 0, 1.0, 0.0), found)


def _factor(patient: NDArray) -> tuple[int, float]:
    """Return the number of patients, and what makes up for their mean being estimated."""
    patients = count_distinct(patient)
    return patients, float(np.sqrt(patients / (patients - 1))) if patients > 1 else float("nan")


def _mean_of_patients(
    values: NDArray[np.float64], patient: NDArray
) -> tuple[float, NDArray[np.float64]]:
    films = np.bincount(patient)
    means = np.bincount(patient, values)[films > 0] / films[films > 0]
    patients, factor = _factor(patient)
    estimate = float(means.mean())
    return estimate, (values - estimate) * factor / (films[patient] * patients)


def _pooled(
    upper: NDArray, lower: NDArray, true: NDArray, patient: NDArray
) -> tuple[float, NDArray[np.float64]]:
    total = lower.sum()
    estimate = float(_quotient(upper.sum(), total, true.sum()))
    _, factor = _factor(patient)
    # Of nothing, there is a value by convention, and no film moves it.
    return estimate, (upper - estimate * lower) * factor / (total or 1)


def _dice(record: MaskRecord) -> tuple[NDArray, NDArray]:
    counts = record.overlap
    return 2 * counts.true_positive, counts.predicted + counts.true


def _iou(record: MaskRecord) -> tuple[NDArray, NDArray]:
    counts = record.overlap
    return counts.true_positive, counts.predicted + counts.true - counts.true_positive


def _sensitivity(record: MaskRecord) -> tuple[NDArray, NDArray]:
    return record.overlap.true_positive, record.overlap.true


def _precision(record: MaskRecord) -> tuple[NDArray, NDArray]:
    return record.overlap.true_positive, record.overlap.predicted


def _surface_dice(record: MaskRecord, tolerance: float) -> tuple[NDArray, NDArray]:
    return record.near(tolerance), record.outline_sizes


def _hd95(record: MaskRecord) -> tuple[NDArray, NDArray]:
    return record.hd95, np.ones_like(record.hd95)


dice = MaskMetric(_dice, "patient")
dice_by_film = MaskMetric(_dice, "film")
dice_pooled = MaskMetric(_dice, "pooled")
iou = MaskMetric(_iou, "patient")
iou_by_film = MaskMetric(_iou, "film")
iou_pooled = MaskMetric(_iou, "pooled")
pixel_sensitivity = MaskMetric(_sensitivity, "patient")
pixel_sensitivity_by_film = MaskMetric(_sensitivity, "film")
pixel_sensitivity_pooled = MaskMetric(_sensitivity, "pooled")
pixel_precision = MaskMetric(_precision, "patient")
pixel_precision_by_film = MaskMetric(_precision, "film")
pixel_precision_pooled = MaskMetric(_precision, "pooled")
surface_dice = MaskMetric(_surface_dice, "patient")
surface_dice_by_film = MaskMetric(_surface_dice, "film")
surface_dice_pooled = MaskMetric(_surface_dice, "pooled")
hd95 = MaskMetric(_hd95, "patient")
hd95_by_film = MaskMetric(_hd95, "film")
