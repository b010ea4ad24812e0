from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.runtime.errors import UserError
from transfergrid.training.subsets import training_rows


@given(st.integers(4, 300), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 5), st.data())
def test_smaller_subsets_are_parts_of_larger_ones(
    images: int, one: float, two: float, seed: int, data: st.DataObject
) -> None:
    small, large = (training_rows(images, share, None, seed) for share in sorted((one, two)))
    assert set(small) <= set(large)
    assert len(large) == max(2, round(max(one, two) * images))
    assert np.all(np.diff(large) > 0)
    assert large[-1] < images
    count = data.draw(st.integers(2, images))
    counted = training_rows(images, 1.0, count, seed)
    assert len(counted) == count
    assert set(counted) <= set(large) or set(large) <= set(counted)


def test_the_whole_split_is_every_row_and_seeds_choose_differently() -> None:
    assert np.array_equal(training_rows(50, 1.0, None, 0), np.arange(50))
    assert set(training_rows(50, 0.5, None, 0)) != set(training_rows(50, 0.5, None, 1))


def test_a_subset_is_drawn_from_the_whole_split() -> None:
    chosen = np.concatenate([training_rows(100, 0.1, None, seed) for seed in range(100)])
    # 1000 draws: the mean of uniform rows lies within five standard errors of 49.5.
    assert abs(chosen.mean() - 49.5) < 5 * 28.9 / np.sqrt(1000)


@pytest.mark.parametrize(("images", "count"), [(10, 11), (1, None), (10, 1), (0, None)])
def test_a_subset_that_cannot_be_is_refused(images: int, count: int | None) -> None:
    with pytest.raises(UserError, match="train_count"):
        training_rows(images, 1.0, count, 0)
