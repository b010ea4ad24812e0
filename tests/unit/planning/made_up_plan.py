"""A study of eight cells and two sources to plan; nothing of it exists."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from transfergrid.planning.planned import PlannedStudy, plan_study
from transfergrid.planning.study import load_study, merge

STUDY: dict[str, Any] = {
    "name": "small",
    "datasets": {
        "films": {"kind": "phantom", "image_px": 64},
        "shapes": {"kind": "phantom", "set": "shapes"},
    },
    "pretrainings": {
        "random": {"kind": "random"},
        "shapes": {"kind": "cell", "dataset": "shapes", "protocol": "source"},
        "again": {
            "kind": "cell",
            "dataset": "films",
            "protocol": "source",
            "pretraining": "shapes",
            "seed": 7,
        },
        "wheel": {"kind": "wheel"},
        "hub": {"kind": "timm"},
    },
    "protocols": {"finetune": {}, "source": {"epochs": 2}},
    "grid": [
        {
            "datasets": ["films"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random", "shapes"],
            "truncations": [0, 1],
            "seeds": [0, 1],
        }
    ],
}


def planned(folder: Path, changes: dict[str, Any] | None = None) -> PlannedStudy:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(merge(copy.deepcopy(STUDY), changes or {})))
    return plan_study(load_study(path))


def grid(**axes: Any) -> dict[str, Any]:
    return {"grid": [{**STUDY["grid"][0], **axes}]}


def names(study: PlannedStudy) -> set[str]:
    return {cell.name for cell in study.cells}
