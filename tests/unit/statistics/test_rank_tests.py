"""Ranks over data sets against R, in which folds and seeds of one data set are no blocks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from transfergrid.catalog.normal_range import critical_difference, range_at, range_beyond
from transfergrid.statistics.critical import not_different
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.rank_tests import rank_methods

# Areas under the curve of C4.5 with four ways to tune it, on 14 data sets (Demsar 2006, table 6).
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.59, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.0, 1.0, 1.0, 1.0],
        [0.94, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.975],
        [0.957, 0.978, 0.946, 0.97],
    ]
)


def test_demsars_data_give_what_r_gives() -> None:
    """R 4.2.2 with its package stats, and PMCMRplus's formulas written out in it."""
    found = rank_methods(DEMSAR, 0.05)
    assert found.means == pytest.approx([3.142857, 2, 2.928571, 1.928571], abs=1e-6)
    assert (found.chi2, found.p_chi2) == pytest.approx((10.952381, 0.01198618), abs=1e-6)
    assert found.df == (3, 39)
    assert (found.f, found.p_f) == pytest.approx((4.585890, 0.00762884), abs=1e-6)
    assert found.critical == pytest.approx(1.253559, abs=1e-5)
    assert rank_methods(DEMSAR, 0.1).critical == pytest.approx(1.118060, abs=1e-5)
    nemenyi = [found.p_nemenyi[pair] for pair in ((0, 1), (0, 3), (1, 2))]
    assert nemenyi == pytest.approx([0.08867271, 0.06168326, 0.22669689], abs=1e-7)
    conover = [found.p_conover[pair] for pair in ((0, 3), (0, 1), (1, 3))]
    assert conover == pytest.approx([0.00549356, 0.00860503, 0.86359363], abs=1e-7)
    above = np.triu_indices(4, 1)
    assert holm(found.p_conover[above]).min() == pytest.approx(6 * 0.00549356, abs=1e-6)


def test_means_that_differ_by_rounding_alone_are_tied() -> None:
    seeds = [0.1, 0.7, 0.3]
    means = [float(np.mean(order)) for order in (seeds, seeds[::-1], [0.7, 0.1, 0.3])]
    assert len(set(means)) > 1
    found = rank_methods([means, [0.3, 0.2, 0.1]], 0.05)
    assert found.ranks[0].tolist() == [2, 2, 2]


def test_friedmans_statistic_is_scipys_and_knows_nothing_of_scales() -> None:
    rng = np.random.default_rng(3)
    scores = np.round(rng.normal(size=(7, 5)), 1)
    found = rank_methods(scores, 0.05)
    other = stats.friedmanchisquare(*scores.T)
    assert (found.chi2, found.p_chi2) == pytest.approx((other.statistic, other.pvalue))
    scaled = rank_methods(np.exp(scores) * rng.uniform(1, 9, (7, 1)), 0.05)
    np.testing.assert_array_equal(scaled.ranks, found.ranks)


def test_orders_that_all_agree_or_are_all_tied_have_an_answer() -> None:
    alike = rank_methods(np.tile([3.0, 2.0, 1.0], (4, 1)), 0.05)
    assert math.isinf(alike.f) and alike.p_f == pytest.approx(1 / 6**3)
    assert alike.p_conover[0, 1] == 0 and alike.p_conover[0, 0] == 1
    tied = rank_methods(np.ones((3, 2)), 0.05)
    assert math.isnan(tied.chi2) and math.isnan(tied.p_f)
    assert (tied.p_nemenyi == 1).all() and (tied.p_conover == 1).all()


@pytest.mark.parametrize("k", [2, 4, 25])
def test_ranges_of_normal_values_are_scipys_studentized_range(k: int) -> None:
    for q in (0.5, 3.0, 6.0):
        assert range_beyond(q, k) == pytest.approx(stats.studentized_range.sf(q, k, np.inf), 1e-6)
    assert range_beyond(range_at(0.05, k), k) == pytest.approx(0.05, abs=1e-10)


def test_of_two_methods_nemenyi_is_the_normal_test() -> None:
    assert critical_difference(9, 2, 0.05) == pytest.approx(stats.norm.isf(0.025) / 3)


@pytest.mark.parametrize(
    ("means", "critical", "bars"),
    [
        ([1, 2, 3], 0.5, []),
        ([1, 2, 3], 5, [(0, 2)]),
        ([1, 2, 3, 4], 1.0, [(0, 1), (1, 2), (2, 3)]),
        ([1, 1.4, 2.2, 4, 4], 1.0, [(0, 1), (1, 2), (3, 4)]),
        ([1.5, 1.5], 0.1, [(0, 1)]),
    ],
)
def test_bars_join_what_does_not_differ(
    means: list[float], critical: float, bars: list[tuple[int, int]]
) -> None:
    assert not_different(means, critical) == bars


def test_every_pair_is_under_a_bar_or_differs() -> None:
    rng = np.random.default_rng(1)
    for k in (2, 9, 25):
        means, critical = sorted(rng.uniform(1, k, k)), rng.uniform(0.5, k / 2)
        bars = not_different(means, critical)
        for a, b in itertools.combinations(range(k), 2):
            joined = any(first <= a and b <= last for first, last in bars)
            assert joined == (means[b] - means[a] <= critical)
