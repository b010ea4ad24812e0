from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from transfergrid.evaluation.calibration import bin_of, calibration


def cases(n: int = 1000, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    p = rng.beta(0.8, 2, n)
    return p, (rng.random(n) < np.clip(p - shift, 0, 1)).astype(float)


def test_bins_are_scikit_learns_and_brier_too() -> None:
    p, y = cases()
    found = calibration(p, y, np.arange(len(p)))
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    # scikit-learn interpolates its quantiles, which moves a case or two.
    assert [b.predicted for b in found.bins] == pytest.approx(predicted, abs=0.01)
    assert [b.observed.estimate for b in found.bins] == pytest.approx(observed, abs=0.02)
    assert {b.observed.n for b in found.bins} == {100}
    assert found.brier == pytest.approx(brier_score_loss(y, p))


def test_the_error_is_the_mean_gap_of_ten_equal_parts() -> None:
    p, y = cases(400, shift=0.1)
    order = np.argsort(p)
    tenths = zip(np.array_split(p[order], 10), np.array_split(y[order], 10), strict=True)
    gaps = [abs(part.mean() - truth.mean()) for part, truth in tenths]
    assert calibration(p, y, np.arange(len(p))).ece == pytest.approx(np.mean(gaps), abs=1e-12)


def test_the_error_is_the_shift_of_the_probabilities() -> None:
    p, y = cases(200_000, shift=0.0)
    patient = np.arange(len(p))
    assert calibration(p, y, patient).ece < 0.006
    assert calibration(np.clip(p + 0.1, 0, 1), y, patient).ece == pytest.approx(0.1, abs=0.01)


def test_intervals_cover_the_true_share() -> None:
    rng = np.random.default_rng(0)
    inside = total = 0
    for _ in range(300):
        p = rng.uniform(0.05, 0.95, 400)
        y = rng.random(400) < p
        for b in calibration(p, y, np.arange(400)).bins:
            inside += b.observed.low <= b.predicted <= b.observed.high
            total += 1
    assert 0.93 <= inside / total <= 0.98


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=50))
def test_equal_probabilities_share_a_bin(values: list[float]) -> None:
    p = np.asarray(values)
    which = bin_of(p, 10)
    for value in set(values):
        assert len(set(which[p == value])) == 1
    assert (np.diff(which[np.argsort(p)]) >= 0).all()
    assert sum(b.observed.n for b in calibration(p, p > 0.3, np.arange(len(p))).bins) == len(p)


def test_nothing_is_not_calibrated() -> None:
    found = calibration([], [], [])
    assert found.bins == ()
    assert np.isnan([found.ece, found.brier]).all()
