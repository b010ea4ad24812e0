"""How often intervals of a time to a level hold the truth, and tests err: docs/statistics.md.

    .venv/bin/python benchmarks/coverage_convergence.py

prints the tables of that page in a few minutes on one core; --quick shows that it runs. Learning
curves follow a formula, score = end - (end - start) exp(-step / pace), with a pace that is drawn
for each run, and are looked at every so many steps. So the distribution of when a run is first
seen at the level is known exactly. Every setting has a seed of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from common import as_share, parse, row, table
from numpy.typing import NDArray
from scipy import stats

from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.curves import UNITS, Curve, reached
from transfergrid.statistics.timed import Asked, Timed, timed

Floats = NDArray[np.float64]
START, END, LEVEL = 0.5, 0.9, 0.8
EVERY = 100
"""Steps between two validations."""
FAST, SLOW = 1000.0, 2500.0
"""Median steps to the level of two arms."""
ASKED = Asked("speed", "pretraining", "slow", {"dataset": "films"}, "auroc", LEVEL, UNITS[0], 0.05)


@dataclass(frozen=True)
class Arm:
    """Runs of one kind.

    Attributes:
        median: Median steps to the level.
        spread: Standard deviation of the logarithm of the steps.
        length: Steps for which a run is trained, a multiple of `EVERY`.
    """

    median: float
    spread: float
    length: int

    def runs(self, count: int, rng: np.random.Generator) -> list[Curve]:
        """Draw the curves of as many runs."""
        grid = np.arange(EVERY, self.length + 1, EVERY, dtype=np.float64)
        logarithm = math.log((END - START) / (END - LEVEL))
        paces = self.median / logarithm * np.exp(self.spread * rng.normal(size=count))
        return [
            Curve(grid, 32 * grid, grid / 10, END - (END - START) * np.exp(-grid / pace))
            for pace in paces
        ]

    def truth(self) -> tuple[float, float]:
        """Return the true mean of min(T, length), and that of its logarithm."""
        grid = np.arange(0, self.length + 1, EVERY, dtype=np.float64)
        by_then = np.zeros(len(grid))
        by_then[1:] = stats.norm.cdf(np.log(grid[1:] / self.median) / self.spread)
        shares = np.append(np.diff(by_then), 1 - by_then[-1])
        times = np.append(grid[1:], self.length)
        return float(shares @ times), float(shares @ np.log(times))


@dataclass(frozen=True)
class Found:
    """Shares of simulated studies.

    Attributes:
        censored: Runs of the slow arm that never reach the level.
        greenwood: Intervals of the difference by Greenwood's errors that hold it.
        welch: Those of convergence.csv.
        ratio: Those of the ratio in convergence.csv.
        errs: Equal arms that Welch's test at 5 % calls different.
        permuted: Equal arms that the permutation test calls different.
    """

    censored: float
    greenwood: float
    welch: float
    ratio: float
    errs: float
    permuted: float


def simulate(seeds: int, spread: float, censored: float, repeats: int) -> Found:
    """Compare a fast arm with a slow one, and the slow one with itself, many times.

    Args:
        seeds: Runs of an arm.
        spread: Standard deviation of the logarithm of the steps to the level.
        censored: Share of the slow arm's runs that are not trained for long enough; 0 means that
            all are.
        repeats: Studies.
    """
    rng = np.random.default_rng(seeded("convergence", seeds, str(spread), str(censored)))
    far = float(stats.norm.isf(censored)) if censored else 6.0
    length = round(SLOW * math.exp(spread * far) / EVERY) * EVERY
    fast, slow = Arm(FAST, spread, length), Arm(SLOW, spread, length)
    apart, factor = (a - b for a, b in zip(fast.truth(), slow.truth(), strict=True))
    held, never = np.zeros(5), 0
    for _ in range(repeats):
        base = slow.runs(seeds, rng)
        one, other = fast.runs(seeds, rng), slow.runs(seeds, rng)
        own, found = _rows(one, base)
        error = math.hypot(found.restricted_mean_se, own.restricted_mean_se)
        equal = _rows(other, base)[1]
        held += [
            abs(found.difference - apart) <= stats.norm.isf(0.025) * error,
            found.low <= apart <= found.high,
            found.ratio_low <= math.exp(factor) <= found.ratio_high,
            equal.p <= 0.05,
            equal.p_permutation <= 0.05,
        ]
        never += own.n_runs - own.n_reached
    return Found(never / (seeds * repeats), *(held / repeats).tolist())


def _rows(one: Sequence[Curve], base: Sequence[Curve]) -> list[Timed]:
    arms = {"slow": base, "fast": one}
    return timed(ASKED, {k: [reached(c, LEVEL, 1, "steps") for c in v] for k, v in arms.items()})


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    repeats = 4 if arguments.quick else 2000
    print(
        "\n## Steps to a level: coverage of 95 % intervals of a difference, and errors of tests "
        f"at 5 % between equal arms ({repeats} studies each)\n"
    )
    table(["seeds", "spread", "slow runs that never reach it", "Greenwood", "Welch", "the ratio",
           "Welch's test errs", "the permutation test errs"], texts=2)  # fmt: skip
    for seeds in (3, 5, 8):
        for spread in (0.1, 0.3):
            for censored in (0.0, 0.2, 0.5):
                found = simulate(seeds, spread, censored, repeats)
                row(seeds, f"{spread:g}".lstrip("0"), *map(as_share, vars(found).values()))


if __name__ == "__main__":
    main()
