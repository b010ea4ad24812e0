"""How often intervals of small-data curves and of their crossings hold the truth.

    .venv/bin/python benchmarks/coverage_small_data.py

prints the table of docs/statistics.md in a few minutes on one core; --quick shows that it runs.
Curves are power laws, so where they cross is known; every setting has a seed of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from common import as_share, parse, row, table
from numpy.typing import NDArray

from transfergrid.metrics.influence import Influence
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.crossings import crossing
from transfergrid.statistics.data_curves import Points, at_once

SIZES = (50, 100, 200, 400, 800)
"""Training patients, those of the claim that each setting is about."""
TOP, DROP, POWER = 0.85, 1.2, 0.5
AHEAD = 2.5
"""The arm is as good as the baseline with so many times the patients, at every size."""
TESTED = 200
"""Patients of the test set."""
ALPHA = 0.05


def baseline(patients: float) -> float:
    """Return the baseline's true score."""
    return TOP - DROP * patients**-POWER


def arm(patients: float) -> float:
    """Return the other arm's true score, which the baseline reaches with `AHEAD` times as many."""
    return baseline(AHEAD * patients)


@dataclass(frozen=True)
class Noise:
    """What moves a score.

    Attributes:
        seeds: SD of a run that its draw of training patients and its other randomness make.
        together: Correlation of these over the sizes and arms of a seed.
        tested: SD of a run that the test set's patients make.
        apart: Share of that variance which differs between runs.
    """

    seeds: float
    together: float
    tested: float
    apart: float = 0.3


SETTINGS = {
    "mostly test patients": Noise(0.004, 0.3, 0.02),
    "both alike": Noise(0.01, 0.3, 0.012),
    "mostly seeds": Noise(0.015, 0.3, 0.004),
    "mostly seeds, draws in common": Noise(0.02, 0.8, 0.004),
}


def study(noise: Noise, seeds: int, rng: np.random.Generator) -> Points:
    """Draw a study: the arm's sizes, then the baseline's."""
    truth = np.array([*map(arm, SIZES), *map(baseline, SIZES)])
    shared, own = np.sqrt([noise.together, 1 - noise.together])
    moved = shared * rng.normal(size=(seeds, 1)) + own * rng.normal(size=(seeds, len(truth)))
    # A score that is a mean over patients: what each adds is known without approximation.
    sd = noise.tested * np.sqrt(TESTED)
    each = np.sqrt(1 - noise.apart) * rng.normal(size=TESTED)
    each = each + np.sqrt(noise.apart) * rng.normal(size=(seeds, len(truth), TESTED))
    values = (truth + noise.seeds * moved)[:, :, None] + sd * each
    means = values.mean(axis=2)
    parts = (values - means[:, :, None]) / np.sqrt(TESTED * (TESTED - 1))
    patients = np.arange(TESTED)
    runs = [
        {s: Influence(float(means[s, k]), patients, parts[s, k]) for s in range(seeds)}
        for k in range(len(truth))
    ]
    return Points.of(runs, range(seeds))


def coverage(noise: Noise, seeds: int, repeats: int, *key: object) -> NDArray[np.float64]:
    """Return how often the truth is held, over many studies.

    Returns:
        By the intervals of the boost; by the band of the boost, everywhere; by the intervals of
        the crossings that no size censors; and by their bands, all of them.
    """
    rng = np.random.default_rng(seeded("small data", seeds, *key))
    count = len(SIZES)
    weights = np.hstack([np.eye(count), -np.eye(count)])
    boost = np.array([arm(n) - baseline(n) for n in SIZES])
    inside = [k for k, n in enumerate(SIZES) if SIZES[0] < AHEAD * n < SIZES[-1]]
    hits = np.zeros(4)
    for _ in range(repeats):
        points = study(noise, seeds, rng)
        sums = points.sums(weights)
        apart = abs(sums.values - boost)
        hits[0] += np.mean(apart <= sums.reach(ALPHA))
        hits[1] += np.all(apart <= sums.reach(at_once(ALPHA, count)))
        held = np.array(
            [[_holds(points, k, level) for k in inside] for level in (ALPHA, at_once(ALPHA, count))]
        )
        hits[2] += held[0].mean()
        hits[3] += held[1].all()
    return hits / repeats


def _holds(points: Points, k: int, alpha: float) -> bool:
    curve = range(len(SIZES), 2 * len(SIZES))
    found = crossing(points, k, curve, SIZES, alpha)
    return found.low <= AHEAD * SIZES[k] <= found.high


def main(words: Sequence[str] | None = None) -> None:
    few = parse(__doc__, words).quick
    repeats = 4 if few else 1000
    print(f"\n## Small data: how often 95 % intervals hold the truth ({repeats} studies each)\n")
    table(["what a score varies by", "seeds", "boost", "boost, all sizes", "crossing",
           "crossing, all sizes"])  # fmt: skip
    for name, noise in SETTINGS.items():
        for seeds in (3, 5, 10):
            row(name, str(seeds), *map(as_share, coverage(noise, seeds, repeats, name)))


if __name__ == "__main__":
    main()
