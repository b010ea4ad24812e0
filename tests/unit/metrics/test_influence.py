from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from unit.evaluation.proc import golden

from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.metrics.influence import (
    degrees_of_freedom,
    delong_covariance,
    influence_values,
    macro_influence,
    placements,
    rarest_class,
    sum_by_patient,
)

PROC = golden.cases()


def wins(up: float, down: float) -> float:
    return float(up > down) + 0.5 * (up == down)


def delong_by_pairs(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Structural components by the double loop of DeLong et al., equation by equation."""
    pos, neg = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    v10 = np.array([[np.mean([wins(s[i], s[j]) for j in neg]) for i in pos] for s in scores])
    v01 = np.array([[np.mean([wins(s[i], s[j]) for i in pos]) for j in neg] for s in scores])
    return np.cov(v10, ddof=1) / len(pos) + np.cov(v01, ddof=1) / len(neg)


def obuchowski(scores: np.ndarray, labels: np.ndarray, patient: np.ndarray) -> float:
    """Variance of one AUROC of clustered data, as printed in Obuchowski (1997)."""
    pos, neg = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    m, n = len(pos), len(neg)
    v10 = {i: np.mean([wins(scores[i], scores[j]) for j in neg]) for i in pos}
    v01 = {j: np.mean([wins(scores[i], scores[j]) for i in pos]) for j in neg}
    area = np.mean(list(v10.values()))
    clusters = np.unique(patient)
    up = {c: sum(v10[i] - area for i in pos if patient[i] == c) for c in clusters}
    down = {c: sum(v01[j] - area for j in neg if patient[j] == c) for c in clusters}
    i10 = sum(any(patient[i] == c for i in pos) for c in clusters)
    i01 = sum(any(patient[j] == c for j in neg) for c in clusters)
    s10 = i10 / ((i10 - 1) * m) * sum(v**2 for v in up.values())
    s01 = i01 / ((i01 - 1) * n) * sum(v**2 for v in down.values())
    s11 = len(clusters) / (len(clusters) - 1) * sum(up[c] * down[c] for c in clusters)
    return float(s10 / m + s01 / n + 2 * s11 / (m * n))


def clustered_variance(values: np.ndarray, patient: np.ndarray) -> float:
    """Return what the docstring of the contributions says that they are for, of one model."""
    return float((sum_by_patient(values, patient, int(np.max(patient)) + 1) ** 2).sum())


def simulate(
    rng: np.random.Generator, patients: int, views: int, tasks: int, models: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    patient = np.repeat(np.arange(patients), views)
    prone = np.repeat(rng.normal(size=(patients, tasks)), views, axis=0)
    labels = (prone + 0.4 * rng.normal(size=prone.shape) > 0.4).astype(float)
    taste = np.repeat(rng.normal(size=(models, patients, tasks)), views, axis=1)
    scores = labels + taste + 0.5 * rng.normal(size=(models, len(patient), tasks))
    labels[rng.random(labels.shape) < 0.1] = np.nan
    return np.round(scores, 1), labels, patient


def test_placements_by_hand() -> None:
    v10, v01 = placements([[3.0, 1.0, 2.0, 0.0, 1.0]], [1, 1, 0, 0, np.nan])
    np.testing.assert_array_equal(v10, [[1.0, 0.5]])
    np.testing.assert_array_equal(v01, [[0.5, 1.0]])
    area, covariance = delong_covariance([[3.0, 1.0, 2.0, 0.0]], [1, 1, 0, 0])
    # Both sample variances are 1/8, over two units each.
    assert area[0] == 0.75 and covariance[0, 0] == pytest.approx(0.125, abs=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_delong_agrees_with_the_loop_over_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random(60) < 0.3).astype(float)
    labels[:5] = np.nan
    scores = np.round(rng.normal(size=(3, 60)) + np.nan_to_num(labels), 1)
    areas, covariance = delong_covariance(scores, labels)
    np.testing.assert_allclose(covariance, delong_by_pairs(scores, labels), atol=1e-15)
    known = ~np.isnan(labels)
    expected = [roc_auc_score(labels[known], s[known]) for s in scores]
    np.testing.assert_allclose(areas, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["uint8", "int8", "int64", "bool", "float32"])
def test_labels_may_be_numbers_of_any_type(kind: str) -> None:
    """Those of MedMNIST are uint8, in which minus 1 is 255."""
    rng = np.random.default_rng(0)
    ill = rng.random(60) < 0.3
    scores = np.round(rng.normal(size=(2, 60)) + ill, 1)
    areas, covariance = delong_covariance(scores, ill.astype(kind))
    np.testing.assert_allclose(covariance, delong_by_pairs(scores, ill), atol=1e-15)
    np.testing.assert_allclose(areas, [roc_auc_score(ill, s) for s in scores], atol=1e-12)


@pytest.mark.parametrize("case", PROC)
def test_delong_agrees_with_proc(case: str) -> None:
    scores, labels, expected = PROC[case]
    areas, covariance = delong_covariance(scores, labels)
    assert list(areas) == pytest.approx([expected["auc_a"], expected["auc_b"]], abs=1e-12)
    numbers = [covariance[0, 0], covariance[1, 1], covariance[0, 1], covariance[1, 0]]
    both = [expected["covariance"]] * 2
    assert numbers == pytest.approx([expected["var_a"], expected["var_b"], *both], abs=1e-12)


@pytest.mark.parametrize("pure", [True, False])
def test_clustered_variance_is_obuchowskis(pure: bool) -> None:
    rng = np.random.default_rng(4)
    scores, labels, patient = simulate(rng, 40, 3, 1, 1)
    label = labels[:, 0]
    if pure:
        label = (np.repeat(rng.random(40), 3) < 0.4).astype(float)
    area, values = influence_values(scores[:, :, 0], label, patient)
    expected = obuchowski(scores[0, :, 0], label, patient)
    # Patients with both classes enter through a cross term whose small-sample factor differs.
    found = clustered_variance(values, patient)
    assert found == pytest.approx(expected, rel=1e-12 if pure else 0.01)
    assert values.sum() == pytest.approx(0, abs=1e-12)
    assert 0 < area[0] < 1


def test_contributions_of_the_mean_are_the_jackknife_over_patients() -> None:
    scores, labels, patient = simulate(np.random.default_rng(5), 100, 2, 3, 2)

    def macro(model: int, kept: np.ndarray) -> float:
        areas = []
        for t in range(3):
            known = kept & ~np.isnan(labels[:, t])
            areas.append(roc_auc_score(labels[known, t], scores[model, known, t]))
        return float(np.mean(areas))

    left_out = np.array([[macro(m, patient != g) for g in range(100)] for m in range(2)])
    for contrast in ([1, 0], [1, -1]):
        drops = np.array(contrast) @ left_out
        jackknife = np.sqrt(99 / 100 * ((drops - drops.mean()) ** 2).sum())
        parts = [macro_influence(scores[m], labels, patient, [0, 1, 2]) for m in range(2)]
        values = np.array(contrast) @ np.array([part.values for part in parts])
        assert np.sqrt((values**2).sum()) == pytest.approx(jackknife, rel=0.02)


def test_clustered_error_is_that_of_a_bootstrap_of_patients() -> None:
    scores, labels, patient = simulate(np.random.default_rng(6), 200, 3, 2, 2)
    draws = bootstrap_macro(scores, labels, patient, 4000, np.random.default_rng(7))
    a, b = (macro_influence(scores[m], labels, patient, [0, 1]) for m in range(2))
    difference = np.sqrt(((a.values - b.values) ** 2).sum())
    assert difference == pytest.approx(np.std(draws[:, 0] - draws[:, 1]), rel=0.05)
    clustered = np.sqrt((a.values**2).sum())
    assert clustered == pytest.approx(np.std(draws[:, 0]), rel=0.05)
    units = np.arange(len(patient))
    assert np.sqrt((macro_influence(scores[0], labels, units, [0, 1]).values ** 2).sum()) < (
        0.85 * clustered
    )


def test_patients_are_summed_and_sorted() -> None:
    np.testing.assert_array_equal(
        sum_by_patient([[1, 2, 4], [0, 1, 1]], [1, 0, 1], 3), [[2, 5, 0], [1, 1, 0]]
    )
    part = macro_influence(np.arange(4.0)[:, None], [[0], [1], [0], [1]], list("dbca"), [0])
    assert part.patients.tolist() == list("abcd")
    assert part.estimate == 0.75


def test_degrees_of_freedom_are_welchs_over_the_classes() -> None:
    rng = np.random.default_rng(9)
    labels = np.repeat([1.0, 0.0], [8, 90])
    scores = labels + rng.normal(size=98)
    part = macro_influence(scores[:, None], labels[:, None], np.arange(98), [0])
    # Welch's of a difference of means, here of the placements of the two classes.
    v10, v01 = placements(scores[None], labels)
    expected = stats.ttest_ind(v10[0], v01[0], equal_var=False).df
    assert degrees_of_freedom(part.values, part.groups) == pytest.approx(expected, rel=1e-12)
    assert expected < 9.5
    assert degrees_of_freedom(part.values) == pytest.approx(97)


def test_patients_are_grouped_by_their_rarest_class() -> None:
    # Patients: 0 and 1 are the only positives of the second task; 5 has no label at all.
    labels = [[1, 1], [0, 1], [1, 0], [0, 0], [0, np.nan], [np.nan, np.nan], [0, 0], [1, 0]]
    assert rarest_class(labels, range(8), 8).tolist() == [2, 2, 0, 1, 1, -1, 1, 0]
    # With both classes of one task, the rarer counts.
    assert rarest_class([[1], [0], [0], [0]], [0, 0, 1, 2], 3).tolist() == [0, 1, 1]
    values = np.array([3.0, 1.0, 0.0, 0.5, 0.5, 9.0, 0.1, 0.2])
    groups = rarest_class(labels, range(8), 8)
    shares = np.array([0.04, 0.25 + 0.25 + 0.01, 10.0])
    expected = shares.sum() ** 2 / (shares**2 / [1, 2, 1]).sum()
    assert degrees_of_freedom(values, groups) == pytest.approx(expected)
    assert np.isnan(degrees_of_freedom(np.zeros(8), groups))


def test_tasks_of_other_patients_add_their_degrees_of_freedom() -> None:
    # Two rare tasks with five positives each, not of the same patients; and one task twice.
    labels = np.zeros((400, 2))
    labels[:5, 0] = labels[5:10, 1] = 1
    values = np.where(np.arange(400) < 10, np.tile([1.0, -1.0], 200), 0.0)
    apart = degrees_of_freedom(values, rarest_class(labels, range(400), 400))
    same = degrees_of_freedom(values[5:], rarest_class(labels[5:, [1, 1]], range(395), 395))
    assert (apart, same) == pytest.approx((8, 4))


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [np.nan] * 4])
def test_an_empty_class_is_nan(labels: list[float]) -> None:
    area, values = influence_values([[1, 2, 3, 4]], labels, np.arange(4))
    assert np.isnan(area).all() and np.isnan(values).all()


def test_a_class_of_one_patient_has_an_estimate_without_variance() -> None:
    area, values = influence_values([[1.0, 2, 3, 4]], [0, 0, 1, 1], [0, 1, 2, 2])
    assert area[0] == 1.0
    assert np.isnan(clustered_variance(values, np.array([0, 1, 2, 2])))


def test_order_of_units_does_not_matter() -> None:
    scores, labels, patient = simulate(np.random.default_rng(8), 20, 2, 1, 1)
    first = macro_influence(scores[0], labels, patient, [0])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(patient))
        again = macro_influence(scores[0, order], labels[order], patient[order], [0])
        np.testing.assert_allclose(again.values, first.values, atol=1e-15)
