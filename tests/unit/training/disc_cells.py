"""A study of one cell that learns to mark discs, trained and scored within seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from unit.data.discs import discs

from transfergrid.data.cache import build_cache
from transfergrid.evaluation.predict import score_cell
from transfergrid.planning.cells import CellBuilder
from transfergrid.planning.study import load_study
from transfergrid.training.loop import train

PX = 32
RECIPE = {"learning_rate": 0.003, "epochs": 3, "batch_size": 8, "keep_checkpoints": 3}
MOVED = {"flip_probability": 0.5, "rotate_degrees": 10, "translate": 0.1}


def study(folder: Path, **sections: Any) -> Path:
    root = folder / "discs.npz"
    films = {"kind": "mask_npz", "root": str(root), "structures": ["disc"], "image_px": PX}
    if not root.exists():
        discs(root, {"train": 24, "val": 8, "test": 6}, empty=(1, 4), side=PX)
    content: dict[str, Any] = {
        "name": "discs",
        "device": "cpu",
        "datasets": {"discs": films},
        "pretrainings": {"random": {"kind": "random"}},
        "recipe": {**RECIPE, "augmentation": MOVED},
        "protocols": {"plain": {}},
        "grid": [
            {
                "datasets": ["discs"],
                "architectures": ["lcnet_050"],
                "pretrainings": ["random"],
                "protocols": ["plain"],
                "truncations": [2],
                "seeds": [0],
            }
        ],
        "evaluation": {"selections": ["best", "last"]},
        "questions": [],
    }
    for name, own in sections.items():
        content[name] = {**content.get(name, {}), **own} if isinstance(own, dict) else own
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def planned(path: Path) -> tuple[dict[str, Any], str]:
    builder = CellBuilder(load_study(path))
    (cell,) = builder.targets()
    return json.loads(cell.spec), cell.name


def cache_of(spec: dict[str, Any], results: Path) -> Path:
    return results / "cache" / str(spec["dataset"]["id"])


def scored_cell(
    results: Path, root: Path | None = None, **sections: Any
) -> tuple[dict[str, Any], str]:
    """Train and score the study's cell in a folder; return its specification and name.

    Args:
        results: The folder.
        root: Where the data set lies, if it is not that of discs.
        sections: Sections of the study.
    """
    spec, name = planned(study(results, **sections))
    build_cache(spec["dataset"], root or results / "discs.npz", cache_of(spec, results), 1)
    folder = results / "cells" / name
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "card.json").write_bytes((cache_of(spec, results) / "card.json").read_bytes())
    train(spec, results, threads=1)
    score_cell(spec, results)
    return spec, name
