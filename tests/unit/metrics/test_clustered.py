from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from transfergrid.metrics.clustered import clustered_mean, clustered_share


def test_the_mean_is_that_of_regression_with_clustered_errors() -> None:
    rng = np.random.default_rng(1)
    patient = rng.integers(0, 40, 150)
    values = np.clip(0.5 + rng.normal(0, 0.1, 40)[patient] + rng.normal(0, 0.05, 150), 0, 1)
    found = clustered_mean(values, patient, 0.9)
    fit = sm.OLS(values, np.ones(150)).fit(cov_type="cluster", cov_kwds={"groups": patient})
    arm = stats.t.isf(0.05, found.n_patients - 1) * fit.bse[0]
    assert found.n == 150
    assert found.estimate == pytest.approx(fit.params[0])
    assert (found.low, found.high) == pytest.approx((found.estimate - arm, found.estimate + arm))


def test_the_share_is_wilsons_where_patients_are_many_and_single() -> None:
    values = np.zeros(2000)
    values[:500] = 1
    found = clustered_share(values, np.arange(2000))
    expected = proportion_confint(500, 2000, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected, abs=2e-4)


def test_copies_of_a_patients_values_add_nothing() -> None:
    rng = np.random.default_rng(2)
    values, patient = rng.integers(0, 2, 60), np.arange(60) // 2
    for interval in (clustered_mean, clustered_share):
        once = interval(values, patient)
        copied = interval(np.tile(values, 5), np.tile(patient, 5))
        assert (once.low, once.high) == pytest.approx((copied.low, copied.high))


def test_no_spread_and_few_patients() -> None:
    every = clustered_share(np.ones(12), np.arange(12) // 2)
    assert (every.estimate, every.high, every.n_patients) == (1, 1, 6)
    assert 0.3 < every.low < 0.9
    alone = clustered_share([1, 0], ["a", "a"])
    assert alone.estimate == 0.5
    assert np.isnan([alone.low, alone.high]).all()
    assert np.isnan(clustered_mean([], []).estimate)


def test_shares_of_patients_who_differ_are_covered() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(2000):
        chance = rng.beta(2, 3, 50)
        values = rng.random((50, 4)) < chance[:, None]
        found = clustered_share(values.ravel(), np.repeat(np.arange(50), 4))
        inside += found.low <= 0.4 <= found.high
    assert 0.93 <= inside / 2000 <= 0.98
