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

FEW = 10
"""With fewer patients that tell anything, an interval is mostly a guess."""


@dataclass(frozen=True)
class Part:
    """A measure before its interval is made.

    Attributes:
        value: The measure, or NaN.
        contributions: (n,) how each unit moves the measure, times n; once they are added up, (G,)
            by patient, and their sum of squares is the variance.
        baseline: What independent answers would give.
        ceiling: The most that these two networks could have.
        least: The least that they could have, from which the interval sees the value as a share of
            the way to 1; NaN where it is none.
        tells: (n,) bool, the units that tell something of the value; once they are added up, (G,)
            whether a patient has any.
        n: Units.
        patients: Patients of the units.
    """

    value: float
    contributions: Floats
    baseline: float
    ceiling: float
    least: float
    tells: NDArray[np.bool_]
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
        tells = np.bincount(patient[self.tells], minlength=groups) > 0
        return replace(self, contributions=sums, tells=tells, n=n, patients=seen)


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
        flags: Of "undefined", as overlap of errors is where nobody errs; "few_patients", where
            fewer than `FEW` patients tell anything; and "no_variance", where they do not tell how
            sure the value is.
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
    return Part(value, contributions, float(p @ q), ceiling, 0.0, np.ones(len(left), bool))


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
    common = int((p + q).argmax())
    least = (max(0.0, p[common] + q[common] - 1) - part.baseline) / rest
    # Where nearly all are of one kind for both, only the others tell whether these coincide.
    tells = ~(left[:, common] & right[:, common])
    return Part(value, contributions, 0.0, ceiling, least, tells)


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
    baseline, ceiling = p * q / (p + q - p * q), min(p, q) / max(p, q)
    return Part(value, contributions, baseline, ceiling, 0.0, either)


def _undefined(units: int) -> Part:
    nan = float("nan")
    return Part(nan, np.full(units, nan), nan, nan, nan, np.zeros(units, bool))


def mean_of(parts: Sequence[Part]) -> Part:
    """Return the mean over tasks of parts that are added up by patient."""

    def mean(name: str) -> float:
        return float(np.mean([getattr(part, name) for part in parts]))

    return Part(
        mean("value"),
        np.mean([part.contributions for part in parts], axis=0),
        mean("baseline"),
        mean("ceiling"),
        mean("least"),
        np.any([part.tells for part in parts], axis=0),
        min(part.n for part in parts),
        min(part.patients for part in parts),
    )


def summarise(part: Part, confidence: float = 0.95) -> Agreement:
    """Make the interval of a part that is added up by patient.

    A share has Wilson's, on the number of independent units that would have its variance, and what
    goes from a least value to 1 likewise, as a share of that way. At either end there is no
    variance, and the patients who tell anything stand for that number: where only few films are
    answered wrongly, how many of these errors coincide is known no better than from few patients.
    A rank correlation has its interval on the scale of atanh.

    Args:
        part: What was measured.
        confidence: In (0, 1).
    """
    nan = float("nan")
    rest = (part.baseline, part.ceiling, part.n, part.patients)
    tell = int(part.tells.sum())
    if np.isnan(part.value):
        return Agreement(nan, nan, nan, *rest, ("undefined",))
    if tell < 2:
        return Agreement(part.value, nan, nan, *rest, ("no_variance",))
    variance = float((part.contributions**2).sum())
    flags = [
        *(["few_patients"] if tell < FEW else []),
        *(["no_variance"] if variance <= 1e-24 else []),
    ]
    t = -float(special.stdtrit(tell - 1, (1 - confidence) / 2))
    if np.isnan(part.least):
        low, high = _on_atanh(part.value, t * float(np.sqrt(variance)))
    else:
        way = 1 - part.least
        share = min(1.0, max(0.0, (part.value - part.least) / way))
        low, high = (part.least + way * end for end in wilson(share, variance / way**2, tell, t))
        # Rounding may take a bound past the value itself.
        low, high = min(low, part.value), max(high, part.value)
    return Agreement(part.value, float(low), float(high), *rest, tuple(flags))


def _on_atanh(value: float, arm: float) -> tuple[float, float]:
    slope = 1 - value**2
    if slope < 1e-9:
        return value, value
    low, high = np.tanh(np.arctanh(value) + np.array([-1, 1]) * arm / slope)
    return float(low), float(high)
