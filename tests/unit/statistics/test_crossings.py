"""Where curves cross, planted by formula."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.crossings import Crossing, crossing, reached, verdict
from transfergrid.statistics.data_curves import Points

SIZES = (50, 100, 200, 400, 800)


def points(arm: float, curve: list[float], spread: float, patients: float = 0.0) -> Points:
    """Three seeds: an arm at one size, then the baseline's curve, errors of a known SD."""
    rng = np.random.default_rng(3)
    means = np.array([arm, *curve])
    apart = np.array([-1.0, 0.0, 1.0]) * spread  # their SD is `spread`
    values = patients * rng.choice([-1.0, 1.0], size=(len(means), 100)) / 10
    return Points.of(
        [
            {s: Influence(m + apart[s] * (k == 0), np.arange(100), values[k]) for s in range(3)}
            for k, m in enumerate(means)
        ],
        range(3),
    )


LINE = [0.1 * math.log(n) for n in SIZES]
"""A curve that is a straight line on log patients."""


@pytest.mark.parametrize("wanted", [50.0, 70.0, 200.0, 333.0, 800.0])
def test_a_value_is_reached_where_the_curve_has_it(wanted: float) -> None:
    assert reached(SIZES, LINE, 0.1 * math.log(wanted)) == pytest.approx(wanted)


def test_beyond_the_sizes_nothing_is_guessed() -> None:
    assert reached(SIZES, LINE, LINE[0] - 1e-9) == 0
    assert reached(SIZES, LINE, LINE[-1] + 1e-9) == math.inf


def test_the_first_number_of_patients_on_a_plateau_counts() -> None:
    assert reached(SIZES, [0.1, 0.2, 0.2, 0.2, 0.4], 0.2) == pytest.approx(100)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.floats(0, 1))
def test_curves_are_made_monotone_as_scikit_learn_does(values: list[float], wanted: float) -> None:
    fitted = IsotonicRegression().fit_transform(np.arange(5), values)
    found = reached(SIZES, values, wanted)
    if 0 < found < math.inf:
        there = np.interp(math.log(found), np.log(SIZES), fitted)
        assert there == pytest.approx(wanted, abs=1e-9)
    else:
        assert wanted <= fitted[0] + 1e-12 if found == 0 else wanted >= fitted[-1] - 1e-12


def test_an_interval_holds_the_numbers_at_which_the_difference_could_be_none() -> None:
    # A spread of the arm alone: the difference's interval is the same everywhere on the curve.
    spread, middle = 0.004, 0.1 * math.log(200)
    reach = 4.302652729911275 * spread / math.sqrt(3)  # t of 2 degrees of freedom
    found = crossing(points(middle, LINE, spread), 0, range(1, 6), SIZES, 0.05)
    assert found.patients == pytest.approx(200)
    assert found.low == pytest.approx(200 * math.exp(-10 * reach), rel=1e-3)
    assert found.high == pytest.approx(200 * math.exp(10 * reach), rel=1e-3)
    assert verdict(found, SIZES) == "crosses"
    # Where lower is better, the same curves turned over say the same.
    over = points(-middle, [-value for value in LINE], spread)
    turned = crossing(over, 0, range(1, 6), SIZES, 0.05, sign=-1)
    assert astuple(turned) == pytest.approx(astuple(found))


@pytest.mark.parametrize(
    ("arm", "patients", "low", "high", "told"),
    [
        (LINE[-1] + 0.5, math.inf, 800, math.inf, "never crosses"),
        (LINE[0] - 0.5, 0, 0, 50, "already at the smallest"),
        (LINE[-1] + 0.001, math.inf, None, math.inf, "undecided"),
        (LINE[0] - 0.001, 0, 0, None, "undecided"),
        (LINE[-1] - 0.001, None, None, math.inf, "undecided"),
    ],
)
def test_never_and_already_are_answers(
    arm: float, patients: float | None, low: float | None, high: float | None, told: str
) -> None:
    found = crossing(points(arm, LINE, 0.004), 0, range(1, 6), SIZES, 0.05)
    for expected, value in ((patients, found.patients), (low, found.low), (high, found.high)):
        if expected is None:
            assert SIZES[0] < value < SIZES[-1]
        else:
            assert value == pytest.approx(expected)
    assert verdict(found, SIZES) == told


def test_without_a_variance_there_is_no_interval() -> None:
    found = crossing(points(0.5, LINE, 0.0), 0, range(1, 6), SIZES, 0.05)
    assert math.isnan(found.low) and math.isnan(found.high)
    assert verdict(found, SIZES) == "undecided"


def test_test_patients_widen_an_interval() -> None:
    few = crossing(points(0.53, LINE, 0.004), 0, range(1, 6), SIZES, 0.05)
    more = crossing(points(0.53, LINE, 0.004, patients=0.01), 0, range(1, 6), SIZES, 0.05)
    assert more.low < few.low < few.patients == more.patients < few.high < more.high


def test_a_verdict_needs_both_ends() -> None:
    assert verdict(Crossing(100, 0, 300), SIZES) == "undecided"
    assert verdict(Crossing(100, 60, math.inf), SIZES) == "undecided"
    assert verdict(Crossing(100, 60, 300), SIZES) == "crosses"
