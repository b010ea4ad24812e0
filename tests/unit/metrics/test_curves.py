"""Curves with bands, checked with scikit-learn, a closed form and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from transfergrid.metrics import curves
from transfergrid.metrics.curves import FALSE_POSITIVE_RATES, RECALLS, Ranked, band

Cases = tuple[np.ndarray, np.ndarray]


def both_classes(rows: list[tuple[int, float]]) -> bool:
    return {0.0, 1.0} <= {label for _, label in rows}


cases = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from([0.0, 1.0, np.nan])), min_size=2, max_size=60
).filter(both_classes)


def drawn(rng: np.random.Generator, n: int, shift: float = 1.2, films: int = 1) -> tuple:
    """Return scores, labels and patients of a binormal model, equal for a patient's films."""
    labels = np.repeat((np.arange(n) < n // 4).astype(float), films)
    common = np.repeat(rng.normal(size=n), films)
    noise = rng.normal(size=n * films) * (films > 1) * 0.2
    return labels * shift + common + noise, labels, np.repeat(np.arange(n), films)


def highest(fpr: np.ndarray, tpr: np.ndarray, at: float) -> float:
    """Return the top of scikit-learn's polygon at a rate."""
    if (fpr == at).any():
        return float(tpr[fpr == at].max())
    after = int(np.argmax(fpr > at))
    share = (at - fpr[after - 1]) / (fpr[after] - fpr[after - 1])
    return float(tpr[after - 1] + share * (tpr[after] - tpr[after - 1]))


@given(cases)
def test_the_roc_curve_is_that_of_scikit_learn(rows: list[tuple[int, float]]) -> None:
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    known = ~np.isnan(labels)
    fpr, tpr, _ = roc_curve(labels[known], scores[known], drop_intermediate=False)
    expected = [highest(fpr, tpr, at) for at in FALSE_POSITIVE_RATES]
    ranked = Ranked.of(scores, labels, np.arange(len(labels)))
    found = curves.sensitivities(ranked, np.ones((1, len(labels))))[0]
    assert found == pytest.approx(expected)


@given(cases)
def test_areas_are_those_of_scikit_learn(rows: list[tuple[int, float]]) -> None:
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    known = ~np.isnan(labels)
    ranked = Ranked.of(scores, labels, np.arange(len(labels)))
    expected = roc_auc_score(labels[known], scores[known])
    assert curves.area_under_sensitivities(ranked) == pytest.approx(expected)
    expected = average_precision_score(labels[known], scores[known])
    assert curves.area_under_precisions(ranked) == pytest.approx(expected)


def test_a_mean_area_leaves_out_the_folds_that_a_curve_does() -> None:
    rng = np.random.default_rng(0)
    whole = [Ranked.of(*drawn(rng, 40)) for _ in range(2)]
    nothing = Ranked.of([0.1, 0.2], [0.0, 0.0], [0, 1])
    area = curves.area_under_sensitivities
    expected = np.mean([area(model) for model in whole])
    assert curves.mean_area(area, [*whole, nothing]) == pytest.approx(expected)
    for missing in (area, curves.area_under_precisions):
        assert np.isnan(missing(nothing)) and np.isnan(curves.mean_area(missing, [nothing]))


@given(cases)
def test_the_precision_is_that_of_scikit_learn(rows: list[tuple[int, float]]) -> None:
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    known = ~np.isnan(labels)
    precision, recall, _ = precision_recall_curve(labels[known], scores[known])
    # The highest threshold that reaches a recall stands last.
    expected = [precision[np.flatnonzero(recall >= at - 1e-9).max()] for at in RECALLS]
    ranked = Ranked.of(scores, labels, np.arange(len(labels)))
    found = curves.precisions(ranked, np.ones((1, len(labels))))[0]
    assert found == pytest.approx(expected)


def test_the_area_under_the_mean_curve_is_the_mean_auroc() -> None:
    rng = np.random.default_rng(1)
    models = [drawn(rng, 400, shift) for shift in (0.6, 1.4)]
    # Each model has a scale of its own, which must not matter.
    models[1] = (models[1][0] * 100 + 7, *models[1][1:])
    found = band(curves.sensitivities, [Ranked.of(*one) for one in models], rng, replicates=2)
    areas = [roc_auc_score(labels, scores) for scores, labels, _ in models]
    assert auc(FALSE_POSITIVE_RATES, found.mean) == pytest.approx(np.mean(areas), abs=2e-3)
    pooled = [np.concatenate(column) for column in zip(*models, strict=True)]
    assert abs(roc_auc_score(pooled[1], pooled[0]) - np.mean(areas)) > 0.02


def test_weights_count_a_patient_as_often_as_copies_do() -> None:
    scores, labels, patient = drawn(np.random.default_rng(2), 40, films=2)
    weights = np.random.default_rng(3).integers(0, 4, (1, 40)).astype(float)
    rows = np.repeat(np.arange(80), weights[0, patient].astype(int))
    copied = Ranked.of(scores[rows], labels[rows], patient[rows])
    for curve in (curves.sensitivities, curves.precisions):
        once = curve(Ranked.of(scores, labels, patient), weights)
        assert once == pytest.approx(curve(copied, np.ones((1, 40))))


def test_bands_hold_the_true_curve_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    truth = norm.cdf(1.2 + norm.ppf(FALSE_POSITIVE_RATES))
    inside = np.zeros(len(truth))
    for _ in range(300):
        ranked = Ranked.of(*drawn(rng, 160))
        found = band(curves.sensitivities, [ranked], rng, replicates=100)
        inside += (found.low <= truth + 1e-12) & (truth <= found.high + 1e-12)
    middle = inside[5:96:10] / 300
    assert 0.93 <= middle.mean() <= 0.98
    assert middle.min() >= 0.90


def test_bands_count_patients_and_not_their_films() -> None:
    rng = np.random.default_rng(5)
    scores, labels, patient = drawn(rng, 100)
    copied = Ranked.of(*(np.tile(column, 4) for column in (scores, labels, patient)))
    for curve in (curves.sensitivities, curves.precisions):
        once = band(curve, [Ranked.of(scores, labels, patient)], np.random.default_rng(6))
        more = band(curve, [copied], np.random.default_rng(6))
        assert more.mean == pytest.approx(once.mean)
        assert more.low == pytest.approx(once.low) and more.high == pytest.approx(once.high)


def test_seeds_that_agree_leave_the_band_and_others_narrow_it() -> None:
    scores, labels, patient = drawn(np.random.default_rng(7), 200)
    noise = np.random.default_rng(8).normal(size=(3, 200)) * 2
    one = Ranked.of(scores, labels, patient)
    alone = band(curves.sensitivities, [one], np.random.default_rng(9))
    twice = band(curves.sensitivities, [one, one], np.random.default_rng(9))
    assert (twice.low == pytest.approx(alone.low)) and (twice.high == pytest.approx(alone.high))
    noisy = [Ranked.of(scores + row, labels, patient) for row in noise]
    widths = [
        np.mean(found.high - found.low)
        for found in (
            band(curves.sensitivities, noisy[:1], np.random.default_rng(9)),
            band(curves.sensitivities, noisy, np.random.default_rng(9)),
        )
    ]
    assert widths[1] < 0.9 * widths[0]


def test_a_fold_that_lacks_a_class_is_in_no_mean() -> None:
    rng = np.random.default_rng(10)
    whole = Ranked.of(*drawn(rng, 60))
    bare = Ranked.of(rng.normal(size=20), np.zeros(20), np.arange(60, 80))
    found = band(curves.sensitivities, [whole, bare], np.random.default_rng(0))
    assert found.mean == pytest.approx(curves.sensitivities(whole, np.ones((1, 80)))[0])
    nothing = band(curves.precisions, [bare], rng)
    assert np.isnan(nothing.mean).all() and np.isnan(nothing.low).all()


def test_one_patient_of_a_class_says_nothing_of_the_spread() -> None:
    found = band(
        curves.sensitivities,
        [Ranked.of([3, 2, 1, 0], [1, 1, 0, 0], [0, 0, 1, 2])],
        np.random.default_rng(0),
    )
    assert (found.mean == 1).all() and np.isnan(found.low).all() and np.isnan(found.high).all()


def test_bands_have_a_width_where_nobody_is_misranked() -> None:
    labels = (np.arange(60) < 20).astype(float)
    ranked = Ranked.of(labels * 9 + np.arange(60) / 100, labels, np.arange(60))
    found = band(curves.sensitivities, [ranked], np.random.default_rng(0))
    assert (found.mean == 1).all() and (found.high == 1).all()
    # Wilson's lower bound of 20 of 20, with t for z.
    assert found.low[10] == pytest.approx(20 / (20 + 2.093**2), abs=1e-3)
    assert found.low[-1] == 1  # at a rate of 1 everybody is called
