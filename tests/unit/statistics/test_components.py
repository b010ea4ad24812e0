from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from transfergrid.metrics.influence import macro_influence
from transfergrid.statistics.components import difference, tost


def test_variance_components_by_hand() -> None:
    # Two seeds, two patients.
    a = [0.8, 0.9], [[0.03, -0.01], [0.01, -0.01]]
    b = [0.7, 0.7], [[0.0, 0.0], [0.0, 0.0]]
    found = difference(a[0], b[0], a[1], b[1])
    patient = 0.02**2 + 0.01**2
    between = 0.005 / 2
    interaction = (0.01**2 + 0.01**2) / 1 / 2
    assert found.estimate == pytest.approx(0.15)
    assert found.variance_patient == pytest.approx(patient)
    assert found.variance_seed == pytest.approx(between - interaction)
    total = patient + between - interaction
    assert found.se == pytest.approx(np.sqrt(total))
    assert found.df == pytest.approx(total**2 / (between**2 / 1 + patient**2 / 1))


def test_degrees_of_freedom_of_seeds_are_welchs() -> None:
    rng = np.random.default_rng(3)
    a, b = 0.8 + 0.003 * rng.normal(size=12), 0.7 + 0.03 * rng.normal(size=12)
    found = difference(a, b, *np.zeros((2, 12, 40)))
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert found.df == pytest.approx(welch.df, rel=1e-12) and welch.df < 15
    assert found.estimate / found.se == pytest.approx(welch.statistic, rel=1e-12)
    # Nor do patients who hardly vary change it; pooled arms would have 22.
    values = 1e-5 * rng.normal(size=(2, 1, 40)) + np.zeros((2, 12, 1))
    assert difference(a, b, *values).df == pytest.approx(welch.df, rel=1e-2)
    more = found.with_seeds(20)
    s2 = np.array([a.var(ddof=1), b.var(ddof=1)]) / 20
    assert more.df == pytest.approx(s2.sum() ** 2 / (s2**2 / 19).sum(), rel=1e-12)


def test_variance_and_degrees_of_freedom_are_those_of_mean_squares() -> None:
    # Seeds crossed with patients, a balanced layout: the variance of a contrast of two arms is
    # (MS_patient + MS_seed - MS_interaction) / (S G), each mean square summed over what is apart.
    rng = np.random.default_rng(11)
    seeds, patients = 4, 30
    effects = [
        rng.normal(size=(1, patients)) + 0.5 * rng.normal(size=(seeds, patients)) for _ in "ab"
    ]
    effects[0] += 0.1 * rng.normal(size=(seeds, 1))
    effects[1] += 1.0 * rng.normal(size=(seeds, 1))
    scale = np.sqrt(patients * (patients - 1))
    values = [(y - y.mean(axis=1, keepdims=True)) / scale for y in effects]
    found = difference(*(y.mean(axis=1) for y in effects), *values)
    apart = effects[0].mean(axis=0) - effects[1].mean(axis=0)
    ms_patient = seeds * ((apart - apart.mean()) ** 2).sum() / (patients - 1)
    ms_seed = [patients * y.mean(axis=1).var(ddof=1) for y in effects]
    ms_interaction = 0.0
    for y in effects:
        rest = y - y.mean(axis=0) - y.mean(axis=1, keepdims=True) + y.mean()
        ms_interaction += (rest**2).sum() / ((seeds - 1) * (patients - 1))
    cells = seeds * patients
    assert found.variance_patient == pytest.approx(ms_patient / cells)
    expected = (ms_patient + sum(ms_seed) - ms_interaction) / cells
    assert found.se**2 == pytest.approx(expected, rel=1e-12)
    spread = ms_patient**2 / (patients - 1) + sum(ms**2 for ms in ms_seed) / (seeds - 1)
    assert found.df == pytest.approx((expected * cells) ** 2 / spread, rel=1e-12)


def test_patients_of_a_rare_class_bound_the_degrees_of_freedom() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([1.0, 0.0, np.nan], [8, 150, 30])[:, None]
    arms = [
        macro_influence(
            (np.nan_to_num(labels) + rng.normal(size=(188, 1))), labels, range(188), [0]
        )
        for _ in "ab"
    ]
    a, b = arms
    found = difference([a.estimate], [b.estimate], a.values[None], b.values[None], a.groups)
    d2 = (a.values - b.values) ** 2
    parts = np.array([d2[:8].sum(), d2[8:158].sum()])
    assert found.df == pytest.approx(parts.sum() ** 2 / (parts**2 / [7, 149]).sum(), rel=1e-12)
    assert 7 <= found.df < 20


def test_seeds_that_differ_by_patients_noise_alone_add_nothing() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 3, 50)) * 0.01
    found = difference([0.8, 0.8001, 0.8], [0.7, 0.7, 0.7001], values[0], values[1])
    assert found.variance_seed == 0
    assert found.se == pytest.approx(np.sqrt(found.variance_patient))


def test_variance_components_are_unbiased() -> None:
    # Patients differ in how they score arms; seeds differ truly and by patient.
    rng = np.random.default_rng(1)
    estimates, variances = [], []
    for _ in range(4000):
        arms = []
        for _ in range(2):
            effects = rng.normal(size=60) + 1.5 * rng.normal(size=(3, 60))
            means = effects.mean(axis=1)
            centred = (effects - means[:, None]) / np.sqrt(60 * 59)
            arms.append((means + 0.3 * rng.normal(size=3), centred))
        found = difference(arms[0][0], arms[1][0], arms[0][1], arms[1][1])
        estimates.append(found.estimate)
        variances.append(found.se**2)
    assert np.mean(variances) == pytest.approx(np.var(estimates), rel=0.07)


@pytest.mark.parametrize("shift", [0.0, 0.03, -0.2])
def test_two_one_sided_tests_agree_with_statsmodels(shift: float) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 25)) * 0.1
    d = x + shift - y
    p = tost(d.mean(), d.std(ddof=1) / 5, 24, 0.1)
    assert p == pytest.approx(ttost_paired(x + shift, y, -0.1, 0.1)[0], rel=1e-10)


def test_more_seeds_leave_the_patients_that_seeds_share() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(2, 1, 80)) * 0.002
    values = shared + rng.normal(size=(2, 3, 80)) * 0.001
    found = difference(*(0.8 + 0.02 * rng.normal(size=(2, 3))), *values)
    assert found.with_seeds(3) == found
    six = found.with_seeds(6)
    assert six.variance_seed == pytest.approx(found.variance_seed / 2)
    assert six.interaction == pytest.approx(found.interaction / 2)
    assert found.variance_patient - six.variance_patient == pytest.approx(found.interaction / 2)
    limit = found.with_seeds(np.inf)
    assert limit.variance_seed == 0 and limit.df == pytest.approx(79)
    assert limit.variance_patient == pytest.approx(found.variance_patient - found.interaction)
