"""How far groups are apart, against DeLong's test, a simulation and what must hold of any two."""

from __future__ import annotations

import math

import numpy as np
import pytest

from transfergrid.metrics.influence import Influence, delong_covariance
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.statistics.groups import Estimate, Seeds, apart, mean_over_seeds

AUROC = Scorer.of(built_in("auroc"))


def seeds(
    labels: np.ndarray, scores: np.ndarray, patient: np.ndarray, alpha: float = 0.05
) -> Seeds:
    """Return what several seeds, a row of scores each, say of the same cases."""
    runs, bounds = [], []
    for row in scores:
        cases = Cases(row[:, None], labels[:, None], patient, ("x",), ("x",))
        runs.append(AUROC.influence(cases))
        whole = AUROC.intervals(cases, None, alpha)[1]
        bounds.append((whole.low, whole.high))
    return Seeds(tuple(runs), np.array(bounds))


def drawn(
    rng: np.random.Generator, n: int, lift: float, first: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = (rng.random(n) < 0.3).astype(float)
    return labels, (lift * labels + rng.normal(size=n))[None], np.arange(first, first + n)


def test_many_patients_are_judged_as_by_delong() -> None:
    rng = np.random.default_rng(0)
    sides = [drawn(rng, 4000, lift, first) for lift, first in ((1.2, 0), (1.0, 4000))]
    found = apart(*(seeds(*side) for side in sides), 0.05, 1.0)
    areas, variances = zip(*(delong_covariance(side[1], side[0]) for side in sides), strict=True)
    se = math.sqrt(sum(float(v[0, 0]) for v in variances))
    assert found.value == pytest.approx(float(areas[0][0] - areas[1][0])) and found.shared == 0
    assert found.high - found.low == pytest.approx(2 * 1.96 * se, rel=0.03)
    assert found.p == pytest.approx(math.erfc(abs(found.value) / se / math.sqrt(2)), abs=0.005)


def test_paired_sides_are_judged_as_by_delong() -> None:
    rng = np.random.default_rng(1)
    labels, scores, patient = drawn(rng, 3000, 1.0)
    both = np.concatenate([scores, scores + 0.5 * rng.normal(size=scores.shape)])
    found = apart(*(seeds(labels, row[None], patient) for row in both), 0.05, 1.0)
    areas, covariance = delong_covariance(both, labels)
    se = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert found.value == pytest.approx(float(areas[0] - areas[1])) and found.shared == 3000
    assert found.high - found.low == pytest.approx(2 * 1.96 * se, rel=0.05)


def test_a_group_is_not_apart_from_itself_and_sides_can_be_exchanged() -> None:
    rng = np.random.default_rng(2)
    one, other = (seeds(*drawn(rng, 80, lift, first)) for lift, first in ((1.5, 0), (0.5, 80)))
    same = apart(one, one, 0.05, 1.0)
    assert same.value == 0 and same.p == 1 and same.shared == 80
    # Of lopsided arms their difference is left, which is the closed form for r = 1.
    assert -same.low == same.high == pytest.approx(abs(one.arms[0] - one.arms[1]))
    there, back = apart(one, other, 0.05, 1.0), apart(other, one, 0.05, 1.0)
    assert (there.value, there.low, there.high) == (-back.value, -back.high, -back.low)
    assert there.p == back.p


def test_small_groups_alike_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(3)
    told = []
    for _ in range(400):
        sides = [seeds(*drawn(rng, n, 1.5, first)) for n, first in ((40, 0), (120, 40))]
        found = apart(*sides, 0.05, 1.0)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        told.append(found.p < 0.05)
    # Two standard errors of 400 draws around 5 %.
    assert 0.02 <= np.mean(told) <= 0.075


def test_perfect_ranking_of_few_is_not_certainty() -> None:
    few = (np.array([0, 0, 0, 1, 1.0]), np.array([[1, 2, 3, 4, 5.0]]), np.arange(5))
    many = drawn(np.random.default_rng(4), 200, 1.2, 10)
    found = apart(seeds(*few), seeds(*many), 0.05, 1.0)
    assert found.value > 0 and found.low < 0 and found.p > 0.05


def test_seeds_add_their_variance_once() -> None:
    rng = np.random.default_rng(5)
    labels, scores, patient = drawn(rng, 300, 1.0)
    alike = seeds(labels, np.repeat(scores, 3, axis=0), patient)
    one = seeds(labels, scores, patient)
    first, second = (mean_over_seeds(each, 0.05, (0, 1)) for each in (alike, one))
    assert first.value == pytest.approx(second.value) and first.low == pytest.approx(second.low)
    strengths = np.array([0.2, 0.6, 1.0, 1.4, 1.8])[:, None]
    spread = seeds(labels, strengths * labels + rng.normal(size=(5, 300)), patient)
    wide = mean_over_seeds(spread, 0.05, (0, 1))
    assert wide.value - wide.low > spread.arms[0] and wide.high - wide.value > spread.arms[1]


def test_what_has_no_bounds_has_no_p_value() -> None:
    patients = np.arange(3)
    runs = (Influence(0.7, patients, np.array([0.1, -0.1, 0.0])),)
    silent = Seeds(runs, np.array([[np.nan, np.nan]]))
    whole = Seeds(runs, np.array([[0.5, 0.9]]))
    found: Estimate = apart(silent, whole, 0.05, 1.0)
    assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.p)
    assert math.isnan(mean_over_seeds(silent, 0.05, (0, 1)).low)
