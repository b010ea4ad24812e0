from __future__ import annotations

import itertools
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from transfergrid.runtime.errors import UserError
from transfergrid.statistics import kinship
from transfergrid.statistics.correlation import (
    Correlation,
    decide,
    fisher_interval,
    p_of_rho,
    rank_correlations,
    spearman,
    z_variance,
)


def correlate(
    x: list[float] | np.ndarray, y: list[float] | np.ndarray, seed: int = 0
) -> Correlation:
    return spearman(x, y, "size", "params", "auroc", np.random.default_rng(seed))


@pytest.mark.parametrize("n", [4, 7, 16, 40])
def test_rho_agrees_with_scipy_under_ties(n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.round(rng.normal(size=n), 0 if n > 10 else 3)
    y = x + rng.normal(size=n)
    found = correlate(x, y)
    expected = stats.spearmanr(x, y)
    assert found.rho == pytest.approx(expected.statistic, abs=1e-12)
    assert found.n == n
    if n >= 16:
        assert found.p == pytest.approx(expected.pvalue, abs=0.01)


def test_p_is_exact_for_few_points() -> None:
    x, y = [1.0, 2, 3, 4, 5], [2.0, 1, 4, 3, 5]
    # 1 - rho is proportional to the sum of d^2; count the orders at least as extreme.
    rho = stats.spearmanr(x, y).statistic
    orders = [stats.spearmanr(x, order).statistic for order in itertools.permutations(y)]
    expected = np.mean(np.abs(orders) >= rho - 1e-9)
    found = correlate(x, y)
    assert found.p == pytest.approx(expected, abs=1e-12)
    assert found.method == "Fisher z, variance 1.06/(n-3); exact permutation"


@pytest.mark.parametrize(
    ("rho", "low", "high"),
    [(0.08, -0.44, 0.57), (0.06, -0.46, 0.55), (0.79, 0.47, 0.93), (0.56, 0.08, 0.83)],
)
def test_interval_of_sixteen_points(rho: float, low: float, high: float) -> None:
    # Search an order of 16 ranks whose rho rounds to the wanted one.
    rng = np.random.default_rng(0)
    x = np.arange(16.0)
    while True:
        y = rng.permutation(16) * 1.0 + x * rng.uniform(0, 2)
        exact = stats.spearmanr(x, y).statistic
        if abs(exact - rho) < 0.0016:
            break
    found = correlate(x, y)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.0101)
    arm = 1.959964 * math.sqrt(1.06 / 13)
    assert found.low == pytest.approx(math.tanh(math.atanh(exact) - arm), abs=1e-6)
    assert found.high == pytest.approx(math.tanh(math.atanh(exact) + arm), abs=1e-6)
    assert found.method.endswith("random permutation")


def test_same_generator_same_p() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 12))
    assert correlate(x, y, 3) == correlate(x, y, 3)


def test_unknown_points_are_dropped() -> None:
    nan = math.nan
    found = correlate([1.0, 2, nan, 3, 5, 4], [2.0, 1, 9, nan, 4, 5])
    assert found.n == 4
    assert found.rho == pytest.approx(stats.spearmanr([1, 2, 5, 4], [2, 1, 4, 5]).statistic)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1.0], [2.0], "fewer than 2 points"),
        ([1.0, 1, 1, 1], [1.0, 2, 3, 4], "no variation"),
    ],
)
def test_undefined_says_why(x: list[float], y: list[float], reason: str) -> None:
    found = correlate(x, y)
    assert all(math.isnan(v) for v in (found.rho, found.low, found.high, found.p))
    assert reason in found.method


def test_no_interval_says_why() -> None:
    few = correlate([1.0, 2, 3], [1.0, 3, 2])
    assert few.rho == pytest.approx(0.5) and math.isnan(few.low)
    assert few.method.startswith("no interval: fewer than 4 points")
    perfect = correlate([1.0, 2, 3, 4, 5], [2.0, 3, 4, 5, 6])
    assert perfect.rho == pytest.approx(1) and math.isnan(perfect.high)
    assert perfect.method.startswith("no interval: |rho| = 1")
    assert perfect.p == pytest.approx(2 / 120)


def test_columns_are_the_published_contract() -> None:
    assert list(asdict(correlate([1.0, 2, 3, 4], [1.0, 3, 2, 4]))) == [
        "question",
        "x",
        "y",
        "n",
        "rho",
        "low",
        "high",
        "p",
        "method",
        "p_adjusted",
        "p_family",
        "se_patients",
        "margin",
        "verdict",
        "rho_critical",
        "rho_detectable",
        "n_families",
        "n_effective",
        "rho_disattenuated",
        "disattenuated_low",
        "disattenuated_high",
        "reliability",
        "n_needed",
    ]


def test_lengths_must_agree() -> None:
    with pytest.raises(UserError, match="needs pairs"):
        correlate([1.0, 2], [1.0])


@pytest.mark.parametrize(
    ("rho", "p", "low", "high"),
    [
        (0.082, 0.763, -0.44, 0.57),
        (0.059, 0.828, -0.46, 0.55),
        (0.791, 2.6e-4, 0.47, 0.93),
        (0.565, 0.023, 0.08, 0.83),
        (-0.718, 0.0017, -0.90, -0.33),
    ],
)
def test_published_correlations_of_sixteen_networks(
    rho: float, p: float, low: float, high: float
) -> None:
    assert p_of_rho(rho, 16) == pytest.approx(p, rel=0.03)
    assert fisher_interval(rho, 16) == pytest.approx((low, high), abs=0.0101)


def test_published_p_values() -> None:
    assert round(p_of_rho(0.082, 16), 2) == 0.76
    assert round(p_of_rho(-0.72, 16), 3) == 0.002


FAMILIES = np.repeat(list("dreimo"), [3, 4, 2, 1, 4, 2])


def test_permutation_within_families_tries_every_order() -> None:
    rng = np.random.default_rng(0)
    x, y = (stats.rankdata(v) for v in rng.normal(size=(2, 6)))
    families = np.array(list("aaabbc"))
    wins = total = 0
    base = np.array([3.5] * 6)
    for first in itertools.permutations(range(3)):
        for second in itertools.permutations((3, 4)):
            order = [*first, *second, 5]
            centred = [
                float(((x[f] - x[f].mean()) * (y[order][f] - base[f])).sum())
                for f in (slice(0, 3), slice(3, 5))
            ]
            own = [
                float(((x[f] - x[f].mean()) * (y[f] - base[f])).sum())
                for f in (slice(0, 3), slice(3, 5))
            ]
            wins += abs(sum(centred)) >= abs(sum(own)) - 1e-9
            total += 1
    assert kinship.permuted_within(x, y, kinship.numbered(families), rng) == pytest.approx(
        wins / total
    )
    assert math.isnan(kinship.permuted_within(x, y, np.arange(6), rng))


def test_permutation_within_families_is_blind_between_them() -> None:
    rng = np.random.default_rng(0)
    number = np.unique(FAMILIES, return_inverse=True)[1]
    between = number + 0.01 * rng.normal(size=(2, 16))
    found = spearman(*between, "q", "x", "y", rng, families=FAMILIES)
    # Six families can be in 720 orders, so p cannot be smaller than 2 of these.
    assert 0.001 < found.p < 0.005 and found.p_family > 0.05
    within = rng.normal(size=16)
    found = spearman(within, within + 0.1 * number, "q", "x", "y", rng, families=FAMILIES)
    assert found.p_family < 0.01


def test_permutation_within_families_holds_its_level() -> None:
    rng = np.random.default_rng(2)
    small = np.repeat([0, 1, 2], [4, 3, 3])
    shift = np.repeat([0.0, 3.0, 9.0], [4, 3, 3])
    wins = 0
    for _ in range(2000):
        x, y = (stats.rankdata(shift + rng.normal(size=10)) for _ in range(2))
        wins += kinship.permuted_within(x, y, small, rng) <= 0.05
    assert 0.03 <= wins / 2000 <= 0.06


def test_intervals_hold_the_true_rho_of_networks_and_patients() -> None:
    rng = np.random.default_rng(3)
    r = 0.6
    truth = 6 / math.pi * math.asin(r / 2)
    hits = {0.0: 0, 0.3: 0}
    for noise in hits:
        for _ in range(2000):
            x = rng.normal(size=16)
            y = r * x + math.sqrt(1 - r * r) * rng.normal(size=16)
            # Patients' noise, known by its replicates; most of it is shared by all networks.
            y = y + noise * (rng.normal() + 0.5 * rng.normal(size=16))
            draws = y[:, None] + noise * (rng.normal(size=60) + 0.5 * rng.normal(size=(16, 60)))
            rho = float(rank_correlations(x, y[:, None])[0])
            ranks = (stats.rankdata(x), stats.rankdata(y))
            variance, _, _ = z_variance(rho, ranks, np.arange(16), draws if noise else None)
            arm = stats.norm.isf(0.025) * math.sqrt(variance)
            low, high = np.tanh(np.arctanh(rho) + np.array([-arm, arm]))
            hits[noise] += low <= truth <= high
    assert all(0.93 <= hit / 2000 <= 0.98 for hit in hits.values()), hits


@pytest.mark.parametrize(
    ("r", "least", "most"), [(0, 0.94, 0.97), (0.8, 0.93, 0.95), (0.9, 0.91, 0.94)]
)
def test_intervals_cover_less_where_networks_are_nearly_in_one_order(
    r: float, least: float, most: float
) -> None:
    # 1.06 / (n - 3) is for a rho of up to .8 (Fieller, Hartley and Pearson 1957).
    rng = np.random.default_rng(4)
    truth = 6 / math.pi * math.asin(r / 2)
    x, noise = rng.normal(size=(2, 16, 4000))
    found = rank_correlations(x, r * x + math.sqrt(1 - r * r) * noise)
    bounds = np.array([fisher_interval(float(rho), 16) for rho in found])
    assert least <= np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])) <= most


def test_patients_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    x = np.arange(16.0)
    y = x + 4 * rng.normal(size=16)
    alone = spearman(x, y, "q", "x", "y", rng)
    draws = y[:, None] + 2 * rng.normal(size=(16, 500))
    both = spearman(x, y, "q", "x", "y", rng, replicates=draws)
    z = [np.arctanh(v) for v in (both.low, both.rho, both.high)]
    assert both.rho == alone.rho and both.low < alone.low
    rhos = [stats.spearmanr(x, column).statistic for column in draws.T]
    assert both.se_patients == pytest.approx(np.arctanh(rhos).std(ddof=1))
    arm = 1.959964 * math.sqrt(1.06 / 13 + both.se_patients**2)
    assert (z[1] - z[0], z[2] - z[1]) == pytest.approx((arm, arm), rel=1e-5)
    # Noise that all networks share moves no rank.
    shared = y[:, None] + rng.normal(size=500)
    assert spearman(x, y, "q", "x", "y", rng, replicates=shared).se_patients < 1e-12


def test_no_relation_needs_the_whole_interval_within_the_margin() -> None:
    def row(rho: float, n: int, p: float, margin: float = 0.3) -> Correlation:
        low, high = fisher_interval(rho, n)
        return Correlation("q", "x", "y", n, rho, low, high, p, "", margin=margin)

    found = [row(0.06, 16, 0.8), row(0.06, 200, 0.4), row(-0.72, 16, 0.002), row(0.5, 16, 0.05)]
    decided = decide(found)
    assert [r.verdict for r in decided] == ["undecided", "none", "negative", "undecided"]
    assert [r.p_adjusted for r in decided] == pytest.approx([0.8, 0.8, 0.008, 0.15])
    assert decide([row(0.06, 200, 0.4, math.nan)])[0].verdict == "undecided"
