from __future__ import annotations

import itertools
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from transfergrid.runtime.errors import UserError
from transfergrid.statistics.correlation import Correlation, spearman


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
    ]


def test_lengths_must_agree() -> None:
    with pytest.raises(UserError, match="needs pairs"):
        correlate([1.0, 2], [1.0])
