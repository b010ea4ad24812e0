"""Drops from one set of patients to another, against closed forms and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.statistics.elsewhere import Bounded, drop_of

values = st.floats(0.0, 1.0)
arms = st.floats(0.0, 0.3)


@given(values, values, arms, arms)
def test_of_symmetric_intervals_variances_add(
    own: float, there: float, arm: float, other: float
) -> None:
    found = drop_of(
        Bounded(own, own - arm, own + arm), Bounded(there, there - other, there + other), 1
    )
    assert found.estimate == own - there
    half = math.sqrt(arm**2 + other**2)
    assert found.high - found.estimate == pytest.approx(half, abs=1e-12)
    assert found.estimate - found.low == pytest.approx(half, abs=1e-12)


@given(*[values] * 2, *[arms] * 4)
def test_less_is_better_turns_the_drop_round(
    own: float, there: float, a: float, b: float, c: float, d: float
) -> None:
    first, second = Bounded(own, own - a, own + b), Bounded(there, there - c, there + d)
    found, turned = drop_of(first, second, 1), drop_of(first, second, -1)
    assert turned == pytest.approx((-found.estimate, -found.high, -found.low))


def test_without_an_interval_there_is_none() -> None:
    found = drop_of(Bounded(0.9, math.nan, math.nan), Bounded(0.8, 0.7, 0.9), 1)
    assert found.estimate == pytest.approx(0.1)
    assert math.isnan(found.low) and math.isnan(found.high)


def test_intervals_of_a_drop_of_auroc_hold_the_truth_as_often_as_they_say() -> None:
    # Normal scores a distance apart: the AUROC is known, near 1 within and lower elsewhere.
    rng, held, rounds = np.random.default_rng(0), 0, 400
    scorer = Scorer.of(built_in("auroc"))

    def interval(apart: float, count: int) -> Bounded:
        labels = (np.arange(count) % 4 == 0).astype(float)[:, None]
        scores = rng.normal(size=(count, 1)) + apart * labels
        squashed = 1 / (1 + np.exp(-scores))
        cases = Cases(squashed, labels, np.arange(count), ("mass",), ("mass",))
        whole = scorer.intervals(cases)[1]
        return Bounded(whole.estimate, whole.low, whole.high)

    def true(apart: float) -> float:
        return 0.5 * (1 + math.erf(apart / 2))

    for _ in range(rounds):
        found = drop_of(interval(2.5, 240), interval(1.2, 400), 1)
        held += found.low <= true(2.5) - true(1.2) <= found.high
    assert 0.925 <= held / rounds <= 0.98
