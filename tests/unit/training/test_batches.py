from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.training.batches import Feed, Order, one_ahead, pieces


@given(st.integers(0, 60), st.integers(1, 20))
def test_pieces_cover_all_and_leave_no_single_item(count: int, size: int) -> None:
    cuts = pieces(count, size)
    assert [i for cut in cuts for i in range(cut.start, cut.stop)] == list(range(count))
    sizes = [cut.stop - cut.start for cut in cuts]
    assert all(length == size for length in sizes[:-1])
    if count > 1 and size > 1:
        assert min(sizes) >= 2
        assert max(sizes) <= size + 1


@given(
    st.integers(2, 40),
    st.integers(1, 50),
    st.floats(0.02, 3.5),
    st.integers(0, 3),
)
def test_every_epoch_takes_every_row_once(n: int, size: int, epochs: float, seed: int) -> None:
    rows = np.arange(n) * 3 + 1
    plan = Order(rows, size, epochs, seed)
    batches = list(plan.batches())
    assert len(batches) == plan.steps
    assert [batch.step for batch in batches] == list(range(plan.steps))
    assert batches[-1].examples == plan.examples
    assert abs(plan.examples - max(2, epochs * n)) <= 1.5
    assert [b.examples - a.examples for a, b in pairwise(batches)] == [
        len(batch.rows) for batch in batches[1:]
    ]
    for epoch in range(int(plan.examples // n)):
        taken = np.concatenate([b.rows for b in batches if b.epoch == epoch])
        assert np.array_equal(np.sort(taken), rows)
    if size > 1:
        assert min(len(batch.rows) for batch in batches) >= 2


@given(st.integers(2, 20), st.integers(1, 9), st.integers(0, 40))
def test_a_plan_goes_on_from_any_step(n: int, size: int, start: int) -> None:
    plan = Order(np.arange(n), size, 2.6, seed=1)
    whole, later = list(plan.batches())[start:], list(plan.batches(start))
    assert len(whole) == len(later)
    for a, b in zip(whole, later, strict=True):
        assert (a.step, a.epoch, a.examples) == (b.step, b.epoch, b.examples)
        assert np.array_equal(a.rows, b.rows)


def test_a_fraction_of_an_epoch_is_its_first_batches() -> None:
    rows = np.arange(20)
    whole = list(Order(rows, 4, 2, seed=0).batches())
    part = list(Order(rows, 4, 1.4, seed=0).batches())
    assert len(part) == 7
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(whole, part, strict=False))


def test_order_changes_with_epoch_and_seed() -> None:
    first, second = Order(np.arange(30), 30, 2, seed=0).batches()
    (other,) = Order(np.arange(30), 30, 1, seed=1).batches()
    assert not np.array_equal(first.rows, second.rows)
    assert not np.array_equal(first.rows, other.rows)


@pytest.mark.parametrize("shape", [(9, 4, 4), (9, 4, 4, 3)])
@pytest.mark.parametrize("resident", [False, True])
def test_the_feed_delivers_the_rows_of_each_batch(
    shape: tuple[int, ...], resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfergrid.training.batches._COPY_IMAGES", 3)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, shape).astype(np.uint8)
    labels = rng.random((9, 2)).astype(np.float32)
    rows = np.array([0, 2, 3, 5, 7, 8])
    feed = Feed(images, labels, rows, torch.device("cpu"))
    if resident:
        feed.resident = feed.load()
        # What is resident must be used: the stored images are not touched again.
        feed.images = np.zeros_like(images)
    plan = Order(rows, 4, 2, seed=0)
    for batch, pixels, targets in feed.stream(plan.batches()):
        assert pixels.dtype == torch.uint8
        assert np.array_equal(pixels.numpy(), images[batch.rows])
        assert np.array_equal(targets.numpy(), labels[batch.rows])


def test_one_ahead_keeps_order_and_works_one_item_ahead() -> None:
    started = []
    second = threading.Event()

    def work(item: int) -> int:
        started.append(item)
        if item == 1:
            second.set()
        return item * 10

    results = []
    for item, result in one_ahead(range(4), work):
        if item == 0:
            assert second.wait(timeout=120)
            assert started == [0, 1]
        results.append((item, result))
    assert results == [(0, 0), (1, 10), (2, 20), (3, 30)]
    assert list(one_ahead([], work)) == []


def test_one_ahead_passes_an_error_on() -> None:
    with pytest.raises(ZeroDivisionError):
        list(one_ahead([1, 0], lambda item: 1 // item))
