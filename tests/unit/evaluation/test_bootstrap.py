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


@pytest.mark.parametrize("cells", [1_000_000, 100])
def test_agrees_with_explicit_resampling(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    # With 100 cells every replicate is a chunk and pairs give way to sorting; numpy draws 64-bit
    # integers one after the other, so chunks do not change the draws.
    monkeypatch.setattr(bootstrap, "_CELLS", cells)
    scores, labels, patient = case()
    found = bootstrap_macro(scores, labels, patient, 25, np.random.default_rng(3))
    expected = explicit(scores, labels, patient, np.random.default_rng(3), 25)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_pairs_and_sorting_agree_with_infinite_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels, patient = case(1)
    scores[0, :9] = np.inf
    scores[1, 3:12] = -np.inf
    by_pairs = bootstrap_macro(scores, labels, patient, 60, np.random.default_rng(0))
    monkeypatch.setattr(bootstrap, "_wins_by_pairs", None)  # not to be called
    monkeypatch.setattr(bootstrap, "_CELLS", 200)
    by_sorting = bootstrap_macro(scores, labels, patient, 60, np.random.default_rng(0))
    np.testing.assert_allclose(by_pairs, by_sorting, atol=1e-12)


def test_half_the_precision_gives_the_same_bits_and_is_left_where_it_would_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores, labels, patient = case(2)
    single = bootstrap_macro(scores, labels, patient, 60, np.random.default_rng(0))
    used = []
    real = bootstrap._wins_by_pairs

    def noted(up: np.ndarray, down: np.ndarray, w_pos: np.ndarray, w_neg: np.ndarray) -> np.ndarray:
        used.append(w_pos.dtype)
        return real(up, down, w_pos, w_neg)

    monkeypatch.setattr(bootstrap, "_wins_by_pairs", noted)
    monkeypatch.setattr(bootstrap, "_EXACT", 100)  # fewer pairs than there are
    double = bootstrap_macro(scores, labels, patient, 60, np.random.default_rng(0))
    assert set(used) == {np.dtype(np.float64)}
    assert single.tobytes() == double.tobytes()


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
