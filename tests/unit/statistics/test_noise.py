"""rho freed of noise: closed forms, and coverage where noise hides a strong relation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.correlation import Correlation, decide, fisher_interval, spearman
from transfergrid.statistics.noise import (
    Noise,
    SeedSpread,
    disattenuate,
    noise_of,
    seed_spread,
)


def test_noise_is_what_tells_networks_apart() -> None:
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=20_000), 0.5 * rng.normal(size=(6, 20_000))
    # Three seeds: one third of the variance of one.
    found = noise_of(shared + own, [[SeedSpread(0.3, 2, 3)]] * 6)
    assert found.patients == pytest.approx(0.25, rel=0.02)
    assert (found.seeds, found.df) == (pytest.approx(0.1), 12)
    # A difference has two arms; one seed teaches nothing of its own but is as noisy as the others.
    pair = [SeedSpread(0.3, 2, 3), SeedSpread(math.nan, 0, 1)]
    assert noise_of(own, [pair] * 6).seeds == pytest.approx(0.3 / 3 + 0.3)
    assert math.isnan(noise_of(own, [[SeedSpread(math.nan, 0, 1)]] * 6).seeds)
    assert noise_of(own, [[SeedSpread(-0.2, 2, 3)]] * 6).seeds == 0


def test_patients_noise_is_not_counted_as_the_seeds() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, 40))
    runs = [Influence(e, np.arange(40), v) for e, v in zip((0.8, 0.9, 0.7), values, strict=True)]
    expected = 0.01 - values.var(axis=0, ddof=1).sum()
    assert seed_spread(runs).variance == pytest.approx(expected)
    assert seed_spread(runs[:1]).df == 0


def test_a_known_reliability_undoes_the_attenuation() -> None:
    values = np.arange(16.0)
    half = Noise(values.var(ddof=1) / 4, values.var(ddof=1) / 4, 32)
    r = 0.6
    rho = 6 / math.pi * math.asin(r * math.sqrt(0.5) / 2)
    found = disattenuate(rho, 1.06 / 13, values, half, 0.05, np.random.default_rng(0))
    assert found.reliability == pytest.approx(0.5)
    assert found.rho == pytest.approx(6 / math.pi * math.asin(r / 2))
    none = disattenuate(rho, 1.06 / 13, values, Noise(0, 0, 1), 0.05, np.random.default_rng(0))
    assert none.rho == pytest.approx(rho)
    # Without noise the pivot is Fisher's z alone.
    assert (none.low, none.high) == pytest.approx(fisher_interval(rho, 16), abs=0.015)
    all_noise = disattenuate(rho, 0.1, values, Noise(50, 0, 1), 0.05, np.random.default_rng(0))
    assert math.isnan(all_noise.rho) and all_noise.reliability == 0
    assert all_noise.low < -0.9 and all_noise.high == 1


def test_a_strong_relation_is_not_lost_in_noise() -> None:
    rng = np.random.default_rng(2)
    r, n, hits, raw = 0.95, 16, 0, 0
    truth = 6 / math.pi * math.asin(r / 2)
    for _ in range(150):
        x = rng.normal(size=n)
        y = r * x + math.sqrt(1 - r * r) * rng.normal(size=n)
        seeds = 0.5 * rng.normal(size=(n, 3))  # their mean has variance 1/12
        apart = 0.5 * rng.normal(size=n)
        spreads = [[SeedSpread(float(own.var(ddof=1)), 2, 3)] for own in seeds]
        noise = Noise(0.25, noise_of(np.zeros((n, 2)), spreads).seeds, 2 * n)
        row = spearman(x, y + seeds.mean(axis=1) + apart, "q", "x", "y", rng, noise=noise)
        raw += row.low <= truth <= row.high
        hits += row.disattenuated_low <= truth <= row.disattenuated_high
    assert hits / 150 >= 0.94 and raw / 150 < 0.6


def test_no_relation_is_not_shown_by_noise() -> None:
    # Raw, 60 networks seem unrelated within .3; their noise hides what rho would be.
    low, high = fisher_interval(0.0, 60)
    row = Correlation("q", "x", "y", 60, 0.0, low, high, 0.99, "", margin=0.3)
    assert decide([row])[0].verdict == "none"
    freed = Correlation(
        "q", "x", "y", 60, 0.0, low, high, 0.99, "", margin=0.3,
        rho_disattenuated=0.0, disattenuated_low=-0.7, disattenuated_high=0.7,
    )  # fmt: skip
    assert decide([freed])[0].verdict == "undecided"


def test_ranks_of_unknown_shape_are_freed_as_well() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    y = 0.8 * x + 0.6 * rng.normal(size=4000)
    truth = stats.spearmanr(x, y).statistic
    noisy = y + rng.normal(size=4000)
    rho = stats.spearmanr(np.exp(2 * x), noisy).statistic
    found = disattenuate(rho, 1.06 / 3997, noisy, Noise(1.0, 0.0, 1), 0.05, rng)
    assert rho < truth - 0.15
    assert found.rho == pytest.approx(truth, abs=0.03)
