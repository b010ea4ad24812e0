"""How much each patient moves an AUROC: placements, influence values and their variance.

An AUROC is nearly a sum of independent contributions, one per patient. Contributions add over
tasks and subtract over models, so they give the standard error of a mean over tasks and of any
paired difference in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.auroc import split_classes
from transfergrid.runtime.errors import UserError


@dataclass(frozen=True)
class Influence:
    """An estimate with the contribution of each patient to its sampling error.

    Attributes:
        estimate: The statistic, such as a macro AUROC.
        patients: (G,) identifiers, sorted.
        values: (G,) float64; the sum of squares is the sampling variance of `estimate`, and
            values of two estimates on the same patients subtract for a paired difference.
        groups: (G,) int, patients whose contributions are alike, from 0, such as those of a
            class; -1 for a patient who contributes nothing, because no label is known. `None`
            where all are alike.
    """

    estimate: float
    patients: NDArray
    values: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None


def placements(
    scores: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the placement values of positives and negatives.

    The placement of a positive is the share of negatives that it beats, of a negative the share
    of positives that beat it; a tie counts one half. The mean of either is the AUROC, and their
    variances are those of DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837-845), here
    from sorted scores (Sun and Xu 2014, IEEE Signal Processing Letters 21:1389-1393).

    Args:
        scores: (M, N) scores, one row per model.
        labels: (N,) values 0, 1 or NaN; a unit with NaN is dropped.

    Returns:
        (M, n_pos) and (M, n_neg) float64 in [0, 1], in the order of the units; NaN where the
        other class is empty, and for a model with a NaN score.

    Raises:
        UserError: Shapes differ, or a label is neither 0, 1 nor NaN.
    """
    positives, negatives = split_classes(scores, labels)
    v10 = np.full(positives.shape, np.nan)
    v01 = np.full(negatives.shape, np.nan)
    if v10.size and v01.size:
        for m, (up, down) in enumerate(zip(positives, negatives, strict=True)):
            if not (np.isnan(up).any() or np.isnan(down).any()):
                # Sorted values are looked up among sorted ones several times faster.
                places = np.argsort(up), np.argsort(down)
                high, low = up[places[0]], down[places[1]]
                v10[m, places[0]] = _share_below(high, low)
                v01[m, places[1]] = 1 - _share_below(low, high)
    return v10, v01


def _share_below(values: NDArray, ranked: NDArray) -> NDArray[np.float64]:
    below = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    return below / (2.0 * len(ranked))


def delong_covariance(
    scores: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AUROCs and their covariance, every unit taken as independent (DeLong 1988).

    Args:
        scores: (M, N) scores, one row per model.
        labels: (N,) values 0, 1 or NaN.

    Returns:
        (M,) AUROCs and (M, M) covariance; NaN where a class is empty, and a NaN covariance where
        a class has one unit.
    """
    areas, values = influence_values(scores, labels, np.arange(np.shape(labels)[0]))
    return areas, values @ values.T


def influence_values(
    scores: ArrayLike, labels: ArrayLike, patient: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the AUROC of each model and the contribution of each unit to its sampling error.

    Contributions are centred placements over the number of their class, times
    sqrt(I / (I - 1)) with I the number of patients who have a unit of that class. Summed by
    patient and squared they give the clustered variance of Obuchowski (1997, Biometrics
    53:567-578; there the cross term's factor counts all patients), and with one unit per patient
    exactly that of DeLong.

    Args:
        scores: (M, N) scores, one row per model.
        labels: (N,) values 0, 1 or NaN.
        patient: (N,) int, the number of each unit's patient, from 0.

    Returns:
        (M,) AUROCs, and (M, N) contributions: 0 for a unit with unknown label, NaN where the
        AUROC is NaN or a class comes from a single patient.

    Raises:
        UserError: Shapes differ, or a label is neither 0, 1 nor NaN.
    """
    labels, patient = np.asarray(labels), np.asarray(patient)
    v10, v01 = placements(scores, labels)
    values = np.zeros((len(v10), len(labels)))
    if v10.shape[1] == 0 or v01.shape[1] == 0:
        return np.full(len(v10), np.nan), np.full(values.shape, np.nan)
    areas = v10.mean(axis=1)
    for label, v in ((1, v10), (0, v01)):
        units = labels == label
        patients = count_distinct(patient[units])
        factor = np.sqrt(patients / (patients - 1)) if patients > 1 else np.nan
        values[:, units] = (v - areas[:, None]) * factor / v.shape[1]
    return areas, values


def count_distinct(numbers: NDArray[np.integer]) -> int:
    """Return how many different numbers there are among small whole numbers from 0."""
    return int(np.count_nonzero(np.bincount(numbers)))


def sum_by_patient(values: ArrayLike, patient: ArrayLike, patients: int) -> NDArray[np.float64]:
    """Sum contributions of units by patient.

    Args:
        values: (M, N) contributions.
        patient: (N,) int in [0, patients).
        patients: Number of patients G.

    Returns:
        (M, G) float64.
    """
    return np.array(
        [np.bincount(np.asarray(patient), row, minlength=patients) for row in np.asarray(values)]
    ).reshape(-1, patients)


def macro_influence(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patient_id: ArrayLike,
    task_indices: Sequence[int],
) -> Influence:
    """Return the macro AUROC of one model with the contribution of each patient.

    Args:
        probabilities: (N, T) scores, one row per study.
        labels: (N, T) values 0, 1 or NaN.
        patient_id: (N,) identifiers.
        task_indices: Columns to average over, at least one.

    Returns:
        The influence; its estimate is NaN if any of the tasks is single-class.

    Raises:
        UserError: No task is named, shapes differ, or a label is neither 0, 1 nor NaN.
    """
    scores, labels = np.asarray(probabilities), np.asarray(labels)
    if len(task_indices) == 0:
        raise UserError("The macro AUROC needs at least one task: name one in score_tasks.")
    patients, patient = np.unique(np.asarray(patient_id), return_inverse=True)
    parts = [influence_values(scores[None, :, t], labels[:, t], patient) for t in task_indices]
    estimate = float(np.mean([area[0] for area, _ in parts]))
    values = np.mean([value for _, value in parts], axis=0)
    sums = sum_by_patient(values, patient, len(patients))[0]
    groups = rarest_class(labels[:, list(task_indices)], patient, len(patients))
    return Influence(estimate, patients, sums, groups)


def rarest_class(labels: ArrayLike, patient: ArrayLike, patients: int) -> NDArray[np.int64]:
    """Group patients by the rarest class of which each has a unit.

    Args:
        labels: (N, T) values 0, 1 or NaN.
        patient: (N,) int in [0, patients).
        patients: Number of patients G.

    Returns:
        (G,) numbers of groups from 0; -1 for a patient without a known label.
    """
    labels, patient = np.asarray(labels), np.asarray(patient)
    members = [
        np.bincount(patient[column == label], minlength=patients) > 0
        for column in labels.T
        for label in (1, 0)
    ]
    groups = np.full(patients, -1)
    # The commonest first, so that a rarer class takes its patients over.
    sizes = [int(member.sum()) for member in members]
    for group in sorted(range(len(members)), key=lambda g: (sizes[g], g), reverse=True):
        groups[members[group]] = group
    return groups


def degrees_of_freedom(values: ArrayLike, groups: ArrayLike | None = None) -> float:
    """Return Welch's degrees of freedom of the sum of squares of patients' contributions.

    Groups of patients differ in how much they contribute: 8 positives may carry nearly all of a
    variance, which then is known no better than from 8 patients. With shares v of the sum in
    groups of n patients it is (sum v)^2 / sum(v^2 / (n - 1)); Satterthwaite (1946, Biometrics
    Bulletin 2:110-114), Welch (1947, Biometrika 34:28-35).

    Args:
        values: (G,) contributions.
        groups: (G,) numbers of the patients' groups; -1 for patients who do not count. `None`
            for one group of all.

    Returns:
        Degrees of freedom > 0; NaN without a variance.
    """
    values = np.asarray(values, dtype=np.float64)
    groups = np.zeros(len(values), dtype=np.int64) if groups is None else np.asarray(groups)
    counted = groups >= 0
    shares = np.bincount(groups[counted], values[counted] ** 2)
    sizes = np.bincount(groups[counted])
    # One patient alone says of its group what one degree of freedom would.
    spread = float((shares**2 / np.maximum(sizes - 1, 1)).sum())
    return float(shares.sum() ** 2) / spread if spread > 0 else float("nan")
