from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.floor import Exchange, floor
from transfergrid.similarity.measures import MEASURES, compare


def clustered(
    rng: np.random.Generator, counts: NDArray[np.int64], channels: int, alike: float
) -> NDArray[np.float64]:
    """Draw rows of patients, a share `alike` of whose variance is the patient's."""
    shared = rng.normal(size=(len(counts), channels)).repeat(counts, axis=0)
    return np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=shared.shape)


@given(st.lists(st.integers(1, 6), min_size=12, max_size=60), st.integers(0, 1000))
@settings(max_examples=40)
def test_every_row_occurs_once_and_patients_meet_others(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    patients = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    exchange = Exchange.drawn(patients, 3, rng)
    for order in exchange.orders:
        assert sorted(order) == list(range(len(patients)))
    alone = (patients[exchange.orders] == patients).mean()
    assert exchange.alone == pytest.approx(alone) and alone < 0.4
    pairs = [
        np.unique(np.stack([patients, patients[order]]), axis=1, return_counts=True)[1]
        for order in exchange.orders
    ]
    together = np.mean([(met**2).sum() / (np.array(counts) ** 2).sum() for met in pairs])
    assert exchange.together == pytest.approx(together)


def test_patients_with_equally_many_rows_are_exchanged_whole() -> None:
    rng = np.random.default_rng(0)
    patients = np.concatenate([np.repeat(np.arange(8), 3), np.repeat(np.arange(8, 20), 2)])
    exchange = Exchange.drawn(patients, 20, rng)
    assert (exchange.together, exchange.alone, exchange.flags) == (1.0, 0.0, ())
    partners = {int(p) for order in exchange.orders for p in patients[order[:3]]}
    assert partners == set(range(1, 8))
    # Rows of a patient meet those of the other in order.
    assert all(np.diff(order[:3]).tolist() == [1, 1] for order in exchange.orders)


def test_what_orders_keep_together_is_what_the_expected_square_says() -> None:
    rng = np.random.default_rng(1)
    counts = np.array([1, 1, 2, 2, 3, 5, 7, 9] * 2)
    patients = np.repeat(np.arange(len(counts)), counts)
    exchange = Exchange.drawn(patients, 1, rng)
    assert 0.4 < exchange.together < 0.95 and exchange.flags == ("uneven_patients",)
    squares = []
    for _ in range(4000):
        # Not centred: the formula is of rows with known mean 0. tr C = 2 and tr D = 1 here.
        x, y = clustered(rng, counts, 2, 0.9), clustered(rng, counts, 1, 0.8)
        squares.append(((x.T @ y[exchange.orders[0]]) ** 2).sum())
    n, m = len(patients), exchange.together * (counts**2).sum()
    expected = 2 * (n + 0.9 * 0.8 * (m - n))
    assert np.mean(squares) == pytest.approx(expected, abs=4 * np.std(squares) / 4000**0.5)


def inside(
    exchanged: str, counts: NDArray[np.int64], trials: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return by measure how often independent data lie within the band of 39 draws."""
    held = np.zeros(len(MEASURES))
    patients = np.repeat(np.arange(len(counts)), counts)
    units = patients if exchanged == "patients" else np.arange(len(patients))
    for _ in range(trials):
        # Directions of unlike sizes, so that measures differ in what they make of them.
        x, y = (Factor.of(clustered(rng, counts, p, 0.8) * 0.7 ** np.arange(p)) for p in (4, 3))
        band = floor(x, y, Exchange.drawn(units, 39, rng))
        found = compare(x, y)
        held += [band[name].low <= found[name] <= band[name].high for name in MEASURES]
    return dict(zip(MEASURES, held / trials, strict=True))


def test_independent_data_lie_within_the_floor() -> None:
    rng = np.random.default_rng(2)
    # Some have more films than others, and of each number there are enough.
    held = inside("patients", np.array([1, 2, 4] * 12), 150, rng)
    assert 0.93 <= np.mean(list(held.values())) <= 0.97
    assert all(0.91 <= share <= 0.99 for share in held.values()), held
    # Films that are permuted one by one make similar what is not.
    assert max(inside("films", np.full(20, 6), 15, rng).values()) < 0.7


def test_the_floor_is_what_theory_says_and_the_same_for_related_data() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 6))
    related, other = x + 0.1 * rng.normal(size=x.shape), rng.normal(size=(400, 6))
    exchange = Exchange.drawn(np.arange(400), 60, rng)
    for y in (related, other):
        found = floor(Factor.of(x), Factor.of(y), exchange)
        assert list(found) == list(MEASURES)
        for band in found.values():
            assert band.low < band.mean < band.high
        assert found["cka_debiased"].mean == pytest.approx(0, abs=0.003)
        assert found["cka"].mean == pytest.approx(6 / 400, rel=0.2)
        # Of 6 by 6 correlations at n = 400, whose mean square is 6/399.
        assert 0.09 < found["mean_cca"].mean < np.sqrt(6 / 399)


def test_an_exchange_is_that_of_rows_in_another_order() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 5)), rng.normal(size=(60, 4))
    exchange = Exchange.drawn(np.arange(60), 1, rng)
    found = floor(Factor.of(x), Factor.of(y), exchange)
    expected = compare(Factor.of(x), Factor.of(y[exchange.orders[0]]))
    assert {name: band.mean for name, band in found.items()} == pytest.approx(expected, abs=1e-12)


def test_a_dead_layer_has_no_floor() -> None:
    rng = np.random.default_rng(5)
    exchange = Exchange.drawn(np.arange(30), 5, rng)
    found = floor(Factor.of(rng.normal(size=(30, 2))), Factor.of(np.ones((30, 2))), exchange)
    assert all(np.isnan([band.mean, band.low, band.high]).all() for band in found.values())


def test_the_same_generator_gives_the_same_orders() -> None:
    patients = np.repeat(np.arange(30), 2)
    one, other = (Exchange.drawn(patients, 2, np.random.default_rng(6)) for _ in range(2))
    np.testing.assert_array_equal(one.orders, other.orders)


def test_what_cannot_be_exchanged_is_refused() -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(UserError, match="one patient"):
        Exchange.drawn(np.zeros(5), 3, rng)
    with pytest.raises(UserError, match="at least 1"):
        Exchange.drawn(np.arange(5), 0, rng)
    x = Factor.of(rng.normal(size=(30, 2)))
    with pytest.raises(UserError, match="29 rows does not fit activations of 30"):
        floor(x, x, Exchange.drawn(np.arange(29), 3, rng))
