from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from transfergrid.evaluation import bootstrap
from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.runtime.errors import UserError


def case(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, 40, 90)
    patient[:40] = np.arange(40)
    labels = (rng.random((90, 2)) < 0.4).astype(float)
    labels[rng.random((90, 2)) < 0.1] = np.nan
    scores = np.round(rng.normal(size=(3, 90, 2)) + np.nan_to_num(labels), 1)
    return scores, labels, patient


def explicit(
    scores: np.ndarray, labels: np.ndarray, patient: np.ndarray, rng: np.random.Generator, b: int
) -> np.ndarray:
    """Copy the drawn patients' studies one replicate at a time and score them."""
    rows = []
    for _ in range(b):
        drawn = rng.integers(0, 40, 40)
        units = np.concatenate([np.flatnonzero(patient == g) for g in drawn])
        macro = []
        for model in scores:
            areas = []
            for t in range(labels.shape[1]):
                known = units[~np.isnan(labels[units, t])]
                areas.append(roc_auc_score(labels[known, t], model[known, t]))
            macro.append(np.mean(areas))
        rows.append(macro)
    return np.array(rows)


@pytest.mark.parametrize(("table", "draws"), [(1_000_000, 1_000_000), (200, 1), (1, 60)])
def test_agrees_with_explicit_resampling(
    monkeypatch: pytest.MonkeyPatch, table: int, draws: int
) -> None:
    # Small tables hold five replicates or one, and small draws are one replicate's; numpy draws
    # integers one after the other, so the pieces do not change the draws.
    monkeypatch.setattr(bootstrap, "_TABLE", table)
    monkeypatch.setattr(bootstrap, "_LEAST", 1)
    monkeypatch.setattr(bootstrap, "_DRAWS", draws)
    scores, labels, patient = case()
    found = bootstrap_macro(scores, labels, patient, 25, np.random.default_rng(3))
    expected = explicit(scores, labels, patient, np.random.default_rng(3), 25)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def by_pairs(scores: np.ndarray, labels: np.ndarray, patient: np.ndarray, b: int) -> np.ndarray:
    """Compare every positive with every negative, in float64."""
    rng = np.random.default_rng(0)
    weights = np.array([np.bincount(rng.integers(0, 40, 40), minlength=40) for _ in range(b)])
    weights = weights[:, patient].astype(float)
    areas = []
    for t in range(labels.shape[1]):
        up, down = labels[:, t] == 1, labels[:, t] == 0
        high, low = scores[:, up, t][:, :, None], scores[:, down, t][:, None]
        wins = np.einsum(
            "bi,mij,bj->bm", weights[:, up], (high > low) + (high == low) / 2, weights[:, down]
        )
        areas.append(wins / (weights[:, up].sum(1) * weights[:, down].sum(1))[:, None])
    return np.mean(areas, axis=0)


@pytest.mark.parametrize("narrow", [2**31, 100])
def test_counts_are_exact_to_the_last_bit(monkeypatch: pytest.MonkeyPatch, narrow: int) -> None:
    monkeypatch.setattr(bootstrap, "_NARROW", narrow)  # with 100, all is counted in 64 bits
    scores, labels, patient = case(1)
    scores[0, :9] = np.inf
    scores[1, 3:12] = -np.inf
    found = bootstrap_macro(scores, labels, patient, 60, np.random.default_rng(0))
    assert found.tobytes() == by_pairs(scores, labels, patient, 60).tobytes()


def test_many_pairs_are_counted_in_64_bits() -> None:
    # Two patients, 2 x 40,000 studies: 6.4e9 pairs in every replicate.
    labels = np.repeat([0.0, 1.0, 0.0, 1.0], 40_000)[:, None]
    patient = np.repeat([0, 0, 1, 1], 40_000)
    scores = np.repeat([0.0, 1.0, 2.0, 0.5], 40_000)[None, :, None]
    found = bootstrap_macro(scores, labels, patient, 40, np.random.default_rng(0))
    # The first patient's positives beat its negatives, the second's lose; mixed, half of all win.
    assert set(found.ravel().tolist()) == {0.0, 0.5, 1.0}


def test_replicates_are_paired_across_models_and_repeatable() -> None:
    scores, labels, patient = case(2)
    doubled = np.concatenate([scores, scores])
    found = bootstrap_macro(doubled, labels, patient, 50, np.random.default_rng(1))
    np.testing.assert_array_equal(found[:, :3], found[:, 3:])
    again = bootstrap_macro(scores, labels, patient, 50, np.random.default_rng(1))
    np.testing.assert_array_equal(found[:, :3], again)
    assert found.std(axis=0).min() > 0


def test_a_replicate_without_a_class_is_nan_and_a_nan_model_is_nan() -> None:
    scores = np.arange(8.0).reshape(2, 4, 1)
    labels = np.array([[0.0], [0.0], [0.0], [1.0]])
    found = bootstrap_macro(scores, labels, np.arange(4), 200, np.random.default_rng(0))
    lost = np.isnan(found[:, 0])
    assert 0 < lost.sum() < 200
    np.testing.assert_array_equal(lost, np.isnan(found[:, 1]))
    assert np.all(found[~lost] == 1.0)
    scores[1, 2] = np.nan
    found = bootstrap_macro(scores, labels, np.arange(4), 20, np.random.default_rng(0))
    assert np.isnan(found[:, 1]).all() and not np.isnan(found[:, 0]).all()


def test_shapes_and_labels_are_checked() -> None:
    scores, labels, patient = case()
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="needs scores"):
        bootstrap_macro(scores[0], labels, patient, 5, rng)
    with pytest.raises(UserError, match="labels 0, 1 or NaN"):
        bootstrap_macro(scores, labels + 0.5, patient, 5, rng)
    with pytest.raises(UserError, match="at least one"):
        bootstrap_macro(scores[:, :0], labels[:0], patient[:0], 5, rng)
