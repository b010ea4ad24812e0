from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from transfergrid.runtime.errors import UserError
from transfergrid.tasks.score import multiclass, multilabel
from transfergrid.tasks.score.units import combine_views, study_index, study_labels


def test_studies_are_numbered_by_first_appearance() -> None:
    index, names = study_index(np.array(["s9", "s1", "s9", "s5", "s1"]))
    np.testing.assert_array_equal(index, [0, 1, 0, 2, 1])
    assert names.tolist() == ["s9", "s1", "s5"]


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.sampled_from(["max", "mean"]))
def test_views_combine_as_pandas_groups_them(studies: list[int], how: str) -> None:
    rng = np.random.default_rng(len(studies))
    logits = rng.normal(size=(2, len(studies), 3)).astype(np.float32)
    index, names = study_index(np.array(studies))
    combined = combine_views(logits, index, how)
    assert combined.dtype == np.float64
    for checkpoint in range(2):
        frame = pd.DataFrame(logits[checkpoint].astype(float))
        grouped = getattr(frame.groupby(np.array(studies)), how)().loc[names]
        np.testing.assert_allclose(combined[checkpoint], grouped.to_numpy(), atol=1e-12)


def test_no_checkpoints_and_no_images() -> None:
    assert combine_views(np.zeros((0, 3, 2)), np.array([0, 1, 0]), "max").shape == (0, 2, 2)
    assert combine_views(np.zeros((2, 0, 4)), np.array([], int), "mean").shape == (2, 0, 4)
    assert study_labels(np.zeros((0, 4)), np.array([], int)).shape == (0, 4)


def test_wrong_rule_or_shape_is_refused() -> None:
    with pytest.raises(UserError, match="'max' or 'mean'"):
        combine_views(np.zeros((1, 2, 1)), np.zeros(2, int), "median")
    with pytest.raises(UserError, match="do not fit"):
        combine_views(np.zeros((1, 2, 1)), np.zeros(3, int), "max")


def test_a_study_takes_the_largest_known_label() -> None:
    nan = np.nan
    labels = np.array([[0, nan, nan, 1], [1, 0, nan, 1], [0, 1, 0, nan]])
    np.testing.assert_array_equal(
        study_labels(labels, np.array([0, 0, 1])), [[1, 0, nan, 1], [0, 1, 0, nan]]
    )


def test_probabilities_agree_with_scipy_and_keep_far_logits_apart() -> None:
    logits = np.random.default_rng(0).normal(scale=5, size=(4, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(
        multilabel.probabilities(logits), expit(logits.astype(float)), rtol=1e-14
    )
    np.testing.assert_allclose(
        multiclass.probabilities(logits), softmax(logits.astype(float), axis=-1), rtol=1e-14
    )
    far = multilabel.probabilities(np.float32([-200, -90, -30, 17, 18, 30]))
    assert np.all(np.diff(far) > 0)
    assert np.isfinite(multiclass.probabilities([[-800.0, 800.0]])).all()
