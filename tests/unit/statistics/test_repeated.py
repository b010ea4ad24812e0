"""Pooled and within-group correlation, against R's rmcorr, least squares and simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.named import AGREE, APART, DISAGREE, UNTOLD
from transfergrid.statistics.repeated import grouped

ORACLE = PROJECT.parent / "shared" / "studies" / "oracles" / "simpson.csv"


def paradox(seed: int = 0) -> pd.DataFrame:
    """Three groups whose values fall within each and rise from one to the next."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([np.linspace(0, 1, 5) + 0.7 * group for group in range(3)])
    g = np.repeat(["one", "two", "three"], 5)
    y = 9 * np.repeat([0.0, 0.7, 1.4], 5) - 5 * x + 0.2 * rng.normal(size=15)
    return pd.DataFrame({"g": g, "x": x, "y": y})


def by_least_squares(table: pd.DataFrame) -> float:
    """The repeated-measures correlation by its definition: an analysis of covariance."""
    whole = smf.ols("y ~ C(g) + x", table).fit()
    without = smf.ols("y ~ C(g)", table).fit()
    return math.copysign(math.sqrt(1 - whole.ssr / without.ssr), whole.params["x"])


@pytest.mark.parametrize("seed", range(3))
def test_within_is_the_share_that_a_common_slope_explains(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = paradox(seed).assign(y=lambda t: t["y"] + 2 * rng.normal(size=15))
    # A group of one point says nothing of what happens within groups.
    table = pd.concat([table, pd.DataFrame({"g": ["lone"], "x": [3.0], "y": [-40.0]})])
    found = grouped(table["x"], table["y"], list(table["g"]))
    assert found.within[0] == pytest.approx(by_least_squares(table))
    assert found.df == smf.ols("y ~ C(g) + x", table).fit().df_resid == 11
    assert found.pooled[0] == pytest.approx(stats.pearsonr(table["x"], table["y"])[0])
    assert found.pooled_rank[0] == pytest.approx(stats.spearmanr(table["x"], table["y"])[0])
    low, high = (
        math.tanh(math.atanh(found.within[0]) + s * 1.959964 / math.sqrt(10)) for s in (-1, 1)
    )
    assert found.within[1:] == pytest.approx((low, high))


def test_the_value_of_r() -> None:
    if not ORACLE.exists():
        # The same property of drawn values; the numbers of R are beside the project only.
        table = paradox()
        found = grouped(table["x"], table["y"], list(table["g"]))
        assert found.pooled[0] > 0.3 and found.within[0] < -0.95
        assert found.verdict == APART
        return
    table = pd.read_csv(ORACLE)
    found = grouped(table["x"], table["y"], list(table["g"].astype(str)))
    assert found.pooled_rank[0] == pytest.approx(0.496419, abs=1e-6)
    assert found.within == pytest.approx((-0.993743699, -0.998185, -0.978554), abs=1e-6)
    assert (found.df, found.n, found.n_groups) == (11, 15, 3)
    # Three groups say too little of what others would be for the pooled sign to be shown.
    assert found.pooled[1] < 0 < found.pooled[2] and found.verdict == APART


def test_nothing_agrees_with_what_was_not_shown_within_groups() -> None:
    table = paradox()
    one = table[table["g"] == "one"]
    assert grouped(one["x"], one["y"], list(one["g"])).verdict == UNTOLD
    flat = table["y"] + 9 * (table["g"].map({"one": 0, "two": -0.7, "three": -1.4}))
    assert grouped(table["x"], flat, list(table["g"])).verdict == AGREE
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 12))
    assert grouped(x, y, ["a", "b", "c"] * 4).verdict == UNTOLD
    # Groups that lie on a line make the pooled sign clear, and noise within them tells nothing.
    far, names = np.repeat(10.0 * np.arange(8), 3), list(np.repeat(list("abcdefgh"), 3))
    x, y = far + rng.normal(size=24), far + rng.normal(size=24)
    found = grouped(x, y, names)
    assert found.pooled[1] > 0 and found.within[1] < 0 < found.within[2]
    assert found.verdict == UNTOLD


@pytest.mark.parametrize(("groups", "verdict"), [(3, APART), (12, DISAGREE)])
def test_opposite_signs_are_shown_only_where_both_intervals_exclude_0(
    groups: int, verdict: str
) -> None:
    rng, place = np.random.default_rng(2), np.repeat(np.arange(float(groups)), 5)
    x = place + np.tile(np.linspace(-1, 1, 5), groups)
    y = 2 * place - 1.5 * (x - place) + 0.1 * rng.normal(size=len(x))
    found = grouped(x, y, [str(one) for one in place])
    assert found.pooled[0] > 0 > found.within[2]
    assert (found.pooled[1] > 0) == (verdict == DISAGREE)
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("n", "groups", "without"),
    [(2, ["a", "b"], "undefined"), (8, ["a", "b"], "two data sets do not tell")],
)
def test_without_enough_data_sets_there_is_no_interval(
    n: int, groups: list[str], without: str
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, n))
    found = grouped(x, y, (groups * n)[:n])
    assert without in found.how and math.isnan(found.pooled[1])


def test_points_that_share_networks_have_no_interval_within() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 18))
    names = list(np.repeat(list("abc"), 6))
    found, free = (grouped(x, y, names, independent=known) for known in (False, True))
    assert (found.within[0], found.pooled) == (free.within[0], free.pooled)
    assert all(map(math.isnan, found.within[1:])) and "share networks" in found.how_within
    one = grouped(x, y, ["a"] * 18, independent=False)
    assert all(map(math.isnan, (*one.pooled[1:], *one.pooled_rank[1:]))) and one.verdict == UNTOLD


def test_no_variation_and_unknown_values_are_no_crash() -> None:
    found = grouped([1.0, 1.0, 1.0, np.nan], [1.0, 2.0, 3.0, 4.0], ["a", "a", "b", "b"])
    assert found.n == 3 and math.isnan(found.pooled[0]) and math.isnan(found.within[0])
    with pytest.raises(UserError, match="needs pairs"):
        grouped([1.0], [1.0, 2.0], ["a"])


def test_intervals_cover() -> None:
    """Seven targets of five points, all of whose similarity and gain depends on the target."""
    rng, draws = np.random.default_rng(5), 400
    names = list(np.repeat(list("abcdefg"), 5))
    kept, naive, within = 0, 0, 0
    for _ in range(draws):
        x, y = np.repeat(rng.normal(size=(2, 7)), 5, axis=1) + 0.5 * rng.normal(size=(2, 35))
        found = grouped(x, y, names)
        kept += found.pooled[1] < 0 < found.pooled[2]
        naive += found.naive[0] < 0 < found.naive[1]
        within += found.within[1] < 0 < found.within[2]
    assert 0.91 < kept / draws <= 1 and 0.92 < within / draws < 0.98
    assert naive / draws < 0.8  # what 35 independent points would claim
