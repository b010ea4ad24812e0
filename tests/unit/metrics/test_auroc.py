from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from transfergrid.metrics.auroc import auroc, macro_auroc
from transfergrid.runtime.errors import UserError


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_agrees_with_scikit_learn_under_ties(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    scores = np.round(rng.normal(size=(6, 211)), decimals)
    labels = (rng.random(211) < 0.2).astype(np.float32)
    expected = [roc_auc_score(labels, row) for row in scores]
    np.testing.assert_allclose(auroc(scores, labels), expected, rtol=0, atol=1e-12)


def test_unknown_labels_are_dropped() -> None:
    scores = np.array([0.1, 9.0, 0.4, 0.3, 0.8])
    labels = np.array([0.0, np.nan, 0.0, 1.0, 1.0])
    known = ~np.isnan(labels)
    assert auroc(scores, labels)[0] == roc_auc_score(labels[known], scores[known])


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, np.nan], [np.nan] * 3])
def test_single_class_is_nan(labels: list[float]) -> None:
    assert np.isnan(auroc(np.zeros((2, 3)), labels)).all()


def test_a_nan_score_spoils_its_own_model_alone() -> None:
    scores = np.array([[0.1, np.nan, 0.9], [0.1, 0.2, 0.9], [np.nan, 0.2, 0.9]])
    np.testing.assert_array_equal(auroc(scores, [0, 0, 1]), [np.nan, 1.0, np.nan])


def test_infinite_scores_have_a_rank() -> None:
    assert auroc([-np.inf, 0.0, np.inf, np.inf], [0, 1, 0, 1])[0] == pytest.approx(0.625)


@pytest.mark.parametrize("labels", [[0, 1, 0.7], [0, 1, -1], [0, 1]])
def test_bad_labels_are_refused(labels: list[float]) -> None:
    with pytest.raises(UserError):
        auroc([0.1, 0.2, 0.3], labels)


def test_macro_is_the_mean_of_its_tasks_and_nan_if_one_is() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(50, 3)), (rng.random((50, 3)) < 0.5).astype(float)
    labels[:, 2] = 0
    parts = [roc_auc_score(labels[:, t], scores[:, t]) for t in (0, 1)]
    assert macro_auroc(scores, labels, [0, 1]) == pytest.approx(np.mean(parts), abs=1e-12)
    assert np.isnan(macro_auroc(scores, labels, [0, 1, 2]))
    with pytest.raises(UserError, match="at least one task"):
        macro_auroc(scores, labels, [])


_CASE = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.int64, n, elements=st.integers(-20, 20)),
        hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0, np.nan])),
    )
)


@settings(deadline=None)
@given(_CASE)
def test_invariant_to_monotone_maps_and_mirrored_by_negation(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, labels = case
    area = auroc(scores, labels)
    np.testing.assert_array_equal(auroc(np.exp(scores / 4.0), labels), area)
    np.testing.assert_allclose(auroc(-scores, labels), 1 - area, atol=1e-12)
    np.testing.assert_allclose(auroc(scores, 1 - labels), 1 - area, atol=1e-12)
