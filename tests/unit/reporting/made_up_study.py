"""A made-up study: its JSON as the report gets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transfergrid.catalog.stages import STAGE
from transfergrid.catalog.tables import TABLES
from transfergrid.planning.metrics import built_in
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.hashing import short_hash

DATASET = "phantom-1a2b3c4d"

SHAPES = "shapes-5e6f7a8b"

SELECTIONS = ["top3", "best", "last"]

ARCHITECTURES = {
    # name: (family, timm name, ImageNet top-1, parameters, MACs, skill)
    "lcnet_050": ("LCNet", "lcnet_050.ra2_in1k", 63.14, 610_214, 4_120_000, 0.55),
    "mobilenetv3_small_050": (
        "MobileNetV3",
        "mobilenetv3_small_050.lamb_in1k",
        57.92,
        575_078,
        2_300_000,
        0.45,
    ),
    "resnet18": ("ResNet", "resnet18.tv_in1k", 69.76, 11_179_590, 148_000_000, 0.8),
    "tf_efficientnet_lite0": (
        "EfficientNet-Lite",
        "tf_efficientnet_lite0.in1k",
        74.83,
        3_378_694,
        31_500_000,
        0.9,
    ),
}

TRUNCATED = ("resnet18", "lcnet_050")


def points(architectures: dict[str, tuple], seeds: int) -> Iterator[dict[str, Any]]:
    for architecture, (family, _, top1, _, _, _) in architectures.items():
        for pretraining in ("random", "shapes"):
            for truncation in (0, 1) if architecture in TRUNCATED else (0,):
                for seed in range(seeds):
                    yield {
                        "dataset": "phantom",
                        "architecture": architecture,
                        "family": family,
                        "pretraining": pretraining,
                        "truncation": truncation,
                        "protocol": "finetune",
                        "seed": seed,
                        "role": "target",
                        "imagenet_top1": top1,
                    }
        yield {
            "dataset": "shapes",
            "architecture": architecture,
            "family": family,
            "pretraining": "random",
            "truncation": 0,
            "protocol": "source",
            "seed": 0,
            "role": "source",
            "imagenet_top1": top1,
        }


def name_of(point: dict[str, Any]) -> str:
    axes = f"{point['dataset']}-{point['architecture']}-{point['pretraining']}"
    axes += f"-drop{point['truncation']}-{point['protocol']}-seed{point['seed']}"
    return f"{axes}-{short_hash(axes)}"


def is_diverged(entry: dict[str, Any]) -> bool:
    return entry["role"] == "target" and (
        entry["architecture"] == "mobilenetv3_small_050"
        and entry["pretraining"] == "random"
        and entry["seed"] == 1
    )


def is_missing(entry: dict[str, Any]) -> bool:
    return entry["role"] == "target" and (
        entry["architecture"] == "lcnet_050"
        and entry["truncation"] == 1
        and entry["pretraining"] == "shapes"
        and entry["seed"] == 1
    )


EVALUATION = {
    "selections": SELECTIONS,
    "primary": "top3",
    "confidence": 0.95,
    "bootstrap": {"replicates": 200, "seed": 0},
}
WHOLE = {"truncation": 0}
JOBS: dict[str, list[str] | None] = {
    "prepare": [DATASET],
    "train": None,
    "evaluate": None,
    "ensembles": ["00of01"],
    "gather": ["demo"],
    "cells": ["demo"],
    "scores": ["demo"],
}
"""What the jobs of some stages are for; this study stores and compares nothing."""
ASKED_OF_COSTS: dict[str, Any] = {
    "benchmarks": [[name, STAGE[name].benchmark, jobs] for name, jobs in JOBS.items()]
}
"""What else the stamp of costs holds."""
BOOST = {"name": "pretraining_boost", "kind": "contrast", "axis": "pretraining"}
CUT = {"name": "truncation_cost", "kind": "contrast", "axis": "truncation"}
TOP1 = {"name": "imagenet_and_auroc", "kind": "correlation", "x": "imagenet_top1", "y": "score"}
SIZE = {"name": "size_and_auroc", "kind": "correlation", "x": "params", "y": "score"}
QUESTIONS = [
    {**BOOST, "baseline": "random", "margin": None, "effect": 0.01, "metric": None, "where": WHOLE},
    {**CUT, "baseline": 0, "margin": 0.02, "effect": 0.01, "metric": None, "where": {}},
    {**TOP1, "margin": None, "metric": None, "where": WHOLE},
    {**SIZE, "margin": None, "metric": None, "where": WHOLE},
    {
        "name": "noise",
        "kind": "seed_noise",
        "axis": "architecture",
        "contrast": None,
        "metric": None,
        "where": {},
    },
]
RECIPE = Recipe.from_dict(
    {
        "optimizer": "adamw",
        "learning_rate": 0.003,
        "weight_decay": 0.01,
        "schedule": "one_cycle",
        "warmup_fraction": 0.2,
        "epochs": 4,
        "batch_size": 32,
        "keep_checkpoints": 3,
    }
).to_dict()
DATASETS = {
    "phantom": {"kind": "phantom", "set": "chest", "patients": 400, "uncertain": "ignore"},
    "shapes": {"kind": "phantom", "set": "shapes", "patients": 800},
}
PRETRAININGS = {
    "random": {"kind": "random"},
    "shapes": {"kind": "cell", "dataset": "shapes", "protocol": "source"},
}


def tuning_of(point: dict[str, Any]) -> dict[str, Any]:
    """Return the spec's part on learning-rate trials; the seeds of a network share them."""
    if point["architecture"] != "tf_efficientnet_lite0" or point["role"] == "source":
        return {}
    name = f"phantom-{point['architecture']}-{point['pretraining']}-drop0-finetune"
    return {
        "id": f"{name}-{short_hash(name)}",
        "trials": {rate: f"{name}-seed0-{short_hash(rate + name)}" for rate in ("0.0003", "0.003")},
    }


def tunings_of(architectures: dict[str, tuple]) -> list[dict[str, Any]]:
    return [{**point, **tuning_of(point)} for point in points(architectures, 1) if tuning_of(point)]


def study_json(
    title: str = "Does drawing shapes help to read drawn chests?",
    architectures: dict[str, tuple] = ARCHITECTURES,
    seeds: int = 2,
) -> dict[str, Any]:
    common: dict[str, Any] = {
        "name": "demo",
        "title": title,
        "description": "Four small networks, from random weights and from weights trained on "
        "drawn shapes, fine-tuned on drawn chest films in CheXpert's layout.",
        "evaluation": EVALUATION,
        "metrics": {"auroc": built_in("auroc")},
        "primary_metric": {"phantom": "auroc", "shapes": "auroc"},
        "columns": {table.name: list(table.header) for table in TABLES},
        "questions": QUESTIONS,
        "claims": {
            "claims": [],
            "points": [],
            "first_version": [],
            "similarities": [],
            "scores": [],
            "where": {},
            "stands_for": {},
        },
        "similarity": None,
    }
    ids = {"target": DATASET, "source": SHAPES}
    return {
        **common,
        "cells": [
            {
                "cell": name_of(point),
                "dataset_id": ids[point["role"]],
                "source_cell": None,
                **point,
            }
            for point in points(architectures, seeds)
        ],
        "tunings": tunings_of(architectures),
        "recipes": {"finetune": RECIPE, "source": {**RECIPE, "epochs": 3}},
        "resolved": {
            **common,
            "datasets": DATASETS,
            "pretrainings": PRETRAININGS,
            "recipe": RECIPE,
            "protocols": {"finetune": {}, "source": {"epochs": 3}},
            "grid": [{"architectures": list(architectures), "seeds": list(range(seeds))}],
        },
    }
