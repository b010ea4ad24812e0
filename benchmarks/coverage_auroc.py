"""How often intervals of AUROCs and of their differences hold the truth: docs/statistics.md.

    .venv/bin/python benchmarks/coverage_auroc.py

prints the tables of that page in about six minutes on one core; --quick shows that it runs. All
scores are drawn, so the truth is known; every setting has a seed of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from common import as_share, parse, row, table
from numpy.typing import NDArray
from scipy import special, stats

from transfergrid.metrics.auroc_interval import score_interval
from transfergrid.metrics.influence import (
    influence_values,
    rarest_class,
    sum_by_patient,
)
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.components import Difference, difference
from transfergrid.statistics.replicates import percentile_interval, two_level

Floats = NDArray[np.float64]

AREAS = (0.8, 0.9, 0.95, 0.99)
DESIGNS = ((5, 95), (5, 495), (10, 990), (20, 180), (30, 970), (60, 240), (200, 2000))
SCORES = {"normal": 0.0, "exponential": 1.0, "negated exponential": -1.0, "gamma 1/2": 0.5}
"""Families of scores: the shape of a gamma distribution, 0 for the normal, negative for negated."""
SPREADS = {"not at all": (0.0, 0.0), "alike": (0.15, 0.15), "in one arm": (0.02, 0.3)}
"""How far seeds of each arm move the mean score of positives; .15 moves an AUROC of .85 by .025."""
BETWEEN, WITHIN = 0.5, 0.5
"""Variance of a score between patients, and between the films of one."""


def draw(
    shape: float, area: float, size: tuple[int, int, int], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return scores (repeats, positives) and (repeats, negatives) whose true AUROC is `area`."""
    repeats, n_pos, n_neg = size
    if shape == 0:
        up = rng.normal(special.ndtri(area) * np.sqrt(2), size=(repeats, n_pos))
        return up, rng.normal(size=(repeats, n_neg))
    # A gamma variable lies below another of `scale` times its size with this probability.
    part = special.betaincinv(abs(shape), abs(shape), area)
    scale = part / (1 - part)
    if shape > 0:
        up = rng.gamma(shape, scale, size=(repeats, n_pos))
        return up, rng.gamma(shape, size=(repeats, n_neg))
    return -rng.gamma(-shape, size=(repeats, n_pos)), -rng.gamma(
        -shape, scale, size=(repeats, n_neg)
    )


def placements(up: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Return the placements of many samples at once; no two scores of a sample may tie."""
    n_pos, n_neg = up.shape[1], down.shape[1]
    both = np.concatenate([np.sort(up), np.sort(down)], axis=1)
    rank = both.argsort(axis=1).argsort(axis=1)
    return (rank[:, :n_pos] - np.arange(n_pos)) / n_neg, 1 - (
        rank[:, n_pos:] - np.arange(n_neg)
    ) / n_pos


def one_auroc(
    shape: float, area: float, n_pos: int, n_neg: int, repeats: int
) -> tuple[float, float]:
    """Return how often our interval holds the AUROC, and how often DeLong's, cut at 1, does."""
    rng = np.random.default_rng(seeded("one", shape, area, n_pos, n_neg))
    up, down = placements(*draw(shape, area, (repeats, n_pos, n_neg), rng))
    found, variances = up.mean(axis=1), []
    for values, n in ((up, n_pos), (down, n_neg)):
        variances.append(values.var(axis=1, ddof=1) / n if n > 1 else np.zeros(repeats))
    arm = stats.norm.isf(0.025) * np.sqrt(variances[0] + variances[1])
    delong = np.mean((found - arm <= area) & (area <= np.minimum(1.0, found + arm)))
    hits = 0
    for estimate, *parts in zip(found, *variances, strict=True):
        low, high = score_interval(float(estimate), parts, [n_pos, n_neg])
        hits += low <= area <= high
    return hits / repeats, float(delong)


def of_one(repeats: int) -> None:
    print(
        f"\n## One AUROC: coverage of 95 % intervals, and DeLong's as pROC has it ({repeats} "
        "samples each)\n"
    )
    table(["scores", "AUROC", *(f"{p} of {p + n}" for p, n in DESIGNS)], texts=2)
    for name, shape in SCORES.items():
        for area in AREAS:
            cells = [one_auroc(shape, area, p, n, repeats) for p, n in DESIGNS]
            row(name, as_share(area), *(f"{as_share(ours)} ({as_share(d)})" for ours, d in cells))


def of_few(repeats: int) -> None:
    print(f"\n## Fewer than five positives of 400 ({repeats} samples each)\n")
    table(["scores", "AUROC", "1", "2", "3", "4"], texts=2)
    for name, shape in SCORES.items():
        for area in (0.8, 0.95, 0.99):
            found = [one_auroc(shape, area, p, 400 - p, repeats)[0] for p in (1, 2, 3, 4)]
            row(name, as_share(area), *map(as_share, found))


@dataclass(frozen=True)
class Films:
    """A test set: the truth of each film and task, its patient, and how scores are rounded."""

    labels: Floats
    patient: NDArray[np.int64]
    step: float = 0.0

    def scores(self, shift: float, rng: np.random.Generator) -> Floats:
        """Draw scores: an effect of the patient, shared by tasks in half, and one of the film."""
        patients, tasks = int(self.patient.max()) + 1, self.labels.shape[1]
        of_patient = rng.normal(size=(patients, 1)) + rng.normal(size=(patients, tasks))
        noise = np.sqrt(BETWEEN / 2) * of_patient[self.patient]
        noise += np.sqrt(WITHIN) * rng.normal(size=self.labels.shape)
        scores = shift * np.nan_to_num(self.labels) + noise
        return np.round(scores / self.step) * self.step if self.step else scores

    def truth(self, shift: float) -> float:
        """Return the true AUROC of every task."""
        if not self.step:
            return float(stats.norm.cdf(shift / np.sqrt(2)))
        steps = np.arange(-40, 60)
        edges = (np.append(steps, 60) - 0.5) * self.step
        up, down = (np.diff(stats.norm.cdf(edges - mean)) for mean in (shift, 0.0))
        below = np.cumsum(down) - down
        return float((up * (below + down / 2)).sum())


def test_sets() -> dict[str, Films]:
    """Return what real test sets have: several films, classes that share patients, ties, tasks."""
    films = np.arange(600)
    rare = np.where(films % 60 == 0, 1.0, 0.0)[:, None]
    tasks = np.zeros((400, 5))
    for task, count in enumerate((8, 12, 20, 40, 80)):
        tasks[np.random.default_rng(task).permutation(400)[:count], task] = 1
    drawn = np.random.default_rng(9).random((400, 14))
    many = np.where(drawn < np.linspace(0.02, 0.3, 14), 1.0, 0.0)
    return {
        "10 of 300 patients positive, two films each": Films(
            np.where(films < 20, 1.0, 0.0)[:, None], films // 2
        ),
        "10 positive films, of patients with three films": Films(rare, films // 3),
        "10 of 500 positive, a third of pairs tied": Films(
            np.where(films[:500] < 10, 1.0, 0.0)[:, None], films[:500], 1.0
        ),
        "mean of 5 tasks with 8 to 80 positives of 400": Films(tasks, np.arange(400)),
        "mean of 14 tasks with 2 to 30 % positives of 400": Films(many, np.arange(400)),
    }


def of_sets(repeats: int) -> None:
    print(f"\n## Films, ties and tasks: coverage of 95 % intervals ({repeats} test sets each)\n")
    table(["test set", *(f"AUROC {as_share(area)}" for area in AREAS)])
    for name, films in test_sets().items():
        row(name, *(as_share(of_set(films, area, repeats)) for area in AREAS))


def of_set(films: Films, area: float, repeats: int) -> float:
    """Return how often the interval of the mean holds the truth."""
    rng = np.random.default_rng(seeded("set", area, films.labels.shape, films.step))
    shift = float(special.ndtri(area)) * np.sqrt(2)
    truth, tasks = films.truth(shift), tuple(map(str, range(films.labels.shape[1])))
    scorer = Scorer.of(built_in("auroc"))
    hits = 0
    for _ in range(repeats):
        scores = films.scores(shift, rng)
        _, mean = scorer.intervals(Cases(scores, films.labels, films.patient, tasks, tasks))
        hits += mean.low <= truth <= mean.high
    return hits / repeats


def pairs(
    seeds: int, spread: tuple[float, float], areas: tuple[float, float], n_pos: int, repeats: int
) -> Iterator[Difference]:
    """Yield what test sets of 300 make of two arms whose seeds differ by `spread`.

    Half of a score's variance is the patient's in both arms, a quarter in all runs of an arm. A
    seed moves the separation of its run.
    """
    rng = np.random.default_rng(seeded("pairs", seeds, spread, areas, n_pos))
    labels, patient = np.repeat([1.0, 0.0], [n_pos, 300 - n_pos]), np.arange(300)
    groups = rarest_class(labels[:, None], patient, 300)
    for _ in range(repeats):
        shared, arms = rng.normal(size=300) * np.sqrt(0.5), []
        for area, sd in zip(areas, spread, strict=True):
            shift = special.ndtri(area) * np.sqrt(2 + sd**2) + sd * rng.normal(size=(seeds, 1))
            noise = rng.normal(size=300) / 2 + rng.normal(size=(seeds, 300)) / 2
            estimates, values = influence_values(shift * labels + shared + noise, labels, patient)
            arms.append((estimates, sum_by_patient(values, patient, 300)))
        (a, values_a), (b, values_b) = arms
        yield difference(a, b, values_a, values_b, groups)


def of_contrasts(repeats: int) -> None:
    print(
        "\n## Contrasts: how often a test at 5 % errs between equal arms, and how often the "
        f"95 % interval holds the difference of .90 and .80 ({repeats} test sets of 300 each)\n"
    )
    table(["positives", "seeds", *(f"seeds spread {name}" for name in SPREADS)], texts=2)
    for n_pos in (8, 20, 100):
        for seeds in (1, 2, 3, 5, 10):
            cells = []
            for spread in SPREADS.values():
                if seeds == 1 and any(spread):
                    cells.append("–")
                    continue
                errors = contrast_errors(seeds, spread, n_pos, repeats)
                cells.append(f"{as_share(errors[0])}, {as_share(1 - errors[1])}")
            row(n_pos, seeds, *cells)


def contrast_errors(
    seeds: int, spread: tuple[float, float], n_pos: int, repeats: int
) -> tuple[float, float]:
    """Return how often a test errs at 5 % where arms are equal, and where they differ by .1."""
    found = []
    for areas in ((0.85, 0.85), (0.9, 0.8)):
        truth, wrong = areas[0] - areas[1], 0
        for one in pairs(seeds, spread, areas, n_pos, repeats):
            arm = stats.t.isf(0.025, one.df) * one.se
            wrong += abs(one.estimate - truth) > arm
        found.append(wrong / repeats)
    return found[0], found[1]


def percentile_coverage(seeds: int, repeats: int) -> tuple[float, float]:
    """Return how often percentiles and Student's t hold the truth where seeds alone differ."""
    rng = np.random.default_rng(seeded("percentiles", seeds))
    patients, held = np.zeros((seeds, 40)), np.zeros(2)
    for _ in range(repeats):
        arms = 0.8 + 0.02 * rng.normal(size=(2, seeds, 1))
        low, high = percentile_interval(
            two_level(arms[0] + np.zeros(500), arms[1] + np.zeros(500), rng), 0.05
        )
        one = difference(arms[0, :, 0], arms[1, :, 0], patients, patients)
        held += [low <= 0 <= high, abs(one.estimate) <= stats.t.isf(0.025, one.df) * one.se]
    return float(held[0] / repeats), float(held[1] / repeats)


def of_percentiles(repeats: int) -> None:
    print(f"\n## Two arms whose seeds alone differ: coverage ({repeats} draws each)\n")
    table(["seeds", "two-level bootstrap, percentiles", "Student's t, as in contrasts.csv"])
    for seeds in (2, 3, 5, 8, 12, 20):
        row(seeds, *map(as_share, percentile_coverage(seeds, repeats)))


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    few = arguments.quick
    of_one(20 if few else 2000)
    of_few(20 if few else 2000)
    of_sets(3 if few else 1000)
    of_contrasts(2 if few else 1000)
    of_percentiles(5 if few else 2000)


if __name__ == "__main__":
    main()
