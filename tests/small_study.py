"""A study of four cells and a source that trains in seconds."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, Any] = {
    "name": "small",
    "title": "A small study",
    "device": "cpu",
    "datasets": {
        "films": {
            "kind": "phantom",
            "patients": 60,
            "valid_patients": 40,
            "test_patients": 40,
            "image_px": 32,
            "score_tasks": ["cardiomegaly", "pleural_effusion"],
        },
        "textures": {
            "kind": "phantom",
            "set": "shapes",
            "patients": 64,
            "valid_patients": 40,
            "test_patients": 40,
            "image_px": 32,
        },
    },
    "pretrainings": {
        "random": {"kind": "random"},
        "textures": {"kind": "cell", "dataset": "textures", "protocol": "source"},
    },
    "recipe": {"learning_rate": 1e-3, "epochs": 1, "batch_size": 16, "keep_checkpoints": 2},
    "protocols": {"finetune": {}, "source": {"epochs": 2}},
    "grid": [
        {
            "datasets": ["films"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random", "textures"],
            "truncations": [0, 1],
            "seeds": [0],
        }
    ],
    "evaluation": {"selections": ["best", "last"], "bootstrap": {"replicates": 100}},
    "questions": [
        {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"},
        {"name": "cut", "kind": "contrast", "axis": "truncation", "baseline": 0},
        {"name": "size", "kind": "correlation", "x": "params", "y": "score"},
    ],
}
