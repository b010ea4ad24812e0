"""Do the intervals of contrasts hold the truth, and do the tests hold their level, as they say?

2,000 made-up test sets each: patients with several films, scores with ties, seeds that differ not
at all or more than anything else, and down to 30 films of the rarer class.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from transfergrid.metrics.influence import influence_values, sum_by_patient
from transfergrid.planning.paths import PROJECT
from transfergrid.statistics.components import Difference, difference, tost
from transfergrid.statistics.power import difference_power, equivalence_power

PATIENTS, STUDIES, REPEATS = 80, 2, 2000
SHARED, ARM, RUN = 0.6, 0.9, 0.5  # variances of a study's score: patient; arm x patient; run
GRAIN = (
    0.5  # scores are rounded to this, about a tenth of their range: a quarter of pairs of films tie
)
SEED_SDS = [0.0, 0.15, 0.4, 1.2]


def separation(area: float, seed_sd: float) -> float:
    """Return the mean separation whose expected AUROC over seeds is `area`."""
    return float(stats.norm.ppf(area) * np.sqrt(2 * (SHARED + ARM + RUN) + seed_sd**2))


@cache
def simulate(
    seeds: int,
    seed_sd: float,
    areas: tuple[float, float],
    positive: float = 0.35,
    ties: bool = False,
    clustered: bool = True,
) -> list[Difference]:
    """Return what 2,000 test sets would have us believe.

    Scores are normal with a separation drawn by each run. Patients carry an effect of their own
    in every arm, the same for all its seeds, and their films share the label if `clustered`.
    """
    rng = np.random.default_rng([seeds, int(100 * seed_sd), int(1000 * positive), ties, clustered])
    patient = np.repeat(np.arange(PATIENTS), STUDIES)
    unit = patient / PATIENTS if clustered else rng.permutation(np.linspace(0, 0.999, len(patient)))
    labels = (unit < positive).astype(float)
    apart = [separation(area, seed_sd) for area in areas]
    scores = np.empty((len(areas), REPEATS, seeds, len(patient)))
    for repeat in range(REPEATS):
        shared = rng.normal(size=PATIENTS) * np.sqrt(SHARED)
        for arm, mean in enumerate(apart):
            effect = (shared + rng.normal(size=PATIENTS) * np.sqrt(ARM))[patient]
            own = mean + seed_sd * rng.normal(size=(seeds, 1))
            noise = rng.normal(size=(seeds, len(patient))) * np.sqrt(RUN)
            scores[arm, repeat] = own * labels + effect + noise
    if ties:
        scores = np.round(scores / GRAIN) * GRAIN
    estimates, values = influence_values(scores.reshape(-1, len(patient)), labels, patient)
    areas_a, areas_b = estimates.reshape(len(areas), REPEATS, seeds)
    sums = sum_by_patient(values, patient, PATIENTS)
    sums_a, sums_b = sums.reshape(len(areas), REPEATS, seeds, PATIENTS)
    return list(map(difference, areas_a, areas_b, sums_a, sums_b))


def columns(found: list[Difference]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return estimates, standard errors and degrees of freedom."""
    estimate, se, df = np.array([(d.estimate, d.se, d.df) for d in found]).T
    return estimate, se, df


def coverage(found: list[Difference], truth: float) -> float:
    estimate, se, df = columns(found)
    arm = stats.t.isf(0.025, df) * se
    low, high = np.clip(estimate - arm, -1, 1), np.clip(estimate + arm, -1, 1)
    return float(np.mean((low <= truth) & (truth <= high)))


def errors(same: list[Difference]) -> float:
    """Return how often arms that are the same are called different."""
    estimate, se, df = columns(same)
    return float(np.mean(2 * stats.t.sf(np.abs(estimate) / se, df) < 0.05))


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", SEED_SDS)
@pytest.mark.parametrize("seeds", [3, 5])
def test_coverage_from_no_seed_variance_to_dominant(seeds: int, seed_sd: float) -> None:
    found = simulate(seeds, seed_sd, (0.78, 0.72))
    assert 0.93 <= coverage(found, 0.06) <= 0.98
    df = np.median([d.df for d in found])
    # Without seed variance the patients decide; where it dominates, the 2 (S - 1) of the seeds.
    if seed_sd == 0:
        assert df > 25
    if seed_sd == 1.2:
        assert df < 3.2 * (seeds - 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", SEED_SDS)
def test_two_seeds_are_fewer_than_the_intervals_are_made_for(seed_sd: float) -> None:
    found, same = (simulate(2, seed_sd, areas) for areas in ((0.78, 0.72), (0.75, 0.75)))
    assert 0.91 <= coverage(found, 0.06) <= 0.97
    assert errors(same) <= 0.09
    # With about two degrees of freedom some bounds leave what a difference can be, and are cut.
    _, se, df = columns(found)
    wide = np.mean(stats.t.isf(0.025, df) * se > 1)
    assert (wide > 0.05) == (seed_sd == 1.2)


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", [0.0, 0.4])
@pytest.mark.parametrize("seeds", [3, 5])
def test_coverage_with_ties_and_few_positives(seeds: int, seed_sd: float) -> None:
    # 30 positive films among 160, and a label of its own for each film of a patient. Ties pull
    # both areas to one half by the same factor, so equal areas stay equal.
    found = simulate(seeds, seed_sd, (0.75, 0.75), positive=30 / 160, ties=True, clustered=False)
    assert 0.93 <= coverage(found, 0.0) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", SEED_SDS)
@pytest.mark.parametrize("seeds", [3, 5])
def test_tests_hold_their_level(seeds: int, seed_sd: float) -> None:
    same = simulate(seeds, seed_sd, (0.75, 0.75))
    assert errors(same) <= 0.07
    # At the margin itself, equivalence is found once in twenty.
    # The margin is wide, so that the standard error is small beside it and the test can reject.
    edge = simulate(seeds, seed_sd, (0.9, 0.6))
    assert 0.03 <= np.mean([tost(d.estimate, d.se, d.df, 0.3) < 0.05 for d in edge]) <= 0.075


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", [0.0, 0.4])
def test_power_is_how_often_the_tests_find_it(seed_sd: float) -> None:
    apart, same = simulate(5, seed_sd, (0.78, 0.72)), simulate(5, seed_sd, (0.75, 0.75))
    _, each, freedom = columns(apart)
    se, df, found = np.sqrt(np.mean(each**2)), float(np.median(freedom)), errors(apart)
    assert difference_power(se, df, 0.06) == pytest.approx(found, abs=0.06)
    margin = 3.2 * se
    shown = np.mean([tost(d.estimate, d.se, d.df, margin) < 0.05 for d in same])
    assert equivalence_power(se, df, margin) == pytest.approx(shown, abs=0.06)


@pytest.fixture()
def simulated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program that makes the tables of docs/statistics.md, here with fewer samples."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module("coverage_auroc")


@pytest.mark.parametrize("area", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n_pos", [5, 10, 30])
def test_few_positives_at_high_auroc(simulated: ModuleType, n_pos: int, area: float) -> None:
    ours, delong = simulated.one_auroc(0.0, area, n_pos, 970, 800)
    assert ours >= 0.93 and delong < 0.93
    skewed, _ = simulated.one_auroc(1.0, area, n_pos, 970, 800)
    assert skewed >= 0.89


@pytest.mark.parametrize("n_pos", [1, 2, 4])
def test_scarce_positives_have_a_wide_interval_that_holds(
    simulated: ModuleType, n_pos: int
) -> None:
    for area in (0.8, 0.95):
        assert simulated.one_auroc(0.0, area, n_pos, 300, 800)[0] >= 0.94


def test_films_ties_and_tasks(simulated: ModuleType) -> None:
    for films in simulated.test_sets().values():
        assert simulated.of_set(films, 0.95, 150) >= 0.91


def test_few_positives_do_not_make_a_difference(simulated: ModuleType) -> None:
    assert simulated.contrast_errors(1, (0.0, 0.0), 8, 800)[0] <= 0.055


def test_arms_whose_seeds_spread_differently(simulated: ModuleType) -> None:
    assert simulated.contrast_errors(5, (0.02, 0.3), 100, 500)[0] <= 0.09


def test_percentiles_over_seeds(simulated: ModuleType) -> None:
    few, some = (simulated.percentile_coverage(seeds, 600) for seeds in (3, 8))
    assert few[0] < 0.85 and some[0] > 0.87
    assert few[1] > 0.93 and some[1] > 0.93
