"""Sums of points of a curve, against the same sums made of whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from transfergrid.metrics.influence import Influence, degrees_of_freedom
from transfergrid.statistics.components import difference
from transfergrid.statistics.data_curves import Points, Runs, Sums, at_once

PATIENTS = np.arange(40)
GROUPS = np.repeat([0, 1, -1], [8, 30, 2])
T_PATIENTS, T_SEEDS = stats.t.isf(0.025, 30), stats.t.isf(0.025, 2)


def made(points: int, seeds: int, seed: int = 0) -> list[Runs]:
    """Runs of any scores; patients without a label contribute nothing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.01, size=(points, seeds, 40)) * (GROUPS >= 0)
    scores = 0.8 + 0.03 * rng.normal(size=(points, seeds))
    return [
        {s: Influence(float(scores[k, s]), PATIENTS, values[k, s], GROUPS) for s in range(seeds)}
        for k in range(points)
    ]


@pytest.mark.parametrize("seeds", [2, 5])
def test_a_sums_variance_is_that_of_the_sum_of_the_runs(seeds: int) -> None:
    runs = made(4, seeds)
    weights = np.array([1.0, -0.25, -0.75, 0.0])
    estimates = np.array(
        [sum(w * r[s].estimate for w, r in zip(weights, runs, strict=True)) for s in range(seeds)]
    )
    values = np.array(
        [sum(w * r[s].values for w, r in zip(weights, runs, strict=True)) for s in range(seeds)]
    )
    expected = difference(estimates, np.zeros(seeds), values, np.zeros_like(values), GROUPS)
    found = Points.of(runs, range(seeds)).sums([weights])
    assert found.values[0] == pytest.approx(expected.estimate, abs=1e-15)
    assert found.variance_patient[0] == pytest.approx(expected.variance_patient, rel=1e-10)
    assert found.variance_seed[0] == pytest.approx(expected.variance_seed, rel=1e-10)
    df = degrees_of_freedom(values.mean(axis=0), GROUPS)
    assert found.df_patient[0] == pytest.approx(df, rel=1e-10)


def test_one_seed_leaves_the_patients_alone() -> None:
    runs = made(2, 1)
    found = Points.of(runs, [0]).sums(np.eye(2))
    assert np.array_equal(found.variance_seed, [0, 0])
    for k in range(2):
        values = runs[k][0].values
        t = stats.t.isf(0.025, degrees_of_freedom(values, GROUPS))
        assert found.reach(0.05)[k] == pytest.approx(t * np.sqrt((values**2).sum()))


@pytest.mark.parametrize(
    ("patient", "between", "interaction", "expected"),
    [
        (4.0, 0.0, 0.0, 2 * T_PATIENTS),
        (0.0, 4.0, 0.0, 2 * T_SEEDS),
        (1.0, 3.0, 0.0, 2 * (0.25 * T_PATIENTS + 0.75 * T_SEEDS)),
        # What patients do differently to each run is in the spread between runs already.
        (2.0, 3.0, 1.0, 2 * (0.25 * T_PATIENTS + 0.75 * T_SEEDS)),
        (1.0, 4.0, 1.0, 2 * T_SEEDS),
        (0.0, 0.0, 0.0, np.nan),
    ],
)
def test_the_reach_is_cochrans(
    patient: float, between: float, interaction: float, expected: float
) -> None:
    df = np.array([30.0 if patient else np.nan])
    parts = (np.array([part]) for part in (patient, between, interaction))
    found = Sums(np.zeros(1), *parts, df, 3)
    assert found.reach(0.05)[0] == pytest.approx(expected, nan_ok=True)


def test_levels_that_hold_at_once() -> None:
    assert at_once(0.05, 1) == pytest.approx(0.05)
    assert (1 - at_once(0.05, 4)) ** 4 == pytest.approx(0.95)
