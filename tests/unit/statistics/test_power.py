"""Power against the distributions it speaks of, drawn; published figures for ranks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.power import TTestPower

from transfergrid.statistics.components import Difference, difference
from transfergrid.statistics.power import (
    difference_power,
    equivalence_power,
    power_of,
    rho_critical,
    rho_detectable,
    seeds_needed,
)


@pytest.mark.parametrize(
    ("n", "effect"), [(2, 1.5), (3, 2.0), (4, 0.9), (10, 0.5), (40, 0.1), (12, 3.0), (50_000, 0.01)]
)
def test_power_of_a_difference_is_statsmodels(n: int, effect: float) -> None:
    expected = TTestPower().power(effect, n, 0.05)
    assert difference_power(1 / math.sqrt(n), n - 1, effect) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("df", [1.0, 1.3, 3.7, 12, 200, 40_000])
@pytest.mark.parametrize("width", [0.3, 1.7, 2.5, 4.0, 30.0])
def test_powers_are_those_of_the_other_order_of_integration(df: float, width: float) -> None:
    # Given where the estimate falls, how often is its standard error small enough?
    def equivalent(y: float) -> float:
        return 2 * stats.norm.pdf(y) * stats.chi2.cdf(df * ((width - y) / one_sided) ** 2, df)

    def different(y: float) -> float:
        return stats.norm.pdf(y - width) * stats.chi2.cdf(df * (y / two_sided) ** 2, df)

    one_sided, two_sided = stats.t.isf(0.05, df), stats.t.isf(0.025, df)
    steps = np.linspace(0, min(width, 9), 40)
    shown = sum(integrate.quad(equivalent, *ends)[0] for ends in itertools.pairwise(steps))
    assert equivalence_power(0.5, df, width / 2) == pytest.approx(shown, abs=1e-8)
    steps = np.append(np.linspace(width - 9, width + 9, 60), 0.0)
    steps.sort()
    found = sum(integrate.quad(different, *ends)[0] for ends in itertools.pairwise(steps))
    assert difference_power(0.5, df, -width / 2) == pytest.approx(found, abs=1e-8)


def _measured(seeds: int, spread: float, patients: float = 0.001) -> Difference:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 1, 400)) * patients / 20 + np.zeros((2, seeds, 1))
    estimates = np.linspace(-1, 1, seeds) * spread
    return difference(estimates, estimates, *values)


def test_the_seeds_needed_are_the_fewest_that_reach_the_power() -> None:
    found = _measured(3, 0.006)
    needed = seeds_needed(found, 0.01, True)
    assert power_of(found, 0.01, True) < 0.8 and needed > 3
    assert power_of(found.with_seeds(needed), 0.01, True) >= 0.8
    assert power_of(found.with_seeds(needed - 1), 0.01, True) < 0.8
    # Twice the seeds' SD needs about four times the seeds.
    assert seeds_needed(_measured(3, 0.012), 0.01, True) / needed == pytest.approx(4, rel=0.2)


def test_no_number_of_seeds_mends_too_few_patients() -> None:
    assert seeds_needed(_measured(3, 0.001, patients=0.02), 0.01, True) == math.inf
    assert seeds_needed(_measured(3, 0.001), 0.01, True) == 2
    assert math.isnan(seeds_needed(_measured(1, 0.0), 0.01, False))
    assert 0 < power_of(_measured(1, 0.0), 0.01, False) <= 1
    nothing = difference([0.0, 0.0], [0.0, 0.0], np.zeros((2, 3)), np.zeros((2, 3)))
    assert math.isnan(power_of(nothing, 0.01, True))
    assert math.isnan(seeds_needed(nothing, 0.01, True))


def test_what_sixteen_networks_can_show() -> None:
    assert rho_critical(16) == pytest.approx(0.50, abs=0.005)
    assert rho_detectable(16) == pytest.approx(0.66, abs=0.005)
    assert rho_detectable(90) == pytest.approx(0.3, abs=0.005)
    # The critical value is where the t approximation's p crosses the level.
    rho = rho_critical(16)
    t = rho * math.sqrt(14 / (1 - rho**2))
    assert 2 * stats.t.sf(t, 14) == pytest.approx(0.05)
    assert math.isnan(rho_critical(2)) and math.isnan(rho_detectable(3))


def test_detectable_rho_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(1)
    # A normal correlation r has Spearman's rho 6 / pi asin(r / 2).
    r = 2 * math.sin(math.pi * rho_detectable(16) / 6)
    x = rng.normal(size=(4000, 16))
    y = r * x + math.sqrt(1 - r * r) * rng.normal(size=(4000, 16))
    a, b = (stats.rankdata(v, axis=1) - 8.5 for v in (x, y))
    rho = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    assert np.mean(np.abs(rho) >= rho_critical(16)) == pytest.approx(0.8, abs=0.04)
