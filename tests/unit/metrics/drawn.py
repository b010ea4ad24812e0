"""Cases with ties, unknown labels and several a patient, and what a bootstrap says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.metrics.influence import sum_by_patient


def task(
    seed: int, patients: int = 150, step: float = 0.05, shift: float = 1.0
) -> tuple[NDArray, NDArray, NDArray]:
    """Return (N,) probabilities on a grid, labels with NaN, and numbers of patients."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, patients, 2 * patients))
    patient = np.unique(patient, return_inverse=True)[1]
    known = rng.normal(size=patient.max() + 1)
    labels = (0.7 * known[patient] + rng.normal(size=len(patient)) > 0.6).astype(float)
    score = shift * labels + 0.6 * known[patient] + rng.normal(size=len(patient)) - 1
    labels[rng.random(len(labels)) < 0.1] = np.nan
    probability = 1 / (1 + np.exp(-score))
    return np.clip(np.round(probability / step) * step, 0, 1), labels, patient


def classes(seed: int, patients: int = 150, count: int = 4) -> tuple[NDArray, NDArray, NDArray]:
    """Return (N, T) probabilities, one-hot labels with unknown rows, and numbers of patients."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, patients, 2 * patients))
    patient = np.unique(patient, return_inverse=True)[1]
    truth = (
        rng.integers(0, count, patient.max() + 1)[patient] + (rng.random(len(patient)) < 0.2)
    ) % count
    logits = rng.normal(size=(len(patient), count)) + 1.2 * np.eye(count)[truth]
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.eye(count)[truth]
    labels[rng.random(len(labels)) < 0.05] = np.nan
    return probability, labels, patient


def errors(
    function: Callable[..., Any],
    scores: NDArray,
    labels: NDArray,
    patient: NDArray,
    settings: Mapping[str, Any] | None = None,
    replicates: int = 400,
) -> tuple[float, float]:
    """Return the standard error by contributions, and that of a bootstrap of patients."""
    settings, groups = settings or {}, int(patient.max()) + 1
    _, values = function(scores[None], labels, patient, **settings)
    ours = float(np.sqrt((sum_by_patient(values, patient, groups) ** 2).sum()))
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(patient == number) for number in range(groups)]
    found = []
    for _ in range(replicates):
        drawn = np.concatenate([rows[number] for number in rng.integers(0, groups, groups)])
        # Contributions are not looked at, so who is whose does not matter.
        estimate, _ = function(
            scores[None, drawn], labels[drawn], np.arange(len(drawn)), **settings
        )
        found.append(float(estimate[0]))
    return ours, float(np.nanstd(found, ddof=1))
