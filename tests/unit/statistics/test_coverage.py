"""Do the intervals of contrasts hold the true difference as often as they say?"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from transfergrid.evaluation.influence import influence_values, sum_by_patient
from transfergrid.statistics.components import difference

PATIENTS, STUDIES, REPEATS = 80, 2, 2000
SHARED, ARM, RUN = 0.6, 0.9, 0.5  # variances of a study's score: patient; arm x patient; run


def simulate(seeds: int, seed_sd: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the coverage of the 95% interval and the median of its df.

    Scores are normal with a separation drawn by each run, so the expected AUROC over seeds is
    Phi(mean / sqrt(2 variance + seed_sd^2)). Patients carry the label and an effect of their own
    in every arm, the same for all its seeds.
    """
    patient = np.repeat(np.arange(PATIENTS), STUDIES)
    labels = (patient < 0.35 * PATIENTS).astype(float)
    separations = np.array([1.6, 1.2])
    spread = np.sqrt(2 * (SHARED + ARM + RUN) + seed_sd**2)
    truth = np.subtract(*stats.norm.cdf(separations / spread))
    hits, dfs = 0, []
    for _ in range(REPEATS):
        shared = rng.normal(size=PATIENTS) * np.sqrt(SHARED)
        arms = []
        for separation in separations:
            effect = (shared + rng.normal(size=PATIENTS) * np.sqrt(ARM))[patient]
            own = separation + seed_sd * rng.normal(size=(seeds, 1))
            noise = rng.normal(size=(seeds, len(patient))) * np.sqrt(RUN)
            areas, values = influence_values(own * labels + effect + noise, labels, patient)
            arms.append((areas, sum_by_patient(values, patient, PATIENTS)))
        found = difference(arms[0][0], arms[1][0], arms[0][1], arms[1][1])
        hits += abs(found.estimate - truth) <= stats.t.isf(0.025, found.df) * found.se
        dfs.append(found.df)
    return hits / REPEATS, float(np.median(dfs))


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", [0.0, 0.15, 0.4, 1.2])
@pytest.mark.parametrize("seeds", [3, 5])
def test_coverage_from_no_seed_variance_to_dominant(seeds: int, seed_sd: float) -> None:
    coverage, df = simulate(seeds, seed_sd, np.random.default_rng([seeds, int(100 * seed_sd)]))
    assert 0.93 <= coverage <= 0.975
    # Without seed variance the patients decide; where it dominates, the 2 (S - 1) of the seeds.
    if seed_sd == 0:
        assert df > 25
    if seed_sd == 1.2:
        assert df < 3.2 * (seeds - 1)
