"""A study of a table of films with sex, age and view: planned, with made-up ensembles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from unit.planning.made_up_plan import grid, planned

from transfergrid.evaluation.ensemble import Ensemble, write_ensemble
from transfergrid.planning.paths import ensemble_directory
from transfergrid.planning.planned import PlannedStudy, stamped
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.hashing import canonical_json

TASKS = ("mass", "node")
ASKED = [{"column": "sex"}, {"column": "age", "bands": [40, 60]}, {"column": "view"}]
SPLIT = {"column": "part", "train": ["train"], "valid": ["valid"], "test": ["test"]}


def films(patients: int = 240, seed: int = 0) -> pd.DataFrame:
    """Return two films of each patient, sex by patient, view by film.

    Mass goes with view; node is in nobody under 40 who is tested. The sex of some is not known.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        part = ("train", "test", "valid")[patient % 5 // 2]
        sex, age = (
            ("F", "M", "")[int(rng.choice(3, p=[0.5, 0.45, 0.05]))],
            int(rng.integers(18, 90)),
        )
        for film in range(2):
            view = ("AP", "PA")[int(rng.integers(2))]
            mass = int(rng.random() < (0.6 if view == "AP" else 0.25))
            node = int(rng.random() < 0.3 and age >= 40)
            name = f"{patient:04d}_{film}.png"
            rows.append((name, f"p{patient:04d}", part, sex, f"{age:03d}Y", view, mass, node))
    columns = ["image", "patient", "part", "sex", "age", "view", *TASKS]
    return pd.DataFrame(rows, columns=columns)


def study(
    folder: Path,
    table: pd.DataFrame,
    asked: Any = ASKED,
    seeds: tuple[int, ...] = (0, 1),
    **more: Any,
) -> PlannedStudy:
    """Plan two pretrainings on a table of films, which is written into the folder."""
    table.to_csv(folder / "films.csv", index=False)
    data = {
        "kind": "csv",
        "root": str(folder),
        "table": "films.csv",
        "image_column": "image",
        "label_columns": list(TASKS),
        "patient_column": "patient",
        **({} if "folds" in more else {"split": SPLIT}),
        **more,
    }
    axes = grid(datasets=["table"], pretrainings=["random", "hub"], truncations=[0])
    axes["grid"][0]["seeds"] = list(seeds)
    evaluation = {"selections": ["best"], "metrics": ["sensitivity"]}
    return planned(
        folder,
        {"datasets": {"table": data}, "evaluation": evaluation, "subgroups": asked, **axes},
    )


def scored(made: PlannedStudy, table: pd.DataFrame, results: Path) -> dict[str, Any]:
    """Write note, card and ensembles of a planned study; return what its stage is told."""
    data = made.datasets["table"]
    name, note = stamped(data.id, "location", data.location)
    write_json(results / "stamps" / name, note)
    folds = {cell.point.fold for cell in made.targets} - {"all"}
    card = {
        "dataset": "table",
        "kind": "csv",
        "task_kind": "multilabel",
        "tasks": list(TASKS),
        "score_tasks": list(TASKS),
        "patients": "known",
        "synthetic": False,
        **({"folds": len(folds), "by_fold": [{} for _ in folds]} if folds else {}),
    }
    write_json(results / "cache" / data.id / "card.json", card)
    for cell in made.targets:
        for split in ("valid", "test"):
            rows = table[table["part"] == split]
            if folds:
                rows = table[table["fold"].astype(str) == cell.point.fold]
            place = ensemble_directory(made.name, cell.name, "best", results)
            place.mkdir(parents=True, exist_ok=True)
            write_ensemble(place / f"{split}.parquet", ensemble(rows, cell.name))
    content: dict[str, Any] = json.loads(canonical_json(made.content("subgroups")))
    return content


def ensemble(rows: pd.DataFrame, cell: str) -> Ensemble:
    """Return what a network says of films: better on women than on men."""
    rng = np.random.default_rng(sum(cell.encode()))
    labels = rows[list(TASKS)].to_numpy(np.float32)
    strength = np.where(rows["sex"] == "F", 2.5, 0.8)[:, None]
    logits = strength * (labels - 0.5) + rng.normal(size=labels.shape)
    return Ensemble(
        rows["image"].to_numpy(str),
        rows["patient"].to_numpy(str),
        TASKS,
        expit(logits),
        labels,
        1,
        len(rows),
    )
