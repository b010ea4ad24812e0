"""A cache, networks and specs small enough to train in a fraction of a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from transfergrid.data.store import NAMES, RECEIPT, rows_sha256
from transfergrid.planning.metrics import built_in, trained_by
from transfergrid.planning.naming import cell_name
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed
from transfergrid.training.loop import train

AUROC = trained_by(built_in("auroc"))
PX = 12
SIZES = {"train": 50, "valid": 30, "test": 20}


class TinyNet(nn.Module):
    def __init__(self, outputs: int, norm: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6) if norm else nn.Identity(), nn.ReLU()
        )
        self.last = nn.Sequential(
            nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU()
        )
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(8, outputs)

    def get_classifier(self) -> nn.Linear:
        return self.fc

    def blocks_of(self) -> list[list[nn.Module]]:
        return [[self.stem], [self.last]]

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.drop(self.last(self.stem(images)).mean((2, 3))))


def network(outputs: int, truncation: int) -> nn.Module:
    return TinyNet(outputs)


def plain_network(outputs: int, truncation: int) -> nn.Module:
    return TinyNet(outputs, norm=False)


def dropout_network(outputs: int, truncation: int) -> nn.Module:
    return TinyNet(outputs, dropout=0.5)


class Centred(TinyNet):
    """With a buffer of its own, beside the layers."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.level = nn.Module()
        self.level.register_buffer("mean", torch.tensor(0.5))

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images - self.level.mean)


def centred_network(outputs: int, truncation: int) -> nn.Module:
    return Centred(outputs)


def make_cache(results: Path, task_kind: str = "multilabel") -> None:
    """Write results/cache/tiny-0: task 0 shows as brightness, task 1 as a bright half."""
    cache = results / "cache" / "tiny-0"
    cache.mkdir(parents=True)
    rng = np.random.default_rng(5)
    tables = []
    for split, count in SIZES.items():
        images, labels = _drawn(rng, count, task_kind)
        if split == "train" and task_kind == "multilabel":
            labels[::7, 1] = np.nan
            labels[3, 0] = 0.7
        np.save(cache / f"{split}.npy", images)
        # Two views to a study, but for the last one.
        studies = [f"{split}-s{i // 2}" for i in range(count)]
        columns: dict[str, Any] = {
            "image_id": [f"{split}-{i}" for i in range(count)],
            "study_id": studies,
            "patient_id": [f"p-{name}" for name in studies],
            "view": ["frontal"] * count,
            "split": [split] * count,
            "row": list(range(count)),
        }
        columns |= {f"label_{task}": labels[:, i] for i, task in enumerate(tasks(task_kind))}
        tables.append(pa.table(columns))
    with pq.ParquetWriter(cache / "index.parquet", tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    (cache / "card.json").write_text(json.dumps(_card(task_kind)))
    write_receipt(cache)


def write_receipt(cache: Path) -> None:
    """Write a cache's receipt for what lies there."""
    index = pq.read_table(cache / "index.parquet").to_pandas()
    rows = {}
    for split, part in index.groupby("split"):
        labels = part[[name for name in part if name.startswith("label_")]].to_numpy(np.float32)
        rows[split] = rows_sha256({name: list(part[name]) for name in NAMES}, labels)
    files = {path.name: sha256_file(path) for path in cache.iterdir() if path.name != RECEIPT}
    write_sealed(cache / RECEIPT, {"files": files, "rows": rows})


def tasks(task_kind: str) -> list[str]:
    return ["Bright", "Half"] if task_kind == "multilabel" else ["a", "b", "c"]


def _drawn(rng: np.random.Generator, count: int, task_kind: str) -> tuple[np.ndarray, np.ndarray]:
    images = rng.integers(0, 60, (count, PX, PX))
    # Pairs of images, the views of one study, share their labels.
    if task_kind == "multilabel":
        labels = np.repeat(rng.integers(0, 2, ((count + 1) // 2, 2)), 2, axis=0)[:count]
        labels[:4] = [[0, 1], [0, 1], [1, 0], [1, 0]]
        images += 80 * labels[:, 0, None, None]
        images[:, :, : PX // 2] += 80 * labels[:, 1, None, None]
    else:
        classes = np.repeat(np.arange((count + 1) // 2) % 3, 2)[:count]
        labels = np.eye(3)[classes]
        images += 60 * classes[:, None, None]
    return images.astype(np.uint8), labels.astype(np.float32)


def _card(task_kind: str) -> dict[str, Any]:
    return {
        "dataset": "tiny",
        "kind": "phantom",
        "task_kind": task_kind,
        "tasks": tasks(task_kind),
        "score_tasks": tasks(task_kind),
        "patients": "known",
        "studies": "known",
        "image_px": PX,
        "resize": "crop",
        "channels": 1,
        "synthetic": True,
        "aggregate": "max",
        "splits": {},
        "content_sha256": "0",
        "notes": [],
    }


def make_spec(factory: str = "network", seed: int = 0, **recipe: Any) -> dict[str, Any]:
    settings = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, **recipe}
    return {
        "format": 1,
        "cell": {
            "dataset": "tiny",
            "architecture": "own",
            "pretraining": "random",
            "truncation": 0,
            "protocol": "short",
            "seed": seed,
        },
        "dataset": {"id": "tiny-0", "kind": "phantom"},
        "architecture": {
            "name": "own",
            "family": "own",
            "timm": None,
            "factory": f"unit.training.tiny:{factory}",
            "input_px": PX,
        },
        "weights": {"kind": "random", "id": None, "source_cell": None, "sha256": None},
        "recipe": Recipe.from_dict(settings).to_dict(),
        "seed": seed,
        "metric": dict(AUROC),
        "code": {"prepare": "", "weights": "", "train": "", "task": "", "metric": ""},
    }


def train_cell(results: Path, weights: dict[str, Any] | None = None, **recipe: Any) -> str:
    """Train a tiny cell as its program does, beside its specification and card; return its name."""
    if not (results / "cache").exists():
        make_cache(results)
    spec = make_spec(**recipe)
    spec["weights"] |= weights or {}
    folder = results / "cells" / cell_name(spec)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "card.json").write_bytes((results / "cache" / "tiny-0" / "card.json").read_bytes())
    train(spec, results, threads=1)
    return folder.name
