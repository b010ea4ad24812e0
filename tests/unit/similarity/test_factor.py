from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.similarity.drawn import uneven

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.factor import Factor


@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 40))
@settings(max_examples=40)
def test_a_factor_multiplies_back_to_the_centred_activation(
    seed: int, rows: int, channels: int
) -> None:
    x = uneven(np.random.default_rng(seed), rows, channels).astype(np.float32)
    before = x.copy()
    found = Factor.of(x)
    np.testing.assert_array_equal(x, before)
    one = found.spectrum
    centred = x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose((found.left * one.values) @ one.right, centred, atol=1e-12)
    np.testing.assert_allclose(found.left.T @ found.left, np.eye(one.rank), atol=1e-13)
    np.testing.assert_allclose(found.left.sum(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.lengths, (centred**2).sum(axis=1), rtol=1e-12)
    assert one.total == pytest.approx((centred**2).sum(), rel=1e-12)
    assert one.rows == rows and one.rank == np.linalg.matrix_rank(centred, tol=1e-9)
    assert found.left.dtype == one.values.dtype == one.right.dtype == np.float64


def test_directions_below_a_ten_billionth_are_dropped() -> None:
    rng = np.random.default_rng(0)
    u = np.linalg.qr(rng.normal(size=(60, 4)) - rng.normal(size=(60, 4)).mean(axis=0))[0]
    u = np.linalg.qr(u - u.mean(axis=0))[0]
    v = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert Factor.of(u * [1, 1e-3, 2e-10, 1e-14] @ v).spectrum.rank == 3
    assert Factor.of(u * [1, 1e-3, 5e-11, 1e-14] @ v).spectrum.rank == 2


def test_few_rows_keep_a_tenth_of_them() -> None:
    x = np.random.default_rng(1).normal(size=(100, 20))
    cut = Factor.of(x).spectrum
    assert (cut.rank, cut.kept, cut.cut) == (20, 10, True)
    whole = Factor.of(x, rows_per_direction=5).spectrum
    assert (whole.rank, whole.kept, whole.cut) == (20, 20, False)
    assert Factor.of(x[:4]).spectrum.kept == 1


def test_a_channel_that_never_varies_is_no_direction() -> None:
    # The mean of equal numbers may differ from them by a rounding error.
    for value in (0.0, 0.1, 1e30):
        dead = Factor.of(np.full((1001, 3), value, dtype=np.float32)).spectrum
        assert (dead.rank, dead.kept, dead.cut, dead.total) == (0, 0, False, 0)
        assert dead.explaining(0.99) == 0
    x = np.random.default_rng(2).normal(size=(1001, 3))
    x[:, 1] = 0.1
    assert Factor.of(x).spectrum.rank == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_a_diverged_training_leaves_is_refused(bad: float) -> None:
    x = np.ones((5, 3))
    x[2, 1] = bad
    with pytest.raises(UserError, match="NaN or infinity.*diverged"):
        Factor.of(x)


@pytest.mark.parametrize(
    "shape,words",
    [((1, 4), "one row"), ((4,), r"shape \(4,\)"), ((0, 3), "shape"), ((3, 0), "shape")],
)
def test_what_is_no_table_of_rows_is_refused(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Factor.of(np.zeros(shape))


def test_text_is_refused() -> None:
    with pytest.raises(UserError, match="real numbers"):
        Factor.of(np.array([["a"], ["b"]]))
