"""Variance components against statsmodels, and their intervals by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from transfergrid.statistics.anova import one_way

SIXTEEN = np.repeat(np.arange(6), [3, 4, 2, 1, 4, 2])
"""The families of the sixteen networks."""


def test_equal_groups_agree_with_restricted_likelihood() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 4)
    values = rng.normal(size=6)[groups] + 0.5 * rng.normal(size=24)
    found = one_way(values, groups)
    assert found is not None
    data = pd.DataFrame({"y": values, "g": groups})
    fit = smf.mixedlm("y ~ 1", data, groups="g").fit(reml=True)
    between, within = float(fit.cov_re.iloc[0, 0]), float(fit.scale)
    assert found.sd_between()[0] == pytest.approx(math.sqrt(between), rel=1e-3)
    assert found.sd_within()[0] == pytest.approx(math.sqrt(within), rel=1e-3)
    assert found.share()[0] == pytest.approx(between / (between + within), rel=1e-3)
    assert found.noise_to_signal()[0] == pytest.approx(math.sqrt(within / between), rel=1e-3)
    f = stats.f_oneway(*(values[groups == g] for g in range(6))).statistic
    assert found.mean_square_between / found.mean_square_within == pytest.approx(f)


@pytest.mark.parametrize("between", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("groups", [np.repeat(np.arange(16), 3), SIXTEEN], ids=["3", "families"])
def test_intervals_cover_what_they_say(groups: np.ndarray, between: float) -> None:
    rng = np.random.default_rng(int(10 * between) + len(groups))
    count = groups.max() + 1
    truths = {
        "share": between**2 / (between**2 + 1),
        "noise_to_signal": 1 / between,
        "sd_within": 1.0,
        "sd_between": between,
    }
    hits = dict.fromkeys(truths, 0)
    for _ in range(2000):
        values = between * rng.normal(size=count)[groups] + rng.normal(size=len(groups))
        found = one_way(values, groups)
        assert found is not None
        for name, truth in truths.items():
            _, low, high = getattr(found, name)()
            hits[name] += low <= truth <= high
    for name, hit in hits.items():
        assert 0.93 <= hit / 2000 <= 0.98, name


def test_unequal_groups_count_by_their_harmonic_mean() -> None:
    values = np.random.default_rng(0).normal(size=16)
    found = one_way(values, SIXTEEN)
    assert found is not None
    assert found.size == pytest.approx(stats.hmean(np.bincount(SIXTEEN)))
    means = pd.Series(values).groupby(SIXTEEN).mean()
    assert found.mean_square_between == pytest.approx(found.size * means.var())


def test_what_cannot_be_split() -> None:
    assert one_way([1.0, 2.0], ["a", "a"]) is None
    assert one_way([1.0, 2.0], ["a", "b"]) is None
    assert one_way([1.0, math.nan, 2.0], ["a", "a", "b"]) is None
    still = one_way([1.0, 1.0, 2.0, 2.0], list("aabb"))
    assert still is not None and still.share() == (1.0, 1.0, 1.0)
    assert still.noise_to_signal() == (0.0, 0.0, 0.0)
    flat = one_way([1.0, 2.0, 1.0, 2.0], list("aabb"))
    assert flat is not None
    assert flat.share()[0] == 0 and flat.noise_to_signal()[0] == math.inf
