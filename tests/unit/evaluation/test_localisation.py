from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import jaccard_score

from transfergrid.evaluation.localisation import (
    first_positives,
    otsu_threshold,
    overlap,
    points_inside,
    region,
)

MASKS = arrays.arrays(np.bool_, (5, 6))


@given(arrays.arrays(np.uint8, st.integers(2, 40)))
def test_otsu_leaves_the_least_variance_within_the_classes(values: np.ndarray) -> None:
    def within(level: int) -> float:
        parts = [values[values <= level], values[values > level]]
        return sum(float(part.var()) * len(part) for part in parts if len(part))

    least = min(within(level) for level in range(255))
    assert within(otsu_threshold(values)) == pytest.approx(least, abs=1e-6)


def test_a_bright_square_is_its_own_region() -> None:
    values = np.random.default_rng(0).uniform(0, 0.2, (20, 20))
    square = np.zeros((20, 20), dtype=bool)
    square[4:9, 5:12] = True
    values[square] += 0.7
    assert np.array_equal(region(values), square)
    assert np.array_equal(region(5 * values - 3), square)
    assert points_inside(values, square)
    assert not points_inside(values, ~square)


def test_a_flat_map_points_nowhere() -> None:
    everywhere = np.ones((4, 4), dtype=bool)
    assert not region(np.full((4, 4), 0.3)).any()
    assert not points_inside(np.zeros((4, 4)), everywhere)


@given(MASKS, MASKS)
def test_overlap_is_jaccards(found: np.ndarray, truth: np.ndarray) -> None:
    expected = jaccard_score(truth.ravel(), found.ravel(), zero_division=0)
    assert overlap(found, truth) == pytest.approx(expected)


def test_the_first_positives_are_first_by_name() -> None:
    labels = [1, np.nan, 1, 0, 1]
    names = ["d", "a", "c", "b", "e"]
    assert first_positives(labels, names, 2).tolist() == [2, 0]
    assert first_positives(labels, names, 9).tolist() == [2, 0, 4]
