"""Cells to train on drawn films, and the loop that a researcher would write instead."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from transfergrid.data.cache import build_cache
from transfergrid.data.store import open_split, read_card
from transfergrid.models.initial import initial_model
from transfergrid.models.normalise import Normalise
from transfergrid.planning.plan import plan_run
from transfergrid.tasks.learn.kind import learn_half

NETWORKS = (
    "lcnet_050",
    "mobilenetv3_small_050",
    "resnet18",
    "tf_efficientnet_lite0",
    "densenet121",
)
"""Two small ones, a plain one, a depthwise one, and the dense one of the published study."""
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}


def write_cells(
    folder: Path,
    networks: Sequence[str],
    datasets: Mapping[str, Mapping[str, Any]],
    **recipe: Any,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Make caches in `folder`/results; return the specification of each (data set, network)."""
    folder.mkdir(parents=True, exist_ok=True)
    study = {
        "name": "bench",
        "device": "cpu",
        "datasets": datasets,
        "pretrainings": {"random": {"kind": "random"}},
        "recipe": {"optimizer": "adamw", "learning_rate": 1e-3, "batch_size": 32, **recipe},
        "protocols": {"only": {}},
        "grid": [
            {
                "datasets": list(datasets),
                "architectures": list(networks),
                "pretrainings": ["random"],
                "protocols": ["only"],
                "seeds": [0],
            }
        ],
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    plan = plan_run([path], {})
    (planned,) = plan.studies.values()
    for dataset in planned.datasets.values():
        place = folder / "results" / "cache" / dataset.id
        build_cache(dataset.declaration, dataset.root, place, workers=2)
    points = {(cell.point.dataset, cell.point.architecture): cell for cell in planned.cells}
    return {key: json.loads(cell.spec) for key, cell in points.items()}


def warm_up() -> None:
    """Make an optimiser: the first one of a process imports a second's worth of torch."""
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])


def clear(folder: Path) -> None:
    """Remove what trainings left."""
    shutil.rmtree(folder / "results" / "cells", ignore_errors=True)


@dataclass(frozen=True)
class Tensors:
    """A split in memory: normalised float32 images (N, 3, H, W), and labels (N, T) or masks.

    Masks are float32 (N, T, H, W).
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, spec: Mapping[str, Any], results: Path, name: str, count: int | None) -> Tensors:
        """Read a split's first images, as the network of `spec` wants them."""
        split = open_split(results / "cache" / spec["dataset"]["id"], name)
        _, preprocessing, _ = initial_model(spec, results, split.labels.shape[1])
        images = Normalise(preprocessing)(torch.from_numpy(np.array(split.images[:count])))
        truth = split.labels if split.masks is None else split.masks
        labels = np.asarray(truth[:count], dtype=np.float32)
        return cls(images.contiguous(), torch.from_numpy(labels))

    def laid_out(self, layout: torch.memory_format) -> Tensors:
        """Return the same in another memory layout."""
        return Tensors(self.images.contiguous(memory_format=layout), self.labels)


def network(spec: Mapping[str, Any], results: Path, layout: torch.memory_format) -> nn.Module:
    """Build the network of a specification, weights and, if it marks masks, decoder and all."""
    card = read_card(results / "cache" / spec["dataset"]["id"])
    task, tasks = learn_half(card.task_kind, spec), len(card.tasks)
    model = initial_model(spec, results, task.outputs(tasks))[0]
    return task.complete(model, tasks, spec["seed"]).to(memory_format=layout)  # type: ignore[call-overload,no-any-return]


class BareLoop:
    """Training the usual way: tensors in memory, AdamW, masked binary cross-entropy."""

    def __init__(
        self,
        model: nn.Module,
        train: Tensors,
        batch: int,
        bf16: bool = False,
        fused: bool | None = None,
    ) -> None:
        self.model, self.train, self.batch, self.bf16 = model, train, batch, bf16
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=fused)

    def epoch(self, steps: int | None = None) -> int:
        """Take an epoch's steps, or the first few; return how many images were seen."""
        self.model.train()
        cuts = torch.randperm(len(self.train.images)).split(self.batch)[:steps]
        for rows in cuts:
            images, labels = self.train.images[rows], self.train.labels[rows]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
                logits = self.model(images)
            loss = self.loss(logits.float(), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return sum(map(len, cuts))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the known labels."""
        known = ~labels.isnan()
        total = nn.functional.binary_cross_entropy_with_logits(
            logits, labels.nan_to_num(), weight=known.float(), reduction="sum"
        )
        return total / known.sum()

    def validate(self, valid: Tensors) -> float:
        """Return the mean AUROC over the tasks that have both classes."""
        self.model.eval()
        with torch.inference_mode():
            parts = [self.model(images) for images in valid.images.split(64)]
        scores, labels = torch.cat(parts).numpy(), valid.labels.numpy()
        areas = []
        for task in range(labels.shape[1]):
            known = ~np.isnan(labels[:, task])
            if len(np.unique(labels[known, task])) == 2:
                areas.append(roc_auc_score(labels[known, task], scores[known, task]))
        return float(np.mean(areas))

    def save(self, path: Path) -> None:
        """Write the weights."""
        buffer = io.BytesIO()
        torch.save(self.model.state_dict(), buffer)
        path.write_bytes(buffer.getvalue())
