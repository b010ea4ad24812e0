"""Shares at a threshold, checked with scikit-learn, statsmodels and a bootstrap of patients."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix
from statsmodels.stats.proportion import proportion_confint

from transfergrid.metrics import operating
from transfergrid.metrics.influence import sum_by_patient
from transfergrid.metrics.intervals import Measured, task_interval

SHARES = ("sensitivity", "specificity", "ppv", "npv")


def drawn(patients: int, films: int = 1, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    labels = np.repeat((rng.random(patients) < 0.3).astype(float), films)
    labels[rng.random(len(labels)) < 0.05] = np.nan
    scores = np.nan_to_num(labels) * 1.3 + np.repeat(rng.normal(size=patients), films)
    return (
        scores + 0.3 * rng.normal(size=len(labels)),
        labels,
        np.repeat(np.arange(patients), films),
    )


def counted(scores: np.ndarray, labels: np.ndarray, at: float) -> dict[str, tuple[int, int]]:
    """Return by share how many of how many, from scikit-learn's confusion matrix."""
    known = ~np.isnan(labels)
    (tn, fp), (fn, tp) = confusion_matrix(labels[known], scores[known] >= at, labels=[0, 1])
    found = {"sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp)}
    return found | {"ppv": (tp, tp + fp), "npv": (tn, tn + fn)}


def measured(
    share: str, scores: np.ndarray, labels: np.ndarray, patient: np.ndarray, at: float
) -> Measured:
    estimates, values = getattr(operating, share)(scores[None], labels, patient, threshold=at)
    return Measured.of(estimates[0], values[0], scores, labels, patient, (0.0, 1.0), at)


@pytest.mark.parametrize("share", SHARES)
def test_shares_are_those_of_the_confusion_matrix(share: str) -> None:
    scores, labels, patient = drawn(80, 2)
    rows = np.stack([scores, -scores])
    for at in (-0.5, 0.4, 1.5):
        found, values = getattr(operating, share)(rows, labels, patient, threshold=at)
        for row, value in zip(rows, found, strict=True):
            hits, of = counted(row, labels, at)[share]
            assert value == pytest.approx(hits / of)
        assert values.shape == rows.shape and (values[:, np.isnan(labels)] == 0).all()


@pytest.mark.parametrize("share", SHARES)
def test_intervals_are_wilsons_where_each_film_is_a_patient(share: str) -> None:
    scores, labels, patient = drawn(150)
    bounds = getattr(operating, f"{share}_bounds")
    found = task_interval(measured(share, scores, labels, patient, 0.4), 0.1, bounds)
    hits, of = counted(scores, labels, 0.4)[share]
    # Student's t for z, and the variance's divisor of n - 1 for n.
    t = stats.t.isf(0.05, of - 1)
    scale = (of - 1) / of
    expected = proportion_confint(
        hits * scale, of * scale, alpha=2 * stats.norm.sf(t), method="wilson"
    )
    assert found.estimate == pytest.approx(hits / of)
    assert (found.low, found.high) == pytest.approx(expected)


@pytest.mark.parametrize("share", SHARES)
def test_the_variance_is_that_of_a_bootstrap_of_patients(share: str) -> None:
    scores, labels, patient = drawn(150, 3)
    _, values = getattr(operating, share)(scores[None], labels, patient, threshold=0.4)
    sums = sum_by_patient(values, patient, 150)[0]
    rng, found = np.random.default_rng(1), []
    for _ in range(1500):
        rows = (rng.integers(0, 150, 150)[:, None] * 3 + np.arange(3)).ravel()
        hits, of = counted(scores[rows], labels[rows], 0.4)[share]
        found.append(hits / of)
    assert np.sqrt((sums**2).sum()) == pytest.approx(np.std(found), rel=0.1)


def test_all_right_still_has_a_lower_bound_from_those_that_are_called() -> None:
    labels = np.array([1.0, 1, 1, *[0.0] * 40])
    scores = np.where(labels == 1, 2.0, 0.0)
    found = measured("ppv", scores, labels, np.arange(43), 1.0)
    low, high = operating.ppv_bounds(found)
    # Three patients are called: the many others say nothing of this share.
    t = stats.t.isf(0.025, 2)
    assert (low, high) == pytest.approx((3 / (3 + t**2), 1.0))


def test_without_calls_there_is_no_predictive_value() -> None:
    scores, labels, patient = drawn(30)
    assert np.isnan(operating.ppv(scores[None], labels, patient, threshold=99.0)[0][0])
    assert np.isnan(operating.npv(scores[None], labels, patient, threshold=-99.0)[0][0])
    one = measured("ppv", np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.arange(2), 0.5)
    assert np.isnan(operating.ppv_bounds(one)).all()
