"""Ensembles that nobody trained, and a study that asks questions of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transfergrid.evaluation.ensemble import Ensemble, write_ensemble
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed

STUDIES = 120
ARCHITECTURES = {"small": 1e5, "middle": 1e6, "large": 1e7}
TASKS = ("edema", "fracture")
SCORED = "edema"


def build(results: Path, patients: str = "known", missing: bool = False) -> dict[str, Any]:
    """Write 3 architectures x 2 pretrainings x 2 seeds whose quality grows with size."""
    cells = []
    for place, ensemble in runs():
        if missing and list(place.values())[:3] == ["large", "random", 1]:
            continue
        cells.append(write_cell(results, ensemble, patients, **place))
    return study(cells, questions())


def runs() -> Iterator[tuple[dict[str, Any], Ensemble]]:
    """Yield the place of each run in the grid, and its ensemble."""
    rng = np.random.default_rng(5)
    labels = (rng.random((STUDIES, 2)) < 0.4).astype(np.float32)
    ids = np.array([f"s{i}" for i in range(STUDIES)])
    for rank, architecture in enumerate(ARCHITECTURES):
        for pretraining in ("random", "imagenet"):
            for seed in (0, 1):
                place = {"architecture": architecture, "pretraining": pretraining, "seed": seed}
                shift = 0.5 + 0.4 * rank + (0.5 if pretraining == "imagenet" else 0)
                values = 1 / (1 + np.exp(-(labels * shift + rng.normal(size=labels.shape))))
                ensemble = Ensemble(ids, ids, TASKS, values, labels, 1, len(ids))
                yield {**place, "imagenet_top1": 60.0 + rank}, ensemble


def write_cell(
    results: Path,
    ensemble: Ensemble,
    patients: str = "known",
    dataset: str = "films",
    score_tasks: Sequence[str] = (SCORED,),
    **place: Any,
) -> dict[str, Any]:
    """Write what the statistics read of a cell; return its entry in the study."""
    key = (dataset, place["architecture"], place["pretraining"], f"seed{place['seed']}")
    name = "-".join(key)
    for split in ("valid", "test"):
        write_ensemble(results / "s" / "ensemble" / name / "best" / f"{split}.parquet", ensemble)
    folder = results / "cells" / name
    write_json(folder / "card.json", {"score_tasks": list(score_tasks), "patients": patients})
    weights = {"id": "w" if place["pretraining"] == "imagenet" else None}
    write_spec(folder, {"weights": weights})
    return {
        "cell": name,
        "role": "target",
        "dataset": dataset,
        "family": "plain",
        "truncation": 0,
        "protocol": "p",
        **place,
    }


def write_spec(folder: Path, spec: dict[str, Any], **told: Any) -> None:
    """Write a cell's specification, and a receipt of what is in its folder."""
    write_json(folder / "spec.json", spec)
    files = {path.name: sha256_file(path) for path in folder.glob("*.json*")}
    files.pop("train.json", None)
    write_sealed(folder / "train.json", {"files": files, **told})


def questions() -> list[dict[str, Any]]:
    """Ask for the boost, and what it and the AUROC have to do with size."""
    boost = {
        "name": "boost",
        "kind": "contrast",
        "axis": "pretraining",
        "baseline": "random",
        "metric": None,
    }
    size = {"kind": "correlation", "x": "params", "metric": None, "margin": None, "where": {}}
    return [
        {**boost, "margin": None, "effect": 0.01, "where": {}},
        {**size, "name": "size", "y": "score"},
        {**size, "name": "gain", "y": "boost"},
    ]


def study(cells: Sequence[dict[str, Any]], questions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a study as its stamp holds it."""
    return {
        "name": "s",
        "cells": list(cells),
        "evaluation": {
            "selections": ["best"],
            "primary": "best",
            "confidence": 0.95,
            "bootstrap": {"replicates": 200, "seed": 0},
        },
        "metrics": {"auroc": built_in("auroc")},
        "primary_metric": dict.fromkeys({cell["dataset"] for cell in cells}, "auroc"),
        "claims": {"claims": [], "points": [], "where": {}, "stands_for": {}},
        "questions": list(questions),
    }
