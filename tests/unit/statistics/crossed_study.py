"""A cross-validated study that nobody trained: 2 networks x 2 pretrainings x 2 seeds x k folds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from unit.statistics.made_up_ensembles import questions, study, write_ensemble, write_spec

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.runtime.atomic import write_json

PATIENTS, FILMS = 150, 2
TASKS = ("edema", "fracture")
NETWORKS = {"small": 1e5, "large": 1e7}
ARMS = ("random", "imagenet")
SEEDS = (0, 1)
COST = {
    "micro_batch": 8,
    "train_seconds": 2.5,
    "images_per_second": 40.0,
    "peak_memory_mb": 100.0,
    "device": "cpu",
}
"""What the training of each cell took."""


def labels() -> np.ndarray:
    """Return (PATIENTS * FILMS, 2) labels, some of which are not known."""
    rng = np.random.default_rng(1)
    values = np.repeat(rng.random((PATIENTS, 2)) < (0.4, 0.2), FILMS, axis=0).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    return values


def build(
    results: Path,
    k: int = 5,
    one_class: int | None = None,
    networks: Sequence[str] = tuple(NETWORKS),
) -> dict[str, Any]:
    """Write the ensembles, cards and specs of all cells; return the study as its stamp holds it.

    Args:
        results: Root of all outputs.
        k: Folds; patient p is in part p % k.
        one_class: A fold whose part has no fracture.
        networks: Those of NETWORKS that are there.
    """
    truth, patient = labels(), np.repeat(np.arange(PATIENTS), FILMS)
    if one_class is not None:
        here = (patient % k == one_class) & ~np.isnan(truth[:, 1])
        truth[here, 1] = 0
    cells = []
    for number, (network, arm, seed) in enumerate(itertools.product(networks, ARMS, SEEDS)):
        skill = 0.6 + 0.3 * (arm == "imagenet") + 0.2 * (network == "large")
        for fold in range(k):
            rows = np.flatnonzero(patient % k == fold)
            # What a patient looks like is the same to all; every model has a scale of its own.
            shared = np.random.default_rng(7).normal(size=truth.shape)[rows]
            noise = np.random.default_rng([number, fold]).normal(size=shared.shape)
            logits = skill * np.nan_to_num(truth[rows]) + 0.8 * shared + 0.6 * noise
            scores = 1 / (1 + np.exp(-(logits * (0.3 + fold) + 2 * fold - 4)))
            ids = np.array([f"s{row:04d}" for row in rows])
            names = np.array([f"p{p:03d}" for p in patient[rows]])
            one = Ensemble(ids, names, TASKS, scores, truth[rows], 1, len(rows))
            place = {"architecture": network, "pretraining": arm, "seed": seed}
            cells.append(_write(results, one, place, fold, k))
    return study(cells, questions())


def _write(
    results: Path, ensemble: Ensemble, place: Mapping[str, Any], fold: int, k: int
) -> dict[str, Any]:
    name = f"films-{place['architecture']}-{place['pretraining']}-seed{place['seed']}-fold{fold}"
    write_ensemble(results / "s" / "ensemble" / name / "best" / "test.parquet", ensemble)
    folder, tested = results / "cells" / name, len(set(ensemble.patient_id))
    counts = {"train": PATIENTS - 2 * tested, "valid": tested, "test": tested}
    splits = {part: {"patients": n, "images": n * FILMS} for part, n in counts.items()}
    card = {"score_tasks": list(TASKS), "patients": "known", "splits": splits, "folds": k}
    write_json(folder / "card.json", card)
    spec = {"weights": {"id": "w" if place["pretraining"] == "imagenet" else None}}
    write_spec(folder, spec, status="finished", **COST, train_images=counts["train"] * FILMS)
    axes = {"dataset": "films", "family": "plain", "truncation": 0, "protocol": "p"}
    return {
        "cell": name,
        "role": "target",
        **axes,
        **place,
        "imagenet_top1": 60.0 + len(place["architecture"]),
        "dataset_id": "films-00000000",
        "fold": str(fold),
        "folds": [str(number) for number in range(k)],
    }


def alone(study: Mapping[str, Any], fold: int) -> dict[str, Any]:
    """Return a study of the cells of one fold, as if there were no others."""
    own = [cell for cell in study["cells"] if cell["fold"] == str(fold)]
    cells = [{k: v for k, v in cell.items() if k not in ("fold", "folds")} for cell in own]
    return {**study, "cells": cells}
