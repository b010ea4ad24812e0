"""A made-up but complete results tree: what the report reads, with every awkward case in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit
from unit.reporting.made_up_scores import SCORE_TASKS, TASKS, Truth, logits_of, truth
from unit.reporting.made_up_study import (
    ARCHITECTURES,
    DATASET,
    SELECTIONS,
    is_diverged,
    is_missing,
    name_of,
    study_json,
    tuning_of,
)
from unit.reporting.made_up_tables import tables_of

from transfergrid.evaluation.ensemble import Ensemble, content_sha256
from transfergrid.planning.metrics import built_in, trained_by
from transfergrid.planning.recipe import Recipe
from transfergrid.reporting.tables.calibration import calibration_table
from transfergrid.reporting.tables.files import read_table, write_table
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.runtime.hashing import sha256_file, short_hash
from transfergrid.runtime.sealed import write_sealed


@dataclass(frozen=True)
class Tree:
    """Where the made-up results are, and the study that they belong to."""

    results: Path
    study: dict[str, Any]


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))


def write_train(folder: Path, record: dict[str, Any]) -> None:
    """Write train.json, which speaks of the files that lie beside it."""
    names = ("spec.json", "history.jsonl", "proof.json", "card.json")
    files = {name: sha256_file(path) for name in names if (path := folder / name).exists()}
    write_sealed(folder / "train.json", {**record, "files": files})


def card(tasks: list[str] = TASKS) -> dict[str, Any]:
    counts = {task: 40 for task in tasks}
    split = {"positives": counts, "negatives": counts, "unknown": counts}
    return {
        "dataset": DATASET,
        "kind": "phantom",
        "task_kind": "multilabel",
        "tasks": tasks,
        "score_tasks": SCORE_TASKS,
        "patients": "known",
        "studies": "known",
        "image_px": 64,
        "resize": "crop",
        "channels": 1,
        "synthetic": True,
        "aggregate": "max",
        "splits": {
            "train": {"images": 900, "studies": 640, "patients": 400, **split},
            "valid": {"images": 220, "studies": 150, "patients": 100, **split},
            "test": {"images": 300, "studies": 240, "patients": 160, **split},
        },
        "content_sha256": "ab" * 32,
        "notes": ["Drawn chest films in CheXpert's layout."],
    }


def history_of(point: dict[str, Any], diverged: bool) -> list[dict[str, Any]]:
    rng = np.random.default_rng(int(short_hash(name_of(point)), 16))
    top = 0.74 + 0.06 * (point["pretraining"] == "shapes")
    lines = []
    for step in range(1, 9):
        score = 0.5 + (top - 0.5) * (1 - np.exp(-step / 2.5)) + rng.normal(0, 0.008)
        lines.append(
            {
                "step": step * 14,
                "examples": step * 450,
                "train_loss": 0.7 * float(np.exp(-step / 6)),
                "valid_loss": None if diverged else 0.2 + 0.5 * float(np.exp(-step / 4)),
                "valid_score": None if diverged else float(score),
            }
        )
    return lines[:3] if diverged else lines


def spec_of(point: dict[str, Any], architectures: dict[str, tuple]) -> dict[str, Any]:
    family, timm, *_ = architectures[point["architecture"]]
    shapes = point["pretraining"] == "shapes"
    axes = ("dataset", "architecture", "pretraining", "truncation", "protocol", "seed")
    tuning = tuning_of(point)
    tune = {"learning_rates": [0.0003, 0.003], "epochs": 1, "seed": 0} if tuning else None
    recipe = {"learning_rate": 0.003, "epochs": 4, "batch_size": 32, "tune": tune}
    return {
        "format": 1,
        "cell": {axis: point[axis] for axis in axes},
        "dataset": {"id": DATASET, "kind": "phantom", "set": "chest", "image_px": 64},
        "architecture": {
            "name": point["architecture"],
            "family": family,
            "timm": timm,
            "factory": None,
            "input_px": 64,
        },
        "weights": {
            "kind": "cell" if shapes else "random",
            "id": None,
            "source_cell": "shapes-x" if shapes else None,
            "sha256": None,
        },
        "recipe": Recipe.from_dict(recipe).to_dict(),
        "seed": point["seed"],
        **({"tuning": tuning} if tuning else {}),
        "metric": dict(trained_by(built_in("auroc"))),
        "code": {"prepare": "0" * 64, "weights": "1" * 64, "train": "2" * 64},
    }


def write_tuning(tree: Path, tuning: dict[str, Any]) -> None:
    trials = {
        rate: {"cell": cell, "status": "finished", "valid_score": 0.7 + float(rate)}
        for rate, cell in tuning["trials"].items()
    }
    found = {"rule": "best", "trials": trials, "learning_rate": 0.003, "at_edge": True}
    write_sealed(tree / "tuning" / tuning["id"] / "tuning.json", found)
    for cell in tuning["trials"].values():
        train = {"status": "finished", "train_seconds": 36.0, "device": "NVIDIA H200"}
        write_sealed(tree / "cells" / cell / "train.json", {**train, "peak_memory_mb": 900.0})


def proof_of(entry: dict[str, Any]) -> dict[str, Any]:
    head = ["fc.weight", "fc.bias"]
    proof = {
        "format": 1,
        "network": entry["architecture"],
        "truncation": entry["truncation"],
        "seed": entry["seed"],
        "padding": "symmetric",
        "preprocessing": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    }
    if entry["pretraining"] == "random":
        missing = [*(f"layer.{i}" for i in range(118)), *head]
        return {**proof, "kind": "random", "source": "random", "matched": 0, "missing": missing}
    source = f"shapes-{entry['architecture']}-random-drop0-source-seed0-0a1b2c3d"
    return {
        **proof,
        "kind": "cell",
        "source": "cell",
        "cell": source,
        "file": "step-00000150.safetensors",
        "sha256": "9f" * 32,
        "matched": 118,
        "missing": head,
        "unexpected": [],
        "probe": {"images": 2, "px": 128, "width": 512, "relative_difference": 0.8312},
    }


def write_cell(
    tree: Path, study: str, entry: dict[str, Any], known: Truth, architectures: dict[str, tuple]
) -> None:
    """Write one cell's folder, scores and ensembles as the earlier stages would."""
    cell, diverged = entry["cell"], is_diverged(entry)
    folder = tree / "cells" / cell
    write_json(folder / "spec.json", spec_of(entry, architectures))
    if tuning := tuning_of(entry):
        write_tuning(tree, tuning)
    write_json(folder / "proof.json", proof_of(entry))
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs" / "train.log").write_text(f"step 100\n{'nan' if diverged else 'done'}\n\n")
    write_json(folder / "card.json", card())
    history = history_of(entry, diverged)
    lines = (json.dumps(line) for line in history)
    (folder / "history.jsonl").write_text("\n".join(lines) + "\n")
    write_train(
        folder,
        {
            "cell": cell,
            "status": "diverged" if diverged else "finished",
            "learning_rate": 0.003,
            "best_valid_score": None if diverged else max(one["valid_score"] for one in history),
            "reason": "the loss was not finite by step 100" if diverged else None,
            "micro_batch": 16 if entry["architecture"] == "resnet18" else 32,
            "environment": {"python": "3.11.9", "packages": {"torch": "2.14.1"}},
            "threads": 1,
            "precision": "fp32",
            "train_seconds": 61.25,
            "images_per_second": 812.5,
            "peak_memory_mb": 412.0,
            "device": "cpu",
        },
    )
    checkpoints = 0 if diverged else 4
    logits = logits_of(entry, known, checkpoints, architectures)
    (folder / "scores").mkdir(exist_ok=True)
    for split in ("valid", "test"):
        np.savez(
            folder / "scores" / f"{split}.npz",
            logits=logits,
            labels=known.labels,
            image_id=np.array([f"image{i}" for i in range(len(known.labels))]),
            study_id=known.study,
            patient_id=known.patient,
            task=np.array(TASKS),
            step=np.arange(checkpoints),
            valid_score=np.array([0.7, 0.8, 0.79, 0.78])[:checkpoints],
            task_kind="multilabel",
            aggregate="max",
        )
    scores = [f"scores/{split}.npz" for split in ("valid", "test")]
    files = {name: sha256_file(folder / name) for name in scores}
    status = "diverged" if diverged else "finished"
    write_sealed(folder / "receipts" / "evaluate.json", {"status": status, "files": files})
    for split in ("valid", "test"):
        for selection in SELECTIONS:
            write_ensemble(tree / study / "ensemble" / cell / selection, split, logits, known)


def write_ensemble(folder: Path, split: str, logits: np.ndarray, known: Truth) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    keep = {"top3": logits[-3:], "best": logits[1:2], "last": logits[-1:]}[folder.name]
    table: dict[str, Any] = {"study_id": known.study, "patient_id": known.patient}
    prob = np.full(known.labels.shape, np.nan)
    if len(keep):
        prob = expit(keep.astype(float)).mean(axis=0)
    for t, task in enumerate(TASKS):
        table[f"prob_{task}"] = prob[:, t]
    for t, task in enumerate(TASKS):
        table[f"label_{task}"] = known.labels[:, t]
    labels = known.labels.astype(np.float32)
    made = Ensemble(known.study, known.patient, tuple(TASKS), prob, labels, len(keep), len(labels))
    counts = {"n_checkpoints": str(len(keep)), "n_images": str(len(labels))}
    counts |= {"made_of": "", "sha256": content_sha256(made)}
    rows = pa.Table.from_pandas(pd.DataFrame(table), preserve_index=False)
    pq.write_table(rows.replace_schema_metadata(counts), folder / f"{split}.parquet")


def fabricate(
    results: Path,
    title: str = "Does drawing shapes help to read drawn chests?",
    copies: int = 1,
    seeds: int = 2,
    tables_only: bool = False,
) -> Tree:
    """Write a results tree of 24 target cells (times `copies`) and one source per architecture."""
    architectures = {
        name if copy == 0 else f"{name}.v{copy}": facts
        for copy in range(copies)
        for name, facts in ARCHITECTURES.items()
    }
    study = study_json(title, architectures, seeds)
    known = truth()
    for entry in study["cells"]:
        if not is_missing(entry) and not tables_only:
            write_cell(results, study["name"], entry, known, architectures)
    write_json(results / "cache" / DATASET / "card.json", card())
    folder = results / study["name"] / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables_of(study, architectures).items():
        table.to_csv(folder / f"{name}.csv", index=False)
    cells = read_table(folder / "cells.csv")
    write_table(calibration_table(study, cells, results), folder / "calibration.csv")
    seal_stage(folder.parent, "cells", sorted(f"tables/{path.name}" for path in folder.iterdir()))
    return Tree(results, study)
