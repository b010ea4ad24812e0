"""What is predicted from groups alone, against scikit-learn's logistic regression."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transfergrid.statistics.shortcuts import fit, indicators, probabilities


@pytest.mark.parametrize("seed", range(4))
def test_predictions_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [2, 3, 5][: 1 + seed % 3]
    learned, tested = (
        np.stack([rng.integers(size, size=n) for size in sizes], axis=1) for n in (300, 40)
    )
    labels = (rng.random(300) < 0.2 + 0.5 * (learned[:, 0] == 1)).astype(float)
    labels[:20] = np.nan
    found = probabilities(learned, labels, tested, sizes)
    model = LogisticRegression(tol=1e-10, max_iter=10000)
    model.fit(indicators(learned, sizes)[20:], labels[20:])
    theirs = model.predict_proba(indicators(tested, sizes))[:, 1]
    assert found is not None and np.allclose(found, theirs, atol=1e-5)


def test_one_column_ranks_groups_by_how_often_they_are_positive() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=(2000, 1))
    labels = (rng.random(2000) < np.array([0.1, 0.7, 0.4, 0.9])[codes[:, 0]]).astype(float)
    found = probabilities(codes, labels, np.arange(4)[:, None], [4])
    rates = [labels[codes[:, 0] == group].mean() for group in range(4)]
    assert found is not None
    assert np.argsort(found).tolist() == np.argsort(rates).tolist()
    assert np.allclose(found, rates, atol=0.02)


def test_soft_labels_count_as_shares_and_a_group_never_learned_as_the_average() -> None:
    codes = np.repeat([0, 1], 50)[:, None]
    soft = np.where(codes[:, 0] == 0, 0.25, 0.75)
    hard = np.tile([0.0, 0.0, 0.0, 1.0], 25)[:100]
    hard[50:] = 1 - hard[50:]
    whole = np.concatenate([hard[:48], hard[50:98]])
    same = np.concatenate([soft[:48], soft[50:98]])
    places = np.concatenate([codes[:48], codes[50:98]])
    tested = np.array([[0], [1], [2]])
    first = probabilities(places, same, tested, [3])
    second = probabilities(places, whole, tested, [3])
    assert first is not None and second is not None and np.allclose(first, second, atol=1e-9)
    assert first[2] == pytest.approx(0.5)


def test_without_a_class_nothing_is_learned() -> None:
    codes = np.zeros((5, 1), dtype=np.int64)
    assert probabilities(codes, np.ones(5), codes, [1]) is None
    assert probabilities(codes, np.full(5, np.nan), codes, [1]) is None


def test_newton_stops_even_where_groups_tell_labels_apart() -> None:
    design = np.eye(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights = fit(design, np.array([0.0, 1000.0]), np.array([1.0, 1000.0]))
    assert np.isfinite(weights).all() and weights[2] > weights[1]
