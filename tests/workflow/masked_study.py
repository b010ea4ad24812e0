"""A study of a cell of masks and one of labels that train in seconds."""

from __future__ import annotations

from typing import Any

from small_study import SMALL

MASKED = "discs-lcnet_050-random-drop2-finetune-seed0"
STUDY: dict[str, Any] = {
    "datasets": {
        "discs": {"kind": "mask_npz", "root": "discs.npz", "structures": ["disc"], "image_px": 32}
    },
    "protocols": {
        "finetune": {"learning_rate": 3e-3, "epochs": 3, "batch_size": 8, "keep_checkpoints": 3},
        "plain": {"epochs": 1},
    },
    "grid": [
        {
            **SMALL["grid"][0],
            "datasets": ["discs"],
            "pretrainings": ["random"],
            "truncations": [2],
            "protocols": ["finetune"],
        },
        {
            **SMALL["grid"][0],
            "pretrainings": ["random"],
            "truncations": [2],
            "protocols": ["plain"],
        },
    ],
    "evaluation": {"selections": ["best", "top2"], "metrics": ["iou", "dice_pooled", "hd95"]},
    "questions": [],
    "pictures": None,
}
