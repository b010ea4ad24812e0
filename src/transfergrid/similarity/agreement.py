"""Shares of units that two networks answer alike, and what is made of such shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from transfergrid.metrics.influence import sum_by_patient
from transfergrid.metrics.intervals import wilson

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """A measure before its interval is made.

    Attributes:
        value: The measure, or NaN.
        contributions: (n,) how each unit moves the measure, times n; once they are added up, (G,)
            by patient, and their sum of squares is the variance.
        baseline: What independent answers would give.
        ceiling: The most that these two networks could have.
        share: The share of units that the value is, or is made from; NaN for neither.
        baseline_share: The baseline of that share, by which the value is (share - baseline_share)
            / (1 - baseline_share); 0 where the value is the share.
        n: Units.
        patients: Patients of the units.
    """

    value: float
    contributions: Floats
    baseline: float
    ceiling: float
    share: float = float("nan")
    baseline_share: float = 0.0
    n: int = 0
    patients: int = 0

    def by_patient(self, patient: NDArray[np.int64], groups: int) -> Part:
        """Add up contributions of units.

        Args:
            patient: (n,) int, each unit's patient, from 0.
            groups: Patients G of all units.
        """
        n = len(patient)
        seen = int(np.count_nonzero(np.bincount(patient, minlength=groups)))
        factor = np.sqrt(seen / (seen - 1)) if seen > 1 else np.nan
        sums = sum_by_patient(self.contributions[None], patient, groups)[0] * factor / max(n, 1)
        return replace(self, contributions=sums, n=n, patients=seen)


@dataclass(frozen=True)
class Agreement:
    """A measure of two networks' answers.

    Attributes:
        value: NaN where it is undefined.
        low: Lower bound, or NaN.
        high: Upper bound, or NaN.
        baseline: What independent answers of the same accuracies, or labels, would give.
        ceiling: The most that these allow.
        n: Units with a known label; over tasks, the fewest.
        patients: Patients of these units; over tasks, the fewest.
        flags: Of "undefined", as overlap of errors is where nobody errs, and "no_variance", where
            the units do not tell how sure the value is.
    """

    value: float
    low: float
    high: float
    baseline: float
    ceiling: float
    n: int
    patients: int
    flags: tuple[str, ...]


def share_alike(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Part:
    """Return the share of units that are of the same kind for both networks.

    Args:
        left: (n, K) which of K kinds a unit is of; of exactly one.
        right: The same of the other network.
    """
    if not len(left):
        return _undefined(0)
    alike = (left & right).any(axis=1).astype(np.float64)
    p, q = left.mean(axis=0), right.mean(axis=0)
    value = float(alike.mean())
    ceiling = float(np.minimum(p, q).sum())
    contributions: Floats = np.subtract(alike, value)
    return Part(value, contributions, float(p @ q), ceiling, share=value)


def excess_alike(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Part:
    """Return how far that share exceeds its baseline, of the most that any share can.

    Args:
        left: (n, K) which of K kinds a unit is of; of exactly one.
        right: The same of the other network.

    Returns:
        Its value is NaN where the baseline is 1, as of networks that always answer the same.
    """
    part = share_alike(left, right)
    rest = 1 - part.baseline
    if not rest > 0:
        return _undefined(len(left))
    p, q = left.mean(axis=0), right.mean(axis=0)
    value = (part.value - part.baseline) / rest
    of_baseline = left @ q + right @ p - 2 * part.baseline
    contributions = (part.contributions - (1 - value) * of_baseline) / rest
    ceiling = (part.ceiling - part.baseline) / rest
    return Part(value, contributions, 0.0, ceiling, part.value, part.baseline)


def overlap(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Part:
    """Return units that are true on both sides among those that are on either (Jaccard).

    Args:
        left: (n,) such as a network's errors.
        right: The other network's.

    Returns:
        Its value is NaN where none is true.
    """
    either = left | right
    if not either.any():
        return _undefined(len(left))
    value = float((left & right).sum() / either.sum())
    p, q = float(left.mean()), float(right.mean())
    contributions = ((left & right) - value * either) / either.mean()
    return Part(value, contributions, p * q / (p + q - p * q), min(p, q) / max(p, q), share=value)


def _undefined(units: int) -> Part:
    nan = float("nan")
    return Part(nan, np.full(units, nan), nan, nan)


def mean_of(parts: Sequence[Part]) -> Part:
    """Return the mean over tasks of parts that are added up by patient."""

    def mean(name: str) -> float:
        return float(np.mean([getattr(part, name) for part in parts]))

    return Part(
        mean("value"),
        np.mean([part.contributions for part in parts], axis=0),
        mean("baseline"),
        mean("ceiling"),
        mean("share"),
        mean("baseline_share"),
        min(part.n for part in parts),
        min(part.patients for part in parts),
    )


def summarise(part: Part, confidence: float = 0.95) -> Agreement:
    """Make the interval of a part that is added up by patient.

    A share has Wilson's, on the number of independent units that would have its variance. What
    is made from a share has one on the scale of atanh, which ends where the value is 1: there its
    lower bound is that of the share.

    Args:
        part: What was measured.
        confidence: In (0, 1).
    """
    nan = float("nan")
    rest = (part.baseline, part.ceiling, part.n, part.patients)
    if np.isnan(part.value):
        return Agreement(nan, nan, nan, *rest, ("undefined",))
    if part.patients < 2:
        return Agreement(part.value, nan, nan, *rest, ("no_variance",))
    variance = float((part.contributions**2).sum())
    flags = () if variance > 1e-24 else ("no_variance",)
    t = -float(special.stdtrit(part.patients - 1, (1 - confidence) / 2))
    if part.share == part.value:
        low, high = wilson(part.value, variance, part.patients, t)
    elif part.value < 1e-9 - 1:
        low = high = -1.0
    elif part.value > 1 - 1e-9:
        below = wilson(part.share, 0.0, part.patients, t)[0] if part.share == 1 else 1.0
        low, high = (below - part.baseline_share) / (1 - part.baseline_share), 1.0
    else:
        arm = t * float(np.sqrt(variance)) / (1 - part.value**2)
        low, high = np.tanh(np.arctanh(part.value) + np.array([-1, 1]) * arm).tolist()
    return Agreement(part.value, float(low), float(high), *rest, flags)
