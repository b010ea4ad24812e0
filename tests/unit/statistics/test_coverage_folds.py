"""Intervals and tests over folds that share training patients, in short runs of the simulation."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from transfergrid.planning.paths import PROJECT


@pytest.fixture()
def simulated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program that makes the tables of docs/statistics.md, here with fewer cohorts."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module("coverage_folds")


def test_the_known_auroc_of_a_model_is_that_of_many_patients(simulated: ModuleType) -> None:
    rng = np.random.default_rng(0)
    moved = simulated.shifts((1.2, 0.9), 10)
    few, many = simulated.cohort(100, moved, rng), simulated.cohort(20_000, moved, rng)
    for network in range(2):
        weights = simulated.learn(few.features[network], few.label)
        part = simulated._part(many.features[network] @ weights, many.label, many.patient)
        assert simulated.true_area(weights, moved[network]) == pytest.approx(
            part.estimates[0], abs=0.01
        )


def test_pooled_intervals_of_stable_models_hold_the_truth(simulated: ModuleType) -> None:
    found = simulated.coverage(500, 10, 5, 1, repeats=250, averaged=250)
    assert 0.93 <= found.models <= 0.97
    assert 0.93 <= found.general <= 0.97
    assert found.narrower == pytest.approx(5**-0.5, abs=0.03)
    assert found.corrected >= 0.95 and found.wider > 1.2


def test_a_t_test_over_folds_errs_and_more_so_over_folds_drawn_anew(simulated: ModuleType) -> None:
    once, _, pooled = simulated.naive_errors(200, 20, 10, 1, 300)
    assert once > 0.06 and pooled < 0.12
    often, corrected, _ = simulated.naive_errors(200, 20, 10, 10, 30)
    assert often > 0.35 and corrected < 0.15
