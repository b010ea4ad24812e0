"""Curves of a metric against the number of training patients, and how sure they are.

All points of all curves are measured on the same test patients, and with the same seeds. A seed
draws the training patients, the same ones in every arm and fewer of them as part of more, so its
runs move together: what is judged are sums of points within a seed, such as the difference of two
arms, and how these differ from seed to seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.paired import check_paired

Runs = Mapping[int, Influence]
"""One point without its seed: seed -> influence values of that run."""


@dataclass(frozen=True)
class Sums:
    """P weighted sums of points, and the parts of their variances.

    Attributes:
        values: (P,) the sums.
        variance_patient: (P,) from the test set's patients.
        between: (P,) from seeds and whatever differs between their runs; 0 with one seed.
        interaction: (P,) the part of both that is patients' noise which differs between runs.
        df_patient: (P,) degrees of freedom of `variance_patient`; NaN where that is 0.
        seeds: Number of seeds.
    """

    values: NDArray[np.float64]
    variance_patient: NDArray[np.float64]
    between: NDArray[np.float64]
    interaction: NDArray[np.float64]
    df_patient: NDArray[np.float64]
    seeds: int

    @property
    def variance_seed(self) -> NDArray[np.float64]:
        """(P,) variance from seeds, net of patients' noise."""
        return np.maximum(0.0, self.between - self.interaction)

    def reach(self, alpha: float) -> NDArray[np.float64]:
        """Return how far the intervals reach to either side.

        The standard error times the mean of two quantiles of Student's t, weighted by their parts
        of the variance (Cochran 1964, Biometrics 20:191-195): that of S - 1 degrees of freedom for
        all that differs between runs, and that of patients for what they do to all runs alike.
        Unlike Satterthwaite's degrees of freedom, the weights do not promise many of them where
        three seeds happen to lie close together.

        Args:
            alpha: 1 minus the coverage, in (0, 1).

        Returns:
            (P,) half the length of each interval; NaN without a variance.
        """
        alike = np.maximum(0.0, self.variance_patient - self.interaction)
        df = np.nan_to_num(self.df_patient, nan=1.0)
        weighted = alike * special.stdtrit(df, 1 - alpha / 2)
        if self.seeds > 1:
            weighted = weighted + self.between * special.stdtrit(self.seeds - 1, 1 - alpha / 2)
        total = alike + self.between
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(total > 0, weighted / np.sqrt(total), np.nan))


@dataclass(frozen=True)
class Points:
    """K points measured with the same S seeds on the same patients.

    Attributes:
        means: (K,) the metric, mean over seeds.
        patients: (C, K, K) for each class of patients, the covariance that they give the means.
        counts: (C,) patients of each class.
        between: (K, K) covariance between seeds, over S; zeros with one seed.
        interaction: (K, K) the part of it that is patients' noise, which differs between seeds.
        seeds: Number of seeds S.
    """

    means: NDArray[np.float64]
    patients: NDArray[np.float64]
    counts: NDArray[np.int64]
    between: NDArray[np.float64]
    interaction: NDArray[np.float64]
    seeds: int

    @classmethod
    def of(cls, runs: Sequence[Runs], seeds: Sequence[int], told: str = "A curve") -> Points:
        """Measure points.

        Args:
            runs: The runs of each point by seed, all on the same patients and with a result.
            seeds: The seeds to use, at least one; every point has them.
            told: What compares them, for an error.

        Raises:
            UserError: The patients of two runs differ.
        """
        check_paired((point[seed] for point in runs for seed in seeds), told)
        estimates = np.array([[point[seed].estimate for point in runs] for seed in seeds])
        values = np.array([[point[seed].values for point in runs] for seed in seeds])
        mean = values.mean(axis=0)
        between = interaction = np.zeros((len(runs), len(runs)))
        if len(seeds) > 1:
            apart, share = estimates - estimates.mean(axis=0), len(seeds) * (len(seeds) - 1)
            between = apart.T @ apart / share
            interaction = np.sum([own @ own.T for own in values - mean], axis=0) / share
        groups = runs[0][seeds[0]].groups
        groups = np.zeros(mean.shape[1], dtype=np.int64) if groups is None else groups
        classes = [groups == group for group in np.unique(groups[groups >= 0])]
        return cls(
            means=estimates.mean(axis=0),
            patients=np.stack([mean[:, own] @ mean[:, own].T for own in classes]),
            counts=np.array([int(own.sum()) for own in classes]),
            between=between,
            interaction=interaction,
            seeds=len(seeds),
        )

    def sums(self, weights: ArrayLike) -> Sums:
        """Return weighted sums of the points.

        V_patient and its degrees of freedom are those of `metrics.influence.degrees_of_freedom`,
        the seeds' parts those of `components.difference` with a sum's spread over seeds in the
        place of two arms'.

        Args:
            weights: (P, K), such as a row with 1 and -1 for a difference.
        """
        w = np.asarray(weights, dtype=np.float64)
        shares = np.einsum("pk,ckl,pl->pc", w, self.patients, w)
        total, spread = shares.sum(axis=1), (shares**2 / np.maximum(self.counts - 1, 1)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            df = np.where(spread > 0, total**2 / spread, np.nan)
        between, interaction = (
            np.einsum("pk,kl,pl->p", w, part, w) for part in (self.between, self.interaction)
        )
        return Sums(w @ self.means, total, between, interaction, df, self.seeds)


def at_once(alpha: float, number: int) -> float:
    """Return the level of each of several intervals that hold together with 1 - alpha.

    Sidak's (1967, J. Am. Stat. Assoc. 62:626-633), which is safe however the points hang together:
    from three seeds nobody knows how they do.
    """
    return float(1 - (1 - alpha) ** (1 / max(1, number)))
