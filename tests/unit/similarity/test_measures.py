from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes
from unit.similarity.drawn import Floats, invertible, related, rotation, uneven

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.measures import MEASURES, Pair, compare

ALL = 1
"""Rows per direction that leave no direction out."""


def pair(x: NDArray, y: NDArray) -> Pair:
    return Pair.of(Factor.of(x, ALL), Factor.of(y, ALL))


def measures(x: NDArray, y: NDArray) -> dict[str, float]:
    return pair(x, y).measure()


def both(seed: int, rows: int = 120, p: int = 7, q: int = 5) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    x = uneven(rng, rows, p)
    return x, related(rng, x, q)


seeds = st.integers(0, 10_000)


@given(seeds)
@settings(max_examples=25)
def test_canonical_correlations_are_cosines_of_the_angles_between_subspaces(seed: int) -> None:
    x, y = both(seed)
    expected = np.cos(subspace_angles(x - x.mean(axis=0), y - y.mean(axis=0)))
    np.testing.assert_allclose(pair(x, y).correlations(), np.sort(expected)[::-1], atol=1e-12)


def test_a_double_and_a_dead_channel_are_treated_as_scipy_treats_them() -> None:
    rng = np.random.default_rng(0)
    x, y = uneven(rng, 300, 20), uneven(rng, 300, 30)
    x[:, 3], x[:, 7] = x[:, 5], 0.1
    found = pair(x, y)
    centred = np.where(np.arange(20) == 7, 0.0, x - x.mean(axis=0))
    expected = np.cos(subspace_angles(centred, y - y.mean(axis=0)))
    assert found.x.rank == 18 == len(found.correlations()) == len(expected)
    np.testing.assert_allclose(found.correlations(), np.sort(expected)[::-1], atol=1e-12)
    # What google/svcca makes .95, raises for, or gives a further 0.
    assert compare(Factor.of(x), Factor.of(x))["mean_cca"] == pytest.approx(1, abs=1e-12)


@given(seeds)
@settings(max_examples=25)
def test_which_maps_of_one_side_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = both(seed)
    any_map = x @ invertible(rng, 7) + rng.normal(size=7)
    rotated = 3.7 * x @ rotation(rng, 7) + rng.normal(size=7)
    plain, mapped, turned = (measures(one, y) for one in (x, any_map, rotated))
    for name in ("mean_cca", "pwcca_yx"):
        assert mapped[name] == pytest.approx(plain[name], abs=1e-12)
    for name in ("mean_cca", "svcca", "pwcca_yx", "cka", "cka_debiased", "procrustes"):
        assert turned[name] == pytest.approx(plain[name], abs=1e-11)
    own = measures(x, any_map)
    for name in ("mean_cca", "pwcca_xy", "pwcca_yx"):
        assert own[name] == pytest.approx(1, abs=1e-12)
    own = measures(x, rotated)
    assert own == pytest.approx(dict.fromkeys(MEASURES, 1.0), abs=1e-12)
    assert max(own[name] for name in MEASURES if name != "cka_debiased") <= 1


def test_which_maps_change_something() -> None:
    rng = np.random.default_rng(1)
    x, y = both(1, rows=1000, p=40)
    mapped, rotated = x @ invertible(rng, 40), x @ rotation(rng, 40)
    own = measures(x, mapped)
    assert own["mean_cca"] == pytest.approx(1, abs=1e-12)
    assert own["svcca"] < 0.995 and own["cka"] < 0.9 and own["procrustes"] < 0.95
    plain = measures(x, y)
    assert abs(plain["pwcca_xy"] - plain["pwcca_yx"]) > 1e-3
    for changed in (mapped, rotated):
        assert abs(measures(changed, y)["pwcca_xy"] - plain["pwcca_xy"]) > 1e-3


@given(seeds)
@settings(max_examples=25)
def test_sides_and_rows_may_change_places(seed: int) -> None:
    x, y = both(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    plain, turned, joint = measures(x, y), measures(y, x), measures(x[order], y[order])
    swapped = {**turned, "pwcca_xy": turned["pwcca_yx"], "pwcca_yx": turned["pwcca_xy"]}
    assert swapped == pytest.approx(plain, abs=1e-12)
    assert joint == pytest.approx(plain, abs=1e-12)
    bounded = [value for name, value in plain.items() if name != "cka_debiased"]
    assert min(bounded) >= 0 and max(bounded) <= 1


def test_rows_of_one_side_in_another_order_leave_what_chance_leaves() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2000, 20))
    found = measures(x, x[rng.permutation(2000)])
    assert found["mean_cca"] < 0.12 and abs(found["cka_debiased"]) < 0.02


@pytest.mark.parametrize("n,p,q", [(500, 30, 60), (204, 64, 64), (400, 10, 5)])
def test_independent_data_have_the_squared_correlations_that_theory_says(
    n: int, p: int, q: int
) -> None:
    rng = np.random.default_rng(n)
    squares = [
        (pair(rng.normal(size=(n, p)), rng.normal(size=(n, q))).correlations() ** 2).mean()
        for _ in range(30)
    ]
    se = np.std(squares, ddof=1) / np.sqrt(len(squares))
    assert np.mean(squares) == pytest.approx(max(p, q) / (n - 1), abs=4 * se)
    assert se < 0.05 * max(p, q) / (n - 1)


@pytest.mark.parametrize(
    "n,p,q,ones", [(52, 50, 50, 49), (100, 50, 50, 1), (101, 50, 50, 0), (40, 50, 20, 20)]
)
def test_too_few_rows_make_correlations_of_one(n: int, p: int, q: int, ones: int) -> None:
    rng = np.random.default_rng(0)
    found = pair(rng.normal(size=(n, p)), rng.normal(size=(n, q))).correlations()
    assert (found > 1 - 1e-9).sum() == ones
    # That is why directions are left out where rows are few.
    cut = Pair.of(Factor.of(rng.normal(size=(n, p))), Factor.of(rng.normal(size=(n, q))))
    assert len(cut.correlations()) == n // 10 and cut.correlations().max() < 0.9
    assert cut.flags == ("cut_left", "cut_right")


@pytest.mark.parametrize("n,p,expected", [(100, 2000, 0.953), (1000, 50, 0.045)])
def test_biased_cka_of_independent_data_is_far_from_0(n: int, p: int, expected: float) -> None:
    rng = np.random.default_rng(3)
    found = measures(rng.normal(size=(n, p)), rng.normal(size=(n, p)))
    assert found["cka"] == pytest.approx(expected, abs=0.005)
    assert abs(found["cka_debiased"]) < 0.05


def test_debiased_cka_of_independent_data_is_0_on_average() -> None:
    rng = np.random.default_rng(4)
    found = [
        measures(rng.normal(size=(40, 8)), rng.normal(size=(40, 12)))["cka_debiased"]
        for _ in range(200)
    ]
    assert min(found) < 0
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / np.sqrt(200))


def hsic_1(k: Floats, m: Floats) -> float:
    """The unbiased estimator as printed in Song et al. (2012), equation 5, from kernels."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float((total - 2 / (n - 2) * one @ k @ m @ one) / (n * (n - 3)))


def by_kernels(x: Floats, y: Floats) -> float:
    k, m = x @ x.T, y @ y.T
    return hsic_1(k, m) / float(np.sqrt(hsic_1(k, k) * hsic_1(m, m)))


@given(seeds)
@settings(max_examples=10)
def test_debiased_cka_is_that_of_kernels_whatever_is_added(seed: int) -> None:
    x, y = both(seed, rows=40)
    found = measures(x, y)["cka_debiased"]
    assert found == pytest.approx(by_kernels(x, y), abs=1e-11)
    assert measures(x + 100, y - 7)["cka_debiased"] == pytest.approx(found, abs=1e-11)
    assert measures(x, x)["cka_debiased"] == pytest.approx(1, abs=1e-12)
    wide = np.random.default_rng(seed).normal(size=(30, 90))
    assert measures(wide, x[:30])["cka_debiased"] == pytest.approx(
        by_kernels(wide, x[:30]), abs=1e-11
    )


@given(seeds)
@settings(max_examples=10)
def test_biased_cka_is_that_of_centred_kernels(seed: int) -> None:
    x, y = both(seed, rows=40)
    h = np.eye(40) - 1 / 40
    k, m = h @ x @ x.T @ h, h @ y @ y.T @ h
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert measures(x, y)["cka"] == pytest.approx(expected, abs=1e-12)


@given(seeds)
@settings(max_examples=10)
def test_procrustes_is_scipys(seed: int) -> None:
    x, y = both(seed, q=7)
    _, _, disparity = procrustes(x, y)
    assert 1 - measures(x, y)["procrustes"] ** 2 == pytest.approx(disparity, abs=1e-12)


def test_svcca_is_cca_of_the_fewest_components_that_hold_99_percent() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 12)) * 0.6 ** np.arange(12)
    y = related(rng, x, 10, noise=0.2)
    scores = []
    for one in (x, y):
        centred = one - one.mean(axis=0)
        variance, vectors = np.linalg.eigh(centred.T @ centred)
        variance, vectors = variance[::-1], vectors[:, ::-1]
        k = next(k for k in range(1, 13) if variance[:k].sum() >= 0.99 * variance.sum())
        assert 1 < k == Factor.of(one).spectrum.explaining(0.99) < one.shape[1]
        scores.append(centred @ vectors[:, :k])
    expected = np.cos(subspace_angles(*scores)).mean()
    assert measures(x, y)["svcca"] == pytest.approx(expected, abs=1e-12)
    # Shares are of sums of squares: half of them here, and all with the last.
    even = Factor.of(np.linalg.qr(rng.normal(size=(50, 4)) - 0.0)[0] * [2, 1, 1, 1e-3]).spectrum
    assert even.explaining(1.0) == 4 and even.explaining(0.5) == 1


@given(seeds)
@settings(max_examples=10)
def test_pwcca_follows_its_formula(seed: int) -> None:
    x, y = both(seed)
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    # Canonical variates by the textbook's way: whitening by inverse roots of covariances.
    whitened = [one @ np.linalg.inv(np.linalg.cholesky(one.T @ one)).T for one in (xc, yc)]
    u, rho, _ = np.linalg.svd(whitened[0].T @ whitened[1])
    variates = (whitened[0] @ u)[:, : len(rho)]
    weights = np.abs(variates.T @ xc).sum(axis=1)
    expected = (weights / weights.sum()) @ rho
    assert measures(x, y)["pwcca_xy"] == pytest.approx(expected, abs=1e-10)


def test_the_same_channels_in_another_order_are_the_same() -> None:
    x, _ = both(6, p=30)
    found = measures(x, x[:, np.random.default_rng(0).permutation(30)])
    assert found == pytest.approx(dict.fromkeys(MEASURES, 1.0), abs=1e-12)


def test_a_dead_layer_gives_nan_and_a_flag() -> None:
    x, _ = both(7)
    dead = Factor.of(np.full((120, 3), 0.1, dtype=np.float32))
    found = Pair.of(Factor.of(x), dead)
    assert found.flags == ("dead_right",) and found.correlations().size == 0
    assert list(found.measure()) == list(MEASURES)
    assert np.isnan(list(found.measure().values())).all()
    assert np.isnan(list(compare(dead, dead).values())).all()


def test_measures_are_asked_for_by_name() -> None:
    x, y = (Factor.of(one) for one in both(8))
    whole = compare(x, y)
    for name in MEASURES:
        assert compare(x, y, [name]) == {name: pytest.approx(whole[name], abs=1e-14)}
    with pytest.raises(UserError, match="'cca' is not known.*mean_cca, svcca"):
        compare(x, y, ["cca"])


def test_activations_of_other_rows_are_refused() -> None:
    x, y = both(9)
    with pytest.raises(UserError, match="120 and 119 rows"):
        Pair.of(Factor.of(x), Factor.of(y[1:]))


def test_few_rows_have_no_debiased_cka() -> None:
    rng = np.random.default_rng(10)
    found = measures(rng.normal(size=(3, 2)), rng.normal(size=(3, 2)))
    assert np.isnan(found["cka_debiased"]) and found["mean_cca"] == pytest.approx(1)
