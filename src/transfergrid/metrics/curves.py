"""ROC and precision-recall curves of several models, averaged point by point, with bands.

Scores of two models are never ranked together: each model, such as a seed or a fold, has a curve of
its own, and the mean is taken at equal false positive rates, or at equal recall (vertical
averaging; Fawcett 2006, Pattern Recognition Letters 27:861-874).

A band is pointwise: the interval of the mean curve at one rate, whatever happens at another. Its
variance comes from a bootstrap of patients, in which thresholds move with the drawn cases (Platt,
Hanley and Yang 2000, Statistics in Medicine 19:313-322; by patient: Rutter 2000, Academic Radiology
7:413-419), and its bounds are Wilson's for that variance, so that it has a width at 0 and 1 too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from transfergrid.metrics.auroc import auroc
from transfergrid.metrics.average_precision import average_precision
from transfergrid.metrics.influence import count_distinct
from transfergrid.metrics.intervals import wilson

Array = NDArray[np.float64]

FALSE_POSITIVE_RATES: Array = np.arange(101) / 100
RECALLS: Array = np.arange(1, 51) / 50
REPLICATES = 500
"""Draws of patients; only a variance is taken from them, which so many know to about 3 %."""
_ELEMENTS = 2_000_000
"""Numbers in a table of weights at most, 16 MB."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """One model's cases with known labels, from the highest score down.

    Attributes:
        positive: (N,) whether each is positive.
        patient: (N,) int, the number of its patient.
        ends: (L,) the last case of each level; equal scores pass a threshold together.
    """

    positive: NDArray[np.bool_]
    patient: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, scores: ArrayLike, labels: ArrayLike, patient: ArrayLike) -> Ranked:
        """Sort cases.

        Args:
            scores: (N,) numbers, higher for positives.
            labels: (N,) 0, 1, or NaN for what is left out.
            patient: (N,) int, numbers of patients, from 0; those of several models agree.
        """
        s, y, who = np.asarray(scores, dtype=np.float64), np.asarray(labels), np.asarray(patient)
        known = ~np.isnan(y)
        s, y, who = s[known], y[known], who[known]
        order = np.argsort(-s, kind="stable")
        s = s[order]
        ends = np.flatnonzero(np.append(s[1:] != s[:-1], True)) if len(s) else np.zeros(0, int)
        return cls(y[order] == 1, who[order], ends)

    @property
    def ranks(self) -> NDArray[np.int64]:
        """(N,) numbers that order the cases as their scores do, equal ones alike."""
        return -np.searchsorted(self.ends, np.arange(len(self.positive)))

    @property
    def patients(self) -> tuple[int, int]:
        """Patients who have a positive, and who have a negative case."""
        sides = (self.patient[self.positive], self.patient[~self.positive])
        return count_distinct(sides[0]), count_distinct(sides[1])

    def counts(self, weights: Array) -> tuple[Array, Array]:
        """Return (B, L) weighted positives and cases that each level and those above it hold.

        Args:
            weights: (B, G) how often each patient counts.
        """
        own = weights[:, self.patient]
        up = np.cumsum(own * self.positive, axis=1)[:, self.ends]
        return up, np.cumsum(own, axis=1)[:, self.ends]


Curve = Callable[[Ranked, Array], Array]
"""From a model's cases and (B, G) weights of patients to (B, P) values on a grid."""


def sensitivities(ranked: Ranked, weights: Array) -> Array:
    """Return the sensitivity at each of `FALSE_POSITIVE_RATES`: the ROC curve.

    It is the highest at that rate, and lies on a straight line between thresholds, as an AUROC
    counts ties.

    Args:
        ranked: A model's cases.
        weights: (B, G) how often each patient counts.

    Returns:
        (B, 101) in [0, 1]; NaN in a row that lacks a class.
    """
    up, every = ranked.counts(weights)
    down = every - up
    found = np.full((len(weights), len(FALSE_POSITIVE_RATES)), np.nan)
    for row, positives, negatives in zip(found, up, down, strict=True):
        if len(positives) and positives[-1] > 0 and negatives[-1] > 0:
            x, y = negatives / negatives[-1], positives / positives[-1]
            # Of points with one rate, np.interp takes the last, which is the highest.
            row[:] = np.interp(FALSE_POSITIVE_RATES, np.append(0.0, x), np.append(0.0, y))
    return found


def precisions(ranked: Ranked, weights: Array) -> Array:
    """Return the precision at the highest threshold that reaches each of `RECALLS`.

    Args:
        ranked: A model's cases.
        weights: (B, G) how often each patient counts.

    Returns:
        (B, 50) in [0, 1]; NaN in a row without a positive.
    """
    up, every = ranked.counts(weights)
    found = np.full((len(weights), len(RECALLS)), np.nan)
    for row, positives, cases in zip(found, up, every, strict=True):
        if len(positives) and positives[-1] > 0:
            # A share such as .58 of 50 must not become 30 by a rounding error.
            at = np.searchsorted(positives, positives[-1] * RECALLS * (1 - 1e-12))
            row[:] = positives[at] / cases[at]
    return found


Area = Callable[[Ranked], float]
"""The area under a model's own curve, which a grid only comes near."""


def area_under_sensitivities(ranked: Ranked) -> float:
    """Return the area under the ROC curve, ties counting one half; NaN where a class lacks."""
    return float(auroc(ranked.ranks, ranked.positive)[0])


def area_under_precisions(ranked: Ranked) -> float:
    """Return the average precision; NaN where a class lacks."""
    return float(average_precision([ranked.ranks], ranked.positive, ranked.patient)[0][0])


def mean_area(area: Area, models: Sequence[Ranked]) -> float:
    """Return the mean over models of the area under their curves, as `band` takes that of these.

    Args:
        area: `area_under_sensitivities` or `area_under_precisions`.
        models: Their cases.
    """
    kept = usable(models)
    return float(np.mean([area(model) for model in kept])) if kept else math.nan


@dataclass(frozen=True)
class Band:
    """The mean curve of some models.

    Attributes:
        mean: (P,) its value at each point of the grid; NaN without a model that has both classes.
        low: (P,) lower bounds; NaN where fewer than two patients of a class say nothing of it.
        high: (P,) upper bounds, as `low`.
    """

    mean: Array
    low: Array
    high: Array


def usable(models: Sequence[Ranked]) -> list[Ranked]:
    """Return the models whose cases tell a curve's error, or else those that have a curve.

    A mean over folds leaves the same folds out: see `transfergrid.statistics.pooled`.
    """
    certain = [model for model in models if min(model.patients) > 1]
    return certain or [model for model in models if min(model.patients) > 0]


def band(
    curve: Curve,
    models: Sequence[Ranked],
    rng: np.random.Generator,
    confidence: float = 0.95,
    replicates: int = REPLICATES,
) -> Band:
    """Return the mean curve of some models with pointwise bounds.

    Args:
        curve: `sensitivities` or `precisions`.
        models: Their cases, of which patients may be the same; at least one.
        rng: Draws the patients; its state alone decides the bounds.
        confidence: Coverage at each point, in (0, 1).
        replicates: Number of draws.
    """
    groups = 1 + max(int(model.patient.max(initial=-1)) for model in models)
    kept = usable(models)
    if not kept:
        nothing = np.full(curve(models[0], np.ones((1, max(groups, 1)))).shape[1], np.nan)
        return Band(nothing, nothing, nothing)
    mean = np.mean([curve(model, np.ones((1, groups)))[0] for model in kept], axis=0)
    positives, negatives = _patients(kept)
    fewest = min(positives, negatives)
    if fewest < 2:
        return Band(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    there = np.unique(np.concatenate([model.patient for model in kept]))
    drawn = [
        np.mean([curve(model, weights) for model in kept], axis=0)
        for weights in _weights(there, groups, replicates, rng)
    ]
    variance = np.nanvar(np.concatenate(drawn), axis=0, ddof=1)
    t = -float(special.stdtrit(fewest - 1, (1 - confidence) / 2))
    # Less than one patient away from 0 or 1, a variance says no more than where there is none.
    variance[np.minimum(mean, 1 - mean) * positives < 1] = 0.0
    ends = [wilson(float(m), float(v), positives, t) for m, v in zip(mean, variance, strict=True)]
    low, high = (np.array(side) for side in zip(*ends, strict=True))
    if curve is sensitivities:
        low[-1] = 1.0  # at a rate of 1 everybody is called
    return Band(mean, low, high)


def _patients(models: Sequence[Ranked]) -> tuple[int, int]:
    """Return the patients who have a positive, and a negative case, in any of the models."""
    patient = np.concatenate([model.patient for model in models])
    positive = np.concatenate([model.positive for model in models])
    return count_distinct(patient[positive]), count_distinct(patient[~positive])


def _weights(
    there: NDArray[np.int64], groups: int, replicates: int, rng: np.random.Generator
) -> Iterator[Array]:
    """Yield (b, G) tables of how often each patient was drawn, with replacement."""
    step = max(1, _ELEMENTS // groups)
    for first in range(0, replicates, step):
        size = min(step, replicates - first)
        drawn = there[rng.integers(0, len(there), (size, len(there)))]
        drawn += np.arange(size)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=size * groups)
        yield counts.reshape(size, groups).astype(np.float64)
