"""The variance of a difference between two arms: patients, seeds, and what they share.

The variance of a difference of seed-means has two parts: the patients of the test set, from
influence values clustered by patient, and the seeds, from the spread between runs less the part
of it that is the patients' noise again. Their sum is judged by Student's t with Satterthwaite's
degrees of freedom (1946, Biometrics Bulletin 2:110-114).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """A difference of seed-means and the parts of its variance.

    Attributes:
        estimate: Mean of arm a minus mean of arm b.
        variance_patient: Sampling variance from patients.
        variance_seed: Variance from seeds net of patients' noise; NaN with one seed.
        df: Satterthwaite's degrees of freedom.
        seeds: Seeds of each arm, S.
        patients: Patients, G.
        between: Sum over arms of the variance between seeds, over S; NaN with one seed.
        interaction: The part of `variance_patient` that more seeds average out; NaN with one seed.
    """

    estimate: float
    variance_patient: float
    variance_seed: float
    df: float
    seeds: int
    patients: int
    between: float = math.nan
    interaction: float = math.nan

    @property
    def se(self) -> float:
        """The standard error; with one seed that of patients alone."""
        seed = 0.0 if math.isnan(self.variance_seed) else self.variance_seed
        return math.sqrt(self.variance_patient + seed)

    def with_seeds(self, seeds: float) -> Difference:
        """Return what the same study would find with another number of seeds.

        Args:
            seeds: Number of seeds of each arm, >= 2; infinity leaves the patients alone.
        """
        share = self.seeds / seeds
        averaged = min(self.interaction, self.variance_patient)
        v_patient = self.variance_patient - averaged * (1 - share)
        v_seed = self.variance_seed * share
        between = self.between * share
        return Difference(
            self.estimate,
            v_patient,
            v_seed,
            _satterthwaite(v_patient, v_seed, between, seeds, self.patients),
            self.seeds if math.isinf(seeds) else int(seeds),
            self.patients,
            between,
            averaged * share,
        )


def difference(
    estimates_a: ArrayLike, estimates_b: ArrayLike, values_a: ArrayLike, values_b: ArrayLike
) -> Difference:
    """Compute V = V_patient + max(0, sum of s2/S over arms - V_seed_x_patient).

    V_patient is the variance of the seed-mean difference over patients. s2 is an arm's variance
    between its S seeds. That spread holds, beside what the seeds do to the true score, how
    differently seeds score the same patients; V_patient holds that noise too, so it is taken off
    once. df = V^2 / [(sum s2/S)^2 / (2 (S - 1)) + V_patient^2 / (G - 1)].

    Args:
        estimates_a: (S,) the metric of arm a, a value per seed.
        estimates_b: (S,) of arm b.
        values_a: (S, G) contributions of G patients to arm a, whose squares sum to the variance.
        values_b: (S, G) of arm b, the same patients.

    Returns:
        The difference; with S = 1 its variance is that of patients and df = G - 1.
    """
    arms = [np.asarray(values, dtype=np.float64) for values in (values_a, values_b)]
    estimates = [np.asarray(e, dtype=np.float64) for e in (estimates_a, estimates_b)]
    seeds, patients = arms[0].shape
    means = [values.mean(axis=0) for values in arms]
    v_patient = float(((means[0] - means[1]) ** 2).sum())
    estimate = float(estimates[0].mean() - estimates[1].mean())
    if seeds == 1:
        return Difference(estimate, v_patient, math.nan, patients - 1.0, seeds, patients)
    between = float(sum(e.var(ddof=1) for e in estimates)) / seeds
    interaction = sum(
        float(((values - mean) ** 2).sum()) / (seeds - 1) / seeds
        for values, mean in zip(arms, means, strict=True)
    )
    v_seed = max(0.0, between - interaction)
    df = _satterthwaite(v_patient, v_seed, between, seeds, patients)
    return Difference(estimate, v_patient, v_seed, df, seeds, patients, between, interaction)


def _satterthwaite(
    v_patient: float, v_seed: float, between: float, seeds: float, patients: int
) -> float:
    spread = between**2 / (2 * (seeds - 1)) + (v_patient**2 / (patients - 1) if patients > 1 else 0)
    return (v_patient + v_seed) ** 2 / spread if spread > 0 else math.nan


def tost(estimate: float, se: float, df: float, margin: float) -> float:
    """Return the p-value of equivalence by two one-sided t tests.

    Schuirmann (1987, J. Pharmacokinet. Biopharm. 15:657-680): small when both "the difference is
    at or below -margin" and "at or above margin" are rejected.

    Args:
        estimate: The difference.
        se: Its standard error, > 0.
        df: Degrees of freedom.
        margin: Largest difference that counts as equivalent, > 0.

    Returns:
        The larger of the two one-sided p-values.
    """
    above = stats.t.sf((estimate + margin) / se, df)
    below = stats.t.cdf((estimate - margin) / se, df)
    return float(max(above, below))
