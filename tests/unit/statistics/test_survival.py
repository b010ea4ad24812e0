"""Kaplan and Meier's curve against R's survival and statsmodels, on that package's aml data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from transfergrid.statistics.survival import KaplanMeier

# Weeks of remission, with or without maintenance; + is a patient still in remission (Miller 1997).
AML = {
    "maintained": "9 13 13+ 18 23 28+ 31 34 45+ 48 161+",
    "not": "5 5 8 8 12 16+ 23 27 30 33 43 45",
}
R = {"maintained": (24.602273, 2.313149, 31.0), "not": (19.694444, 3.054198, 23.0)}
"""survival in R 4.2.2: the restricted mean to week 30, its error, and the median."""


def arm(name: str) -> tuple[list[float], list[bool]]:
    words = AML[name].split()
    return [float(word.rstrip("+")) for word in words], [not word.endswith("+") for word in words]


@pytest.mark.parametrize("name", AML)
def test_the_restricted_mean_and_the_median_are_those_of_r(name: str) -> None:
    curve = KaplanMeier.of(*arm(name))
    mean, error, median = R[name]
    assert curve.restricted_mean(30) == pytest.approx((mean, error), abs=1e-6)
    assert curve.median == median


@pytest.mark.parametrize("name", AML)
def test_the_curve_is_that_of_statsmodels(name: str) -> None:
    times, happened = arm(name)
    curve, other = KaplanMeier.of(times, happened), SurvfuncRight(times, happened)
    kept = other.n_events > 0
    np.testing.assert_allclose(curve.times, other.surv_times[kept])
    np.testing.assert_allclose(curve.survival, other.surv_prob[kept], atol=1e-12)
    assert list(curve.at_risk) == list(other.n_risk[kept])


def test_with_one_horizon_the_restricted_mean_is_that_of_the_cut_times() -> None:
    times = np.array([3.0, 7.0, 7.0, 12.0, 20.0])
    happened = np.array([True, True, True, True, False])
    mean, _ = KaplanMeier.of(times, happened).restricted_mean(20.0)
    assert mean == pytest.approx(times.mean())


@pytest.mark.parametrize("count", [2, 3, 4, 6, 7, 10])
def test_without_censoring_the_median_is_the_usual_one(count: int) -> None:
    times = np.random.default_rng(count).permutation(np.arange(1.0, count + 1) ** 2)
    curve = KaplanMeier.of(times, np.ones(count, dtype=bool))
    assert curve.median == pytest.approx(np.median(times))


def test_what_never_happens_has_no_median_and_no_error() -> None:
    curve = KaplanMeier.of([5.0, 5.0], [False, False])
    assert curve.restricted_mean(5.0) == (5.0, 0.0)
    assert math.isnan(curve.median)
    assert math.isnan(KaplanMeier.of([2.0, 5.0, 5.0], [True, False, False]).median)
    assert KaplanMeier.of([2.0, 5.0], [True, False]).median == 2.0
