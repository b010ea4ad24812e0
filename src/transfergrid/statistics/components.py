"""The variance of a difference between two arms: patients, seeds, and what they share.

The variance of a difference of seed-means has two parts: the patients of the test set, from
influence values clustered by patient, and the seeds, from the spread between runs less the part
of it that is the patients' noise again. Their sum is judged by Student's t with degrees of freedom
by Satterthwaite (1946, Biometrics Bulletin 2:110-114), arms and classes of patients each with a
variance of their own (Welch 1947, Biometrika 34:28-35).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from transfergrid.metrics.influence import degrees_of_freedom


@dataclass(frozen=True)
class Difference:
    """A difference of seed-means and the parts of its variance.

    Attributes:
        estimate: Mean of arm a minus mean of arm b.
        variance_patient: Sampling variance from patients.
        variance_seed: Variance from seeds net of patients' noise; NaN with one seed.
        df_patient: Degrees of freedom of `variance_patient`.
        seeds: Seeds of each arm, S; infinity for the limit of many seeds.
        between: Each arm's variance between seeds, over S; empty with one seed.
        interaction: The part of `variance_patient` that more seeds average out; NaN with one seed.
    """

    estimate: float
    variance_patient: float
    variance_seed: float
    df_patient: float
    seeds: float
    between: tuple[float, ...] = ()
    interaction: float = math.nan

    @property
    def se(self) -> float:
        """The standard error; with one seed, only that of patients."""
        seed = 0.0 if math.isnan(self.variance_seed) else self.variance_seed
        return math.sqrt(self.variance_patient + seed)

    @property
    def df(self) -> float:
        """Degrees of freedom of the square of `se`; NaN without a variance."""
        spread = sum(between**2 for between in self.between) / (self.seeds - 1 or 1)
        if self.variance_patient > 0:
            spread += self.variance_patient**2 / self.df_patient
        return self.se**4 / spread if spread > 0 else math.nan

    def with_seeds(self, seeds: float) -> Difference:
        """Return what the same study would find with another number of seeds.

        Args:
            seeds: Number of seeds of each arm, >= 2; infinity leaves only the patients' part.
        """
        share = self.seeds / seeds
        averaged = min(self.interaction, self.variance_patient)
        return replace(
            self,
            variance_patient=self.variance_patient - averaged * (1 - share),
            variance_seed=self.variance_seed * share,
            seeds=seeds,
            between=tuple(between * share for between in self.between),
            interaction=averaged * share,
        )


def difference(
    estimates_a: ArrayLike,
    estimates_b: ArrayLike,
    values_a: ArrayLike,
    values_b: ArrayLike,
    groups: ArrayLike | None = None,
) -> Difference:
    """Compute V = V_patient + max(0, sum of s2/S over arms - V_seed_x_patient).

    V_patient is the variance of the seed-mean difference over patients. s2 is an arm's variance
    between its S seeds. Besides what the seeds do to the true score, that spread holds how
    differently seeds score the same patients; V_patient holds that noise too, so it is subtracted
    once. df = V^2 / [sum over arms of (s2/S)^2 / (S - 1) + V_patient^2 / df_patient].

    Args:
        estimates_a: (S,) the metric of arm a, a value per seed.
        estimates_b: (S,) of arm b.
        values_a: (S, G) contributions of G patients to arm a, whose squares sum to the variance.
        values_b: (S, G) of arm b, the same patients.
        groups: (G,) as in `Influence`; df_patient is Welch's over them.

    Returns:
        The difference; with S = 1 its variance is that of patients.
    """
    arms = [np.asarray(values, dtype=np.float64) for values in (values_a, values_b)]
    estimates = [np.asarray(e, dtype=np.float64) for e in (estimates_a, estimates_b)]
    seeds = len(arms[0])
    means = [values.mean(axis=0) for values in arms]
    apart = means[0] - means[1]
    found = Difference(
        estimate=float(estimates[0].mean() - estimates[1].mean()),
        variance_patient=float((apart**2).sum()),
        variance_seed=math.nan,
        df_patient=degrees_of_freedom(apart, groups),
        seeds=seeds,
    )
    if seeds == 1:
        return found
    between = tuple(float(e.var(ddof=1)) / seeds for e in estimates)
    interaction = sum(
        float(((values - mean) ** 2).sum()) / (seeds - 1) / seeds
        for values, mean in zip(arms, means, strict=True)
    )
    v_seed = max(0.0, sum(between) - interaction)
    return replace(found, variance_seed=v_seed, between=between, interaction=interaction)


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
