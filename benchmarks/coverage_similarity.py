"""How often intervals and floors of similarities hold what they should: docs/statistics.md.

    .venv/bin/python benchmarks/coverage_similarity.py

prints the tables of that page in some minutes on one core; --quick shows that it runs. Patients
with a random number of films are drawn, whose films are alike; two networks see a part of them in
common. What an interval should hold is the mean over all samples of that size. Every setting has a
seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from common import as_share, heading, parse, row, table
from numpy.typing import NDArray

from transfergrid.runtime.hashing import seeded
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.floor import Exchange, floor
from transfergrid.similarity.jackknife import interval, jackknife, patient_groups
from transfergrid.similarity.measures import MEASURES, compare
from transfergrid.similarity.predictions import AGREEMENTS, Answers, compare_answers

Floats = NDArray[np.float64]
ALIKE = 0.5
"""Share of the variance of a film that its patient has."""


def films(
    rng: np.random.Generator, patient: NDArray[np.int64], width: int, alike: float = ALIKE
) -> Floats:
    """Draw numbers (n, width) of variance 1, alike for films of a patient."""
    shared = rng.normal(size=(patient.max() + 1, width))[patient]
    return np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=shared.shape)


@dataclass(frozen=True)
class Setting:
    """Two activations that have a part in common.

    Attributes:
        patients: Patients of a sample; each has 1 film and a Poisson number of others, 2 on
            average.
        channels: Of either network.
        common: Share of the variance that both have.
    """

    patients: int
    channels: int
    common: float

    def samples(self, repeats: int) -> Iterator[tuple[Floats, Floats, NDArray[np.int64]]]:
        """Draw both activations, (n, channels), and the patient of each row."""
        rng = self.rng("samples")
        turn = np.linalg.qr(rng.normal(size=(self.channels, self.channels)))[0]
        sizes = 0.9 ** np.arange(self.channels)
        for _ in range(repeats):
            patient = np.repeat(np.arange(self.patients), 1 + rng.poisson(2, self.patients))
            both = np.sqrt(self.common) * films(rng, patient, self.channels)
            x, y = (
                both + np.sqrt(1 - self.common) * films(rng, patient, self.channels)
                for _ in range(2)
            )
            yield x * sizes, y @ turn * sizes, patient

    def rng(self, *words: object) -> np.random.Generator:
        return np.random.default_rng(seeded(self.patients, self.channels, self.common, *words))


SETTINGS = [
    Setting(patients, channels, common)
    for patients, channels in ((100, 8), (300, 8), (300, 20))
    for common in (0.5, 0.9)
]


def measured(x: Floats, y: Floats) -> Floats:
    return np.array(list(compare(Factor.of(x, 1), Factor.of(y, 1)).values()))


def jackknifed(
    x: Floats, y: Floats, patient: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Return (measures, 2) bounds by leaving out groups of patients."""
    factors = [Factor.of(x, 1), Factor.of(y, 1)]
    values = compare(*factors)
    found = jackknife(factors, [(0, 1)], patient_groups(patient, rng))[0]
    bounds = [interval(n, values[n], r) for n, r in zip(MEASURES, found, strict=True)]
    return np.array([(one.low, one.high) for one in bounds])


def resampled(
    x: Floats, y: Floats, patient: NDArray[np.int64], rng: np.random.Generator, draws: int = 100
) -> Floats:
    """Return (measures, 2) percentiles over samples of patients drawn with replacement."""
    rows = np.split(np.arange(len(patient)), np.flatnonzero(np.diff(patient)) + 1)
    found = []
    for _ in range(draws):
        drawn = np.concatenate([rows[p] for p in rng.integers(0, len(rows), len(rows))])
        found.append(measured(x[drawn], y[drawn]))
    return np.quantile(found, [0.025, 0.975], axis=0).T


Way = Callable[[Floats, Floats, NDArray[np.int64], np.random.Generator], Floats]


def coverage(setting: Setting, way: Way, repeats: int) -> Floats:
    """Return how often bounds hold the mean over samples, (measures,).

    Args:
        setting: What samples are drawn from.
        way: How bounds are made.
        repeats: Samples.
    """
    rng = setting.rng(way.__name__)
    values, bounds = [], []
    for x, y, patient in setting.samples(repeats):
        values.append(measured(x, y))
        bounds.append(way(x, y, patient, rng))
    low, high = np.moveaxis(np.array(bounds), 2, 0)
    mean = np.mean(values, axis=0)
    held: Floats = ((low <= mean) & (mean <= high)).mean(axis=0)
    return held


def of_intervals(repeats: int) -> None:
    fewer = max(2, repeats // 5)
    print(
        f"\n## 95 % intervals of similarities: coverage ({repeats} samples each, {fewer} where "
        "patients are drawn with replacement)\n"
    )
    table(["intervals", "patients", "channels", "in common", *MEASURES], texts=2)
    for way, times in ((jackknifed, repeats), (resampled, fewer)):
        for setting in SETTINGS:
            held = coverage(setting, way, times)
            row(way.__name__, setting.patients, setting.channels, as_share(setting.common),
                *map(as_share, held))  # fmt: skip


def of_one_trial(draws: int) -> None:
    print("\n## Mean CCA of one sample, and percentiles of patients drawn with replacement\n")
    table(["rows", "channels", "in common", "mean CCA", "2.5 %", "97.5 %"], texts=0)
    for common in (0.0, 0.25, 0.5):
        rng = np.random.default_rng(seeded("trial", common))
        both = np.sqrt(common) * rng.normal(size=(1000, 96))
        x, y = (both + np.sqrt(1 - common) * rng.normal(size=both.shape) for _ in range(2))
        low, high = resampled(x, y, np.arange(1000), rng, draws)[0]
        row(1000, 96, as_share(common), float(measured(x, y)[0]), float(low), float(high))


@dataclass(frozen=True)
class Independent:
    """Two networks that have nothing in common.

    Attributes:
        exchanged: "patients", or "films".
        patients: Of a sample.
        films: How many each has: "one", "similar" (1 and a Poisson number, 2 on average) or
            "unlike" (geometric, 5 on average).
        channels: Of either network.
        alike: Share of a film's variance that its patient has.
    """

    exchanged: str
    patients: int
    films: str
    channels: int
    alike: float

    def holds(self, repeats: int) -> tuple[Floats, float]:
        """Return how often values lie within the floor's 39 draws.

        Returns:
            (measures,) shares, and the mean of `Exchange.together`.
        """
        rng = np.random.default_rng(seeded("floor", *vars(self).values()))
        held, together = np.zeros(len(MEASURES)), 0.0
        for _ in range(repeats):
            counts = {
                "one": np.ones(self.patients, dtype=np.int64),
                "similar": 1 + rng.poisson(2, self.patients),
                "unlike": rng.geometric(0.2, self.patients),
            }[self.films]
            patient = np.repeat(np.arange(self.patients), counts)
            x, y = (Factor.of(films(rng, patient, self.channels, self.alike), 1) for _ in range(2))
            unit = patient if self.exchanged == "patients" else np.arange(len(patient))
            exchange = Exchange.drawn(unit, 39, rng)
            bands, values = floor(x, y, exchange), compare(x, y)
            held += [bands[name].low <= values[name] <= bands[name].high for name in MEASURES]
            together += exchange.together
        return held / repeats, together / repeats


INDEPENDENT = [
    Independent("patients", 50, "one", 6, 0.5),
    Independent("patients", 50, "similar", 6, 0.5),
    Independent("patients", 200, "similar", 6, 0.5),
    Independent("patients", 200, "similar", 24, 0.9),
    Independent("patients", 100, "unlike", 6, 0.5),
    Independent("patients", 100, "unlike", 24, 0.9),
    Independent("films", 200, "similar", 6, 0.5),
]


def of_floors(repeats: int) -> None:
    print(f"\n## Independent networks within the floor's band ({repeats} samples each)\n")
    heads = ["patients", "films of one", "channels", "alike", "kept together"]
    table(["exchanged", *heads, *MEASURES], texts=1)
    for one in INDEPENDENT:
        held, together = one.holds(repeats)
        row(one.exchanged, one.patients, one.films, one.channels, as_share(one.alike),
            as_share(together), *map(as_share, held))  # fmt: skip


def answers_hold(patients: int, strength: float, repeats: int) -> Floats:
    """Return how often intervals of agreement hold the mean over samples, (measures,).

    Args:
        patients: Of a sample, each with 1 film and a Poisson number of others, 2 on average.
        strength: How far the disease moves scores, whose other part has variance 1.
        repeats: Samples.
    """
    rng = np.random.default_rng(seeded("answers", patients, strength))
    values, bounds = [], []
    for _ in range(repeats):
        patient = np.repeat(np.arange(patients), 1 + rng.poisson(2, patients))
        labels = (rng.random((patients, 1)) < 0.4)[patient].astype(float)
        both = films(rng, patient, 1)
        one, other = (
            Answers.multilabel(
                strength * (labels - 0.5) + (both + films(rng, patient, 1)) / 2**0.5, labels, 0.0
            )
            for _ in range(2)
        )
        found = compare_answers(one, other, patient)[1]
        values.append([found[name].value for name in AGREEMENTS])
        bounds.append([(found[name].low, found[name].high) for name in AGREEMENTS])
    mean = np.nanmean(values, axis=0)
    low, high = np.moveaxis(np.array(bounds), 2, 0)
    known = ~np.isnan(low)
    held: Floats = ((low <= mean) & (mean <= high)).sum(axis=0) / known.sum(axis=0)
    return held


def of_answers(repeats: int) -> None:
    print(f"\n## 95 % intervals of agreement: coverage ({repeats} samples each)\n")
    table(["patients", "strength", *AGREEMENTS], texts=0)
    for patients in (30, 100, 300):
        for strength in (1.0, 3.0):
            row(
                patients,
                f"{strength:.1f}",
                *map(as_share, answers_hold(patients, strength, repeats)),
            )


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    few = arguments.quick
    heading("Coverage of similarities")
    of_intervals(3 if few else 500)
    of_one_trial(3 if few else 200)
    of_floors(3 if few else 500)
    of_answers(3 if few else 2000)


if __name__ == "__main__":
    main()
