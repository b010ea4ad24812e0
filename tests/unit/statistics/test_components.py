from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.weightstats import ttost_paired

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
    assert found.df == pytest.approx(total**2 / (between**2 / (2 * 1) + patient**2 / 1))


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
