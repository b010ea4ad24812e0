"""Welch's interval against R and scipy, and the permutation test against all orders by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from transfergrid.statistics.two_samples import mean_interval, permutation_p, welch

SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)
"""R's data `sleep`."""


def test_the_interval_is_r_s_and_scipy_s() -> None:
    found = welch(*SLEEP, 0.05)
    assert (found.df, found.p) == pytest.approx((17.77647, 0.07939414), abs=1e-5)
    other = stats.ttest_ind(*SLEEP, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=1e-12)
    one = stats.ttest_1samp(SLEEP[0], 0).confidence_interval(0.95)
    assert mean_interval(SLEEP[0], 0.05) == pytest.approx((one.low, one.high), abs=1e-12)


def test_an_arm_s_variance_is_no_less_than_that_of_rounding() -> None:
    alike = ([100.0, 100.0, 100.0], [300.0, 300.0, 300.0])
    assert math.isnan(welch(*alike, 0.05).low)
    rounded = welch(*alike, 0.05, least=(50.0**2 / 12,) * 2)
    arm = stats.t.isf(0.025, 4) * math.sqrt(2 * 50**2 / 12 / 3)
    assert (rounded.low, rounded.high) == pytest.approx((-200 - arm, -200 + arm))
    spread = ([10.0, 200.0, 400.0], [20.0, 500.0, 900.0])
    assert welch(*spread, 0.05, least=(1.0, 1.0)) == welch(*spread, 0.05)


def test_one_run_in_an_arm_gives_a_difference_and_nothing_else() -> None:
    found = welch([1.0], [2.0, 4.0], 0.05)
    assert found.estimate == -2
    assert all(math.isnan(value) for value in (found.low, found.high, found.df, found.p))
    assert all(map(math.isnan, mean_interval([3.0], 0.05)))


@pytest.mark.parametrize(
    ("a", "b", "least"),
    [
        ([1, 2, 3], [4, 5, 6], 2 / 20),  # three seeds cannot reach 5 %
        ([4, 9, 3], [6, 5, 7], 2 / 20),
        ([1, 2, 3], [4, 5, 6, 7, 8], 2 / 56),
        ([1, 2, 3, 4], [5, 6, 7, 8], 2 / 70),
        ([1, 2, 3], [9, 9, 9], 2 / 20),
        ([1, 9, 9], [9, 9, 9], 1.0),  # one that is earlier can be in either arm
        ([9, 9, 9], [9, 9, 9], 1.0),
        ([1], [2], 1.0),
        ([1], [2, 3, 4], 2 / 4),
    ],
)
def test_the_permutation_test_is_that_over_all_orders(
    a: list[float], b: list[float], least: float
) -> None:
    pool, size = np.array(a + b, dtype=float), len(a)
    null = []
    for chosen in itertools.combinations(range(len(pool)), size):
        inside = np.isin(np.arange(len(pool)), chosen)
        null.append(pool[inside].mean() - pool[~inside].mean())
    apart = np.mean(a) - np.mean(b)
    shares = [np.mean(np.array(null) <= apart + 1e-9), np.mean(np.array(null) >= apart - 1e-9)]
    p, smallest = permutation_p(a, b, 0)
    assert p == pytest.approx(min(1.0, 2 * min(shares)))
    assert smallest == pytest.approx(least)
    if size > 1:  # scipy wants two values an arm

        def statistic(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
            return x.mean(axis=axis) - y.mean(axis=axis)

        assert p == pytest.approx(stats.permutation_test((a, b), statistic).pvalue)


def test_of_many_runs_some_orders_are_drawn() -> None:
    a, b = np.arange(12.0), np.arange(12.0) + 3
    p, least = permutation_p(a, b, 0)
    assert permutation_p(a, b, 0) == (p, least)
    assert p == pytest.approx(stats.ttest_ind(a, b).pvalue, abs=0.02)
    assert 2 / 20_001 <= least < 0.001
    # No p is below the smallest, not even that of arms further apart than any that was drawn.
    assert permutation_p(a, a + 100, 0) == (2 / 20_001, 2 / 20_001)
