from __future__ import annotations

import math

import numpy as np
import pytest

from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.metrics.influence import Influence, macro_influence
from transfergrid.statistics.replicates import (
    patient_replicates,
    percentile_interval,
    percentile_p,
    two_level,
)


def films(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    patient = np.arange(400) // 2
    labels = ((patient * 7 % 10 < 4)[:, None] ^ (rng.random((400, 2)) < 0.1)).astype(float)
    scores = np.round(labels + rng.normal(size=(3, 400, 2)), 1)  # ties
    return scores, labels, patient


def test_replicates_spread_as_those_of_the_areas_themselves() -> None:
    scores, labels, patient = films()
    runs = [macro_influence(s, labels, patient, [0, 1]) for s in scores]
    found = patient_replicates(runs, 3000, 0)
    whole = bootstrap_macro(scores, labels, patient, 3000, np.random.default_rng(1)).T
    assert found.shape == whole.shape
    np.testing.assert_allclose(found.mean(axis=1), [r.estimate for r in runs], atol=1e-3)
    # Differences are paired: their spread is that of differences, much below that of each.
    for values in ((0,), (1,), (0, 1), (1, 2)):
        ours, theirs = (
            np.subtract(*m[list(values)]).std() if len(values) == 2 else m[values[0]].std()
            for m in (found, whole)
        )
        assert ours == pytest.approx(theirs, rel=0.06)


def test_draws_do_not_depend_on_what_else_is_drawn() -> None:
    rng = np.random.default_rng(0)
    runs = [Influence(0.7, np.arange(50), rng.normal(size=50) / 100) for _ in range(3)]
    together = patient_replicates(runs, 250, 4)
    np.testing.assert_allclose(patient_replicates(runs[1:2], 250, 4)[0], together[1], rtol=1e-12)
    assert not np.array_equal(patient_replicates(runs, 250, 5), together)


def test_patients_without_a_label_are_not_drawn() -> None:
    scores, labels, _ = films()
    more = np.concatenate([labels, np.full((60, 2), np.nan)])
    whole = macro_influence(np.concatenate([scores[0], scores[0][:60]]), more, range(460), [0, 1])
    alone = macro_influence(scores[0], labels, range(400), [0, 1])
    drawn = [patient_replicates([run], 50, 3) for run in (whole, alone)]
    np.testing.assert_allclose(*drawn, rtol=1e-12)


def test_two_levels_add_the_seeds() -> None:
    rng = np.random.default_rng(0)
    patients = 0.01 * rng.normal(size=20_000)
    a = np.array([0.80, 0.82, 0.84])[:, None] + patients
    b = np.array([0.70, 0.70, 0.70])[:, None] + 0 * patients
    drawn = two_level(a, b, rng)
    assert drawn.mean() == pytest.approx(0.12, abs=1e-3)
    assert drawn.var() == pytest.approx(0.01**2 + np.var([0.80, 0.82, 0.84]) / 3, rel=0.05)
    np.testing.assert_allclose(two_level(a[:1], b[:1], rng), 0.1 + patients)


def test_percentiles_leave_out_unknown_draws() -> None:
    low, high = percentile_interval([*range(101), math.nan], 0.1)
    assert (low, high) == (5, 95)
    assert all(map(math.isnan, percentile_interval([math.nan], 0.05)))


def test_no_number_of_draws_proves_a_difference() -> None:
    assert percentile_p(np.arange(1, 200)) == 2 / 200
    assert percentile_p([-1.0, *range(1, 100)]) == 2 * 2 / 101
    assert percentile_p([-1.0, 1.0]) == percentile_p(np.zeros(9)) == 1
