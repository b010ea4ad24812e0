"""Made-up test labels and logits, paired over all cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from unit.reporting.made_up_study import name_of

from transfergrid.runtime.hashing import short_hash

TASKS = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion", "Fracture"]

SCORE_TASKS = TASKS[:5]

PREVALENCE = [0.38, 0.30, 0.03, 0.25, 0.35, 0.0]


@dataclass(frozen=True)
class Truth:
    """Test labels and the identity of each unit; shared by every cell."""

    labels: np.ndarray
    patient: np.ndarray
    study: np.ndarray
    difficulty: np.ndarray


def truth(seed: int = 0, patients: int = 160) -> Truth:
    rng = np.random.default_rng(seed)
    visits = rng.integers(1, 3, patients)
    patient = np.repeat(np.arange(patients), visits)
    labels = (rng.random((len(patient), len(TASKS))) < np.array(PREVALENCE)).astype(np.float32)
    labels[rng.random(labels.shape) < 0.02] = np.nan
    labels[labels[:, 5] == 1, 5] = 0
    return Truth(
        labels,
        np.array([f"patient{p:04d}" for p in patient]),
        np.array([f"patient{p:04d}/study{s}" for s, p in enumerate(patient)]),
        rng.normal(0, 1, labels.shape),
    )


def logits_of(
    point: dict[str, Any], truth: Truth, checkpoints: int, architectures: dict[str, tuple]
) -> np.ndarray:
    rng = np.random.default_rng(int(short_hash(name_of(point)), 16))
    skill = architectures[point["architecture"]][5]
    skill += 0.35 * (point["pretraining"] == "shapes") - 0.15 * point["truncation"]
    signal = np.nan_to_num(truth.labels) * skill * 1.7
    noise = 0.8 * truth.difficulty + 0.6 * rng.normal(0, 1, signal.shape)
    steps = rng.normal(0, 0.2, (checkpoints, *signal.shape))
    return (signal + noise + steps - 1).astype(np.float32)
