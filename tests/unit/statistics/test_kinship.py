"""Networks in families: effective numbers in closed form, levels and coverage by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from transfergrid.statistics.correlation import spearman, weighted_rank_correlations, z_variance
from transfergrid.statistics.kinship import (
    effective_number,
    intraclass,
    jackknife_variance,
    numbered,
    permuted_over,
)

FAMILIES = np.repeat(np.arange(6), [4, 3, 2, 1, 4, 2])  # CheXtransfer's sixteen networks


def ranks(rng: np.random.Generator, icc: float, r: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw two properties that run in families and correlate within and between them alike."""
    family, own = rng.normal(size=(2, 6)), rng.normal(size=(2, 16))
    for values in (family, own):
        values[1] = r * values[0] + math.sqrt(1 - r * r) * values[1]
    both = math.sqrt(icc) * family[:, FAMILIES] + math.sqrt(1 - icc) * own
    return stats.rankdata(both[0]), stats.rankdata(both[1])


def test_alike_members_count_as_one() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 8))
    assert effective_number(x, y, np.arange(8)) == pytest.approx(8)
    families = np.repeat(np.arange(8), 3)
    assert effective_number(x[families], y[families], families) == pytest.approx(8)
    # One property that does not run in families is enough to leave networks independent.
    loose = np.tile([0.0, 1.0, 2.0], 8)
    assert intraclass(loose, families) == 0
    assert effective_number(x[families], loose, families) == pytest.approx(24, rel=0.01)


def test_the_jackknife_leaves_each_family_out_in_turn() -> None:
    x, y = ranks(np.random.default_rng(3), 0.5, 0.6)
    z = [
        math.atanh(stats.spearmanr(x[f != FAMILIES], y[f != FAMILIES]).statistic) for f in range(6)
    ]
    assert jackknife_variance(x, y, FAMILIES) == pytest.approx(
        5 / 6 * np.sum((z - np.mean(z)) ** 2)
    )


def test_families_trade_places_and_members_within_them_in_all_orders() -> None:
    families = np.array([0, 0, 0, 1, 1, 2])
    x, y = stats.rankdata([[3, 1, 2, 9, 8, 5], [2.5, 1, 4, 6, 7.5, 5]], axis=1)
    means = np.array([y[families == f].mean() for f in range(3)])
    rest = y - means[families]
    reached = [
        abs(
            np.cov(x, means[list(order)][families] + np.r_[rest[list(a)], rest[3:5][list(b)], 0])[
                0, 1
            ]
        )
        for order in itertools.permutations(range(3))
        for a in itertools.permutations(range(3))
        for b in itertools.permutations(range(2))
    ]
    expected = np.mean(np.array(reached) >= abs(np.cov(x, y)[0, 1]) - 1e-12)
    assert permuted_over(x, y, families, np.random.default_rng(0)) == pytest.approx(expected)


def test_unrelated_properties_that_run_in_families_are_rarely_called_related() -> None:
    rng = np.random.default_rng(0)
    wrong = {"families": 0, "networks": 0}
    for _ in range(600):
        x, y = ranks(rng, 0.8)
        wrong["families"] += permuted_over(x, y, FAMILIES, rng, 400) <= 0.05
        wrong["networks"] += permuted_over(x, y, np.arange(16), rng, 400) <= 0.05
    assert wrong["families"] / 600 < 0.075
    assert wrong["networks"] / 600 > 0.13  # what permuting single networks did


@pytest.mark.parametrize(("icc", "r"), [(0.0, 0.0), (0.8, 0.0), (0.8, 0.6)])
def test_the_interval_holds_rho_of_networks_in_families(icc: float, r: float) -> None:
    rng = np.random.default_rng(1)
    truth, hits, plain = math.atanh(6 / math.pi * math.asin(r / 2)), 0, 0
    for _ in range(1000):
        both = ranks(rng, icc, r)
        z = math.atanh(stats.pearsonr(*both).statistic)
        variance, _, _ = z_variance(math.tanh(z), both, FAMILIES)
        hits += abs(z - truth) <= 1.96 * math.sqrt(variance)
        plain += abs(z - truth) <= 1.96 * math.sqrt(1.06 / 13)
    assert hits / 1000 >= 0.945
    assert icc == 0 or plain / 1000 < 0.88


def test_a_row_counts_networks_and_families_and_two_families_give_no_interval() -> None:
    rng = np.random.default_rng(2)
    x, y = ranks(rng, 0.8)
    row = spearman(x, y, "q", "x", "y", rng, families=[f"f{n}" for n in FAMILIES])
    assert (row.n, row.n_families) == (16, 6) and 6 < row.n_effective < 16
    assert row.method.endswith("random permutation of 6 families and within them")
    plain = spearman(x, y, "q", "x", "y", rng)
    assert row.high - row.low > plain.high - plain.low and row.rho_critical > plain.rho_critical
    two = spearman(x, y, "q", "x", "y", rng, families=["a"] * 8 + ["b"] * 8)
    assert math.isnan(two.low) and two.method.startswith("no interval: 2 families")
    one = spearman(x, y, "q", "x", "y", rng, families=["a"] * 16)
    assert (one.low, one.high, one.n_families) == (plain.low, plain.high, 1)
    assert "within one family" in one.method
    assert numbered(["b", "a", "b"]).tolist() == [1, 0, 1]


def test_a_point_drawn_twice_counts_twice() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=6), rng.normal(size=(6, 5))
    y[3] = y[2]
    weights = rng.integers(0, 4, size=(6, 5))
    found = weighted_rank_correlations(x, y, weights)
    for b in range(5):
        drawn = np.repeat(np.arange(6), weights[:, b])
        assert found[b] == pytest.approx(stats.spearmanr(x[drawn], y[drawn, b]).statistic)
