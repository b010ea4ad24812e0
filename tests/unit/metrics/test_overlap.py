"""Counts of overlaps against a loop over pixels."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from unit.metrics import masks

from transfergrid.metrics.overlap import State, StateCounts, count_overlap
from transfergrid.metrics.surfaces import measure_surfaces
from transfergrid.runtime.errors import UserError

SHAPES = nps.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5)


@given(st.data(), SHAPES)
def test_counts_are_those_of_a_loop_over_pixels(
    data: st.DataObject, shape: tuple[int, int]
) -> None:
    predicted = data.draw(nps.arrays(np.uint8, (2, *shape), elements=st.integers(0, 1)))
    truth = data.draw(nps.arrays(np.uint8, (2, *shape), elements=st.sampled_from([0, 1, 255])))
    found = count_overlap(predicted, truth)
    rows = np.stack([found.true_positive, found.predicted, found.true, found.known], axis=-1)
    assert rows.tolist() == [
        list(masks.counts(*pair)) for pair in zip(predicted, truth, strict=True)
    ]
    assert rows.dtype == np.int64
    again = count_overlap(predicted.astype(bool), truth)
    assert (again.true_positive == found.true_positive).all()


def test_states_tell_which_mask_is_empty() -> None:
    predicted, truth = masks.four_pairs()
    blank = np.full_like(truth[:1], 255)
    found = count_overlap(np.vstack([predicted, predicted[1:2]]), np.vstack([truth, blank])).state
    expected = [State.BOTH_EMPTY, State.FALSE_ALARM, State.MISSED, State.BOTH, State.UNKNOWN]
    assert found.tolist() == expected
    assert StateCounts.of(found) == StateCounts(1, 1, 1, 1, 1)
    assert StateCounts.of(found[[0, 0, 2]]) == StateCounts(
        both=0, missed=1, false_alarm=0, both_empty=2, unknown=0
    )


def test_what_lies_outside_of_the_known_field_is_neither_missed_nor_an_alarm() -> None:
    truth = np.zeros((4, 4), dtype=np.uint8)
    truth[:, 2:] = 255
    predicted = np.zeros_like(truth)
    predicted[0, 3] = 1
    assert count_overlap(predicted, truth).state == State.BOTH_EMPTY


def test_memory_is_that_of_a_mask_and_not_of_a_data_set(tmp_path) -> None:
    truth = np.lib.format.open_memmap(tmp_path / "masks.npy", "w+", np.uint8, (40, 2, 128, 128))
    truth[1, 1, :2] = 1
    tracemalloc.start()
    found = count_overlap(truth, truth)
    measure_surfaces(truth, truth, (2.0,))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.true_positive.sum() == found.true_positive[1, 1] == 256
    assert peak < truth.nbytes / 5


@pytest.mark.parametrize(
    ("predicted", "truth", "said"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"shape \(2, 3\) do not fit .* \(3, 2\)"),
        (np.zeros(3), np.zeros(3), "must be"),
        (np.full((2, 2), 0.7), np.zeros((2, 2)), "a predicted mask holds 0.7"),
        (np.full((2, 2), 255), np.zeros((2, 2)), "a predicted mask holds 255"),
        (np.zeros((2, 2)), np.full((2, 2), 2), "a true mask holds 2; its values must be 0, 1, 255"),
        (np.zeros((2, 2)), np.full((2, 2), np.nan), "a true mask holds nan"),
    ],
)
def test_what_is_no_mask_is_refused(predicted, truth, said) -> None:
    with pytest.raises(UserError, match=said):
        count_overlap(predicted, truth)
