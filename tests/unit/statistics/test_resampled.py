from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from transfergrid.statistics.resampled import corrected_resampled_t

SLEEP = (
    (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
    (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
)
"""Hours of sleep gained by ten patients under two drugs (Student 1908), R's data set `sleep`."""


def test_the_value_that_r_gives() -> None:
    # R 4.2.2: d <- sleep$extra[1:10] - sleep$extra[11:20]; mean(d) / sqrt((1/10 + 1/9) * var(d))
    found = corrected_resampled_t(np.subtract(*SLEEP), 1 / 9)
    assert found.estimate / found.se == pytest.approx(-2.795748, abs=5e-7)
    assert found.p == pytest.approx(0.02085702, abs=5e-9)
    assert (found.low, found.high) == pytest.approx((-2.858444, -0.301556), abs=5e-7)
    assert found.df == 9


def test_without_the_correction_it_is_the_paired_t_test() -> None:
    found = corrected_resampled_t(np.subtract(*SLEEP), 0.0)
    theirs = stats.ttest_rel(*SLEEP)
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_one_fold_says_nothing_of_a_spread_and_equal_folds_give_no_p() -> None:
    one = corrected_resampled_t([0.1], 0.25)
    assert one.estimate == 0.1
    assert all(map(math.isnan, (one.se, one.low, one.high, one.p)))
    same = corrected_resampled_t([0.1, 0.1, 0.1], 0.25)
    assert same.se < 1e-12 and math.isnan(same.p)
    assert math.isnan(corrected_resampled_t([], 0.25).estimate)
