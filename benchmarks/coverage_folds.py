"""How often intervals over folds hold the truth, and tests over folds err: docs/statistics.md.

    .venv/bin/python benchmarks/coverage_folds.py

prints the tables of that page in a few minutes on one core; --quick shows that it runs. Patients
are drawn, and a linear score is learned anew, in closed form, from each fold's training patients;
so folds share training patients as real ones do, and the AUROC of every model that is learned is
known exactly. Every setting has a seed of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from common import as_share, parse, row, table
from numpy.typing import NDArray
from scipy import special, stats

from transfergrid.metrics.influence import Influence, influence_values
from transfergrid.metrics.scoring import Parts
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.components import Difference, difference
from transfergrid.statistics.pooled import pool
from transfergrid.statistics.resampled import corrected_resampled_t

Floats = NDArray[np.float64]

FILMS = 2
"""Films per patient; half of a film's variance is the patient's."""
POSITIVE = 0.3
"""Share of patients who have the disease."""
ALIKE = 0.5
"""Correlation of a feature of one network with the same of the other."""
PENALTY = 0.1
"""Ridge that is added to the features' variances of 1."""


@dataclass(frozen=True)
class Cohort:
    """Patients with two films each.

    Attributes:
        features: (2, N, P) what either network sees of a film.
        label: (N,) 0 or 1, the patient's.
        patient: (N,) int from 0.
    """

    features: Floats
    label: Floats
    patient: NDArray[np.int64]


@dataclass(frozen=True)
class Crossed:
    """What a cross-validation of two networks finds.

    Attributes:
        areas: (2, S, k) measured AUROC of each network, seed and fold.
        true: (2, S, k) the AUROC that these very models have among all patients.
        parts: For either network, S times the folds' parts.
    """

    areas: Floats
    true: Floats
    parts: tuple[tuple[Mapping[str, Parts], ...], ...]

    @property
    def difference(self) -> Difference:
        """The pooled contrast, as contrasts.csv has it."""
        return _contrast([[pool(folds).influence for folds in arm] for arm in self.parts])

    @property
    def by_fold(self) -> Floats:
        """The measured difference of each fold that has both classes, averaged over seeds."""
        apart = (self.areas[0] - self.areas[1]).mean(axis=0)
        return apart[~np.isnan(apart)]

    @property
    def folds(self) -> list[Difference]:
        """The contrast of each fold alone."""
        return [
            _contrast([[pool({f: folds[f]}).influence for folds in arm] for arm in self.parts])
            for f in self.parts[0][0]
        ]


def _contrast(arms: Sequence[Sequence[Influence]]) -> Difference:
    estimates = [[run.estimate for run in arm] for arm in arms]
    values = [[run.values for run in arm] for arm in arms]
    return difference(*estimates, *values, arms[0][0].groups)


def shifts(strength: Sequence[float], features: int) -> Floats:
    """Return (2, P) how far the disease moves each network's features.

    Args:
        strength: Euclidean length of either row, which says how good the best score is.
        features: P. The more there are, the more a score depends on who is trained on.
    """
    return np.repeat(np.asarray(strength)[:, None], features, axis=1) / np.sqrt(features)


def cohort(patients: int, moved: Floats, rng: np.random.Generator) -> Cohort:
    """Draw patients."""
    sick = (rng.permutation(patients) < POSITIVE * patients).astype(np.float64)
    patient = np.repeat(np.arange(patients), FILMS)
    label = sick[patient]
    width = moved.shape[1]
    both = np.sqrt(ALIKE) * _films(patient, width, rng)
    own = [np.sqrt(1 - ALIKE) * _films(patient, width, rng) for _ in range(2)]
    features = np.stack([both + one for one in own]) + moved[:, None] * label[:, None]
    return Cohort(features, label, patient)


def _films(patient: NDArray[np.int64], width: int, rng: np.random.Generator) -> Floats:
    shared = rng.normal(size=(patient.max() + 1, width))[patient]
    return np.sqrt(0.5) * (shared + rng.normal(size=shared.shape))


def learn(features: Floats, label: Floats) -> Floats:
    """Return the weights of a ridge discriminant: (S + PENALTY)^-1 (mean of 1 - mean of 0)."""
    means = [features[label == value].mean(axis=0) for value in (0, 1)]
    rest = features - np.where(label[:, None] == 1, means[1], means[0])
    spread = rest.T @ rest / len(rest) + PENALTY * np.eye(features.shape[1])
    return np.linalg.solve(spread, means[1] - means[0])


def true_area(weights: Floats, moved: Floats) -> float:
    """Return the AUROC of a linear score among all patients, whose features have variance 1."""
    return float(special.ndtr(weights @ moved / np.sqrt(2 * weights @ weights)))


def crossed(one: Cohort, moved: Floats, k: int, seeds: int, rng: np.random.Generator) -> Crossed:
    """Cross-validate both networks by patient.

    With one seed a model learns from all of a fold's training patients; with several, each seed
    from four fifths of them, drawn anew.
    """
    patients = one.patient.max() + 1
    fold = rng.permutation(np.arange(patients) % k)
    areas, true = np.empty((2, seeds, k)), np.empty((2, seeds, k))
    parts = []
    for network, features in enumerate(one.features):
        arm = []
        for seed in range(seeds):
            folds = {}
            for f in range(k):
                train = np.flatnonzero(fold != f)
                if seeds > 1:
                    train = rng.choice(train, size=len(train) * 4 // 5, replace=False)
                learned, test = np.isin(one.patient, train), fold[one.patient] == f
                weights = learn(features[learned], one.label[learned])
                true[network, seed, f] = true_area(weights, moved[network])
                folds[str(f)] = _part(features[test] @ weights, one.label[test], one.patient[test])
                areas[network, seed, f] = folds[str(f)].estimates[0]
            arm.append(folds)
        parts.append(tuple(arm))
    return Crossed(areas, true, tuple(parts))


def _part(score: Floats, label: Floats, patient: NDArray[np.int64]) -> Parts:
    numbers = np.unique(patient, return_inverse=True)[1]
    area, values = influence_values(score[None], label, numbers)
    return Parts(("disease",), area, values, patient, label[:, None])


def expected(patients: int, k: int, seeds: int, moved: Floats, repeats: int) -> Floats:
    """Return (2,) the mean true AUROC of models that learn from as many patients as a fold's."""
    rng = np.random.default_rng(seeded("expected", patients, k, seeds, moved.tolist()))
    count = patients - patients // k
    count = count * 4 // 5 if seeds > 1 else count
    found = np.zeros(2)
    for _ in range(repeats):
        one = cohort(count, moved, rng)
        for network in range(2):
            weights = learn(one.features[network], one.label)
            found[network] += true_area(weights, moved[network]) / repeats
    return found


def trials(patients: int, k: int, seeds: int, moved: Floats, repeats: int) -> Iterator[Crossed]:
    """Yield what the cross-validations of as many cohorts find."""
    rng = np.random.default_rng(seeded("folds", patients, k, seeds, moved.tolist()))
    for _ in range(repeats):
        yield crossed(cohort(patients, moved, rng), moved, k, seeds, rng)


@dataclass(frozen=True)
class Coverage:
    """How often pooled 95 % intervals of a difference hold what they may be asked to hold.

    Attributes:
        models: The mean true difference of the k models per network that were trained.
        general: The difference that models of this size reach on average, whoever is trained on.
        corrected: The same by Nadeau and Bengio's interval, of one seed or of seeds' means.
        narrower: Mean width of the pooled interval over that of a single fold's.
        wider: Mean width of Nadeau and Bengio's over that of the pooled one.
    """

    models: float
    general: float
    corrected: float
    narrower: float
    wider: float


def coverage(
    patients: int, features: int, k: int, seeds: int, repeats: int, averaged: int
) -> Coverage:
    """Cross-validate two networks, one of which is better, on many cohorts.

    Args:
        patients: Patients of a cohort.
        features: Features of a network.
        k: Folds.
        seeds: Seeds.
        repeats: Cohorts.
        averaged: Trainings that the general difference is the mean of.
    """
    moved = shifts((1.2, 0.9), features)
    general = expected(patients, k, seeds, moved, averaged)
    ratio = 1 / (k - 1) * (5 / 4 if seeds > 1 else 1)
    held, widths = np.zeros(3), np.zeros(3)
    for one in trials(patients, k, seeds, moved, repeats):
        found, own = one.difference, one.true.mean(axis=(1, 2))
        other = corrected_resampled_t(one.by_fold, ratio)
        arm = _arm(found)
        held += [abs(found.estimate - (a - b)) <= arm for a, b in (own, general)] + [
            other.low <= general[0] - general[1] <= other.high
        ]
        widths += [
            arm,
            np.nanmedian([_arm(fold) for fold in one.folds]),
            (other.high - other.low) / 2,
        ]
    pooled, single, corrected = widths
    return Coverage(*(held / repeats).tolist(), float(pooled / single), float(corrected / pooled))


def _arm(found: Difference) -> float:
    return float(stats.t.isf(0.025, found.df)) * found.se


def naive_errors(
    patients: int, features: int, k: int, times: int, repeats: int
) -> tuple[float, float, float]:
    """Return how often tests at 5 % tell apart two networks that are equally good on average.

    Args:
        patients: Patients of a cohort.
        features: Features of a network.
        k: Folds.
        times: How often the cohort is cut into folds anew.
        repeats: Cohorts.

    Returns:
        That of a t test over all folds, of Nadeau and Bengio's, and of the pooled contrast of the
        first cut.
    """
    moved = shifts((1.0, 1.0), features)
    rng = np.random.default_rng(seeded("naive", patients, features, k, times))
    wrong = np.zeros(3)
    for _ in range(repeats):
        one = cohort(patients, moved, rng)
        cuts = [crossed(one, moved, k, 1, rng) for _ in range(times)]
        apart = np.concatenate([cut.by_fold for cut in cuts])
        pooled = cuts[0].difference
        wrong += [
            stats.ttest_1samp(apart, 0).pvalue < 0.05,
            corrected_resampled_t(apart, 1 / (k - 1)).p < 0.05,
            abs(pooled.estimate) > _arm(pooled),
        ]
    naive, corrected, ours = (wrong / repeats).tolist()
    return naive, corrected, ours


def of_tests(repeats: int) -> None:
    print(
        "\n## Two networks that are equally good on average: how often tests at 5 % tell them "
        f"apart ({repeats} cohorts of 200 patients each)\n"
    )
    table(["features", "folds", "t over folds", "Nadeau and Bengio's", "pooled"], texts=2)
    for features in (10, 20, 40):
        for k, times in ((5, 1), (10, 1), (10, 10)):
            naive, corrected, ours = naive_errors(200, features, k, times, repeats)
            # The pooled contrast is that of one cut into folds; further ones are no part of it.
            pooled = as_share(ours if times == 1 else float("nan"))
            name = f"{times} x {k}" if times > 1 else str(k)
            row(features, name, as_share(naive), as_share(corrected), pooled)


def of_coverage(repeats: int) -> None:
    print(
        "\n## 95 % intervals of a difference: coverage and relative width "
        f"({repeats} cohorts each)\n"
    )
    table(["patients", "features", "folds", "seeds", "pooled: these models",
           "pooled: such models", "Nadeau-Bengio: such models", "pooled over one fold's",
           "Nadeau-Bengio over pooled"], texts=4)  # fmt: skip
    for patients in (100, 200, 500, 1000):
        for features, k, seeds in ((10, 5, 1), (10, 10, 1), (10, 5, 3), (40, 5, 1), (40, 5, 3)):
            found = coverage(patients, features, k, seeds, repeats, 10 * repeats)
            shares = (found.models, found.general, found.corrected, found.narrower)
            row(patients, features, k, seeds, *map(as_share, shares), f"{found.wider:.2f}")


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    few = arguments.quick
    of_tests(4 if few else 1000)
    of_coverage(4 if few else 1000)


if __name__ == "__main__":
    main()
