"""What rho would be without the noise in the networks' scores.

Patients and seeds blur each network's score, and blurred values correlate less than true ones.
The noise is measured, so its part in the spread between networks is known, and rho can be freed of
it (Spearman 1904, Am. J. Psychol. 15:72-101).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transfergrid.metrics.influence import Influence

_DRAWS = 20_000
_LEAST = 1e-6


@dataclass(frozen=True)
class SeedSpread:
    """What seeds do to one network, one value per seed.

    Attributes:
        variance: Variance between seeds net of patients' noise, which may be below 0; NaN with one
            seed.
        df: Its degrees of freedom.
        seeds: Seeds that the network's value is the mean of.
    """

    variance: float
    df: int
    seeds: int


@dataclass(frozen=True)
class Noise:
    """The mean variance of the errors by which networks differ from each other.

    Attributes:
        patients: From the patients of the test set; what moves all networks alike is not in it.
        seeds: From the seeds, net of patients' noise; NaN where every network has one seed.
        df: Degrees of freedom of the seeds' variance.
    """

    patients: float
    seeds: float
    df: int


@dataclass(frozen=True)
class Disattenuated:
    """A rank correlation freed of noise.

    Attributes:
        rho: In [-1, 1]; NaN where the noise is as large as the spread between networks, and where
            there is no interval.
        low: Lower bound.
        high: Upper bound.
        reliability: Share of the spread between networks that is not noise, in [0, 1].
    """

    rho: float
    low: float
    high: float
    reliability: float


def seed_spread(runs: Sequence[Influence]) -> SeedSpread:
    """Return what seeds do to one network.

    Args:
        runs: A run per seed, on the same patients.
    """
    seeds = len(runs)
    if seeds < 2:
        return SeedSpread(math.nan, 0, seeds)
    estimates = np.array([run.estimate for run in runs])
    values = np.stack([run.values for run in runs])
    # How differently seeds score the same patients is in the spread and in the patients' noise.
    shared = float(((values - values.mean(axis=0)) ** 2).sum()) / (seeds - 1)
    return SeedSpread(float(estimates.var(ddof=1)) - shared, seeds - 1, seeds)


def noise_of(draws: ArrayLike, spreads: Sequence[Sequence[SeedSpread]]) -> Noise:
    """Return the noise in the differences between networks.

    Args:
        draws: (n, B) of each network's value, the same draws of patients for all.
        spreads: Of each network the spread of every arm that its value is made of: one for an
            score, two for a difference.

    Returns:
        The noise, the seeds' part pooled over networks.
    """
    draws = np.asarray(draws, dtype=np.float64)
    apart = draws - draws.mean(axis=0)
    patients = float(apart.var(axis=1, ddof=1).sum()) / max(1, len(draws) - 1)
    arms = [arm for network in spreads for arm in network]
    df = sum(arm.df for arm in arms)
    if not df:
        return Noise(patients, math.nan, 0)
    pooled = sum(arm.df * arm.variance for arm in arms if arm.df) / df
    parts = [sum(1 / arm.seeds for arm in network) for network in spreads]
    return Noise(patients, max(0.0, pooled) * float(np.mean(parts)), df)


def disattenuate(
    rho: float,
    variance: float,
    values: NDArray[np.float64],
    noise: Noise,
    alpha: float,
    rng: np.random.Generator,
) -> Disattenuated:
    """Free a rank correlation of the noise in y.

    rho is taken to Pearson's scale (2 sin(pi rho / 6), as for normal values), divided by the root
    of the reliability, and taken back. The interval is that of a generalised pivot (Weerahandi
    1993, J. Am. Stat. Assoc. 88:899-905): z, the spread between networks and the seeds' variance
    are drawn as their sampling leaves them uncertain. Noise in x is left in.

    Args:
        rho: Spearman's rho of n networks.
        variance: Variance of Fisher's z; NaN gives no interval.
        values: (n,) of y, unrounded.
        noise: Noise in these.
        alpha: 1 minus the coverage, in (0, 1).
        rng: Makes the draws.
    """
    spread = float(values.var(ddof=1))
    seeds = 0.0 if math.isnan(noise.seeds) else noise.seeds
    reliability = max(0.0, 1 - (noise.patients + seeds) / spread)
    if math.isnan(variance):
        return Disattenuated(math.nan, math.nan, math.nan, reliability)
    value = float(_freed(rho, reliability)) if reliability > 0 else math.nan
    z = math.atanh(rho) - math.sqrt(variance) * rng.normal(size=_DRAWS)
    spreads = spread * _scaled(len(values) - 1, rng)
    drawn = noise.patients + (seeds * _scaled(noise.df, rng) if seeds else 0.0)
    found = _freed(np.tanh(z), np.clip(1 - drawn / spreads, _LEAST, 1))
    low, high = np.quantile(found, [alpha / 2, 1 - alpha / 2])
    return Disattenuated(value, float(low), float(high), reliability)


def _scaled(df: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return draws of a variance over its estimate with df degrees of freedom."""
    return np.asarray(df / rng.chisquare(df, size=_DRAWS))


def _freed(rho: ArrayLike, reliability: ArrayLike) -> NDArray[np.float64]:
    r = 2 * np.sin(np.pi * np.asarray(rho) / 6) / np.sqrt(reliability)
    return np.asarray(6 / np.pi * np.arcsin(np.clip(r, -1, 1) / 2))
