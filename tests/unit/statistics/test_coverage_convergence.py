"""Intervals of a time to a level on planted curves, in short runs of the simulation."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from transfergrid.planning.paths import PROJECT
from transfergrid.statistics.curves import reached


@pytest.fixture()
def simulated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program that makes the table of docs/statistics.md, here with fewer studies."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module("coverage_convergence")


def test_the_true_mean_is_that_of_many_runs(simulated: ModuleType) -> None:
    arm = simulated.Arm(2500.0, 0.3, 2800)
    runs = [reached(one, 0.8, 1, "steps") for one in arm.runs(20_000, np.random.default_rng(0))]
    times = np.array([2800.0 if run.never else run.time for run in runs])
    assert arm.truth() == pytest.approx((times.mean(), np.log(times).mean()), rel=2e-3)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_the_truth_where_greenwood_s_do_not(
    simulated: ModuleType, seeds: int
) -> None:
    found = simulated.simulate(seeds, 0.3, 0.2, repeats=1500)
    assert found.censored == pytest.approx(0.2, abs=0.04)
    assert 0.925 <= found.welch <= 0.975
    assert 0.935 <= found.ratio <= 0.975
    assert found.greenwood < 0.89
    assert found.errs <= 0.07 and found.permuted <= 0.07
