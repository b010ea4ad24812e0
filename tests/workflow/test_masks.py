"""Films with masks, through Snakemake to the page; and what a change of the study makes again."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.workflow.conftest import Workspace
from unit.data.discs import discs

pytestmark = pytest.mark.slow

STUDY: dict[str, Any] = {
    "datasets": {
        "discs": {"kind": "mask_npz", "root": "discs.npz", "structures": ["disc"], "image_px": 32}
    },
    "recipe": {"learning_rate": 3e-3, "epochs": 3, "batch_size": 8, "keep_checkpoints": 3},
    "grid": [
        {
            "datasets": ["discs"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random"],
            "truncations": [2],
            "protocols": ["finetune"],
            "seeds": [0],
        }
    ],
    "evaluation": {"selections": ["top2", "best"], "metrics": ["iou", "dice_pooled"]},
    "questions": [],
}


def changed(**recipe: Any) -> dict[str, Any]:
    study = copy.deepcopy(STUDY)
    study["recipe"] |= recipe
    return study


def test_masks_are_learned_scored_and_told(workspace: Workspace) -> None:
    discs(workspace.folder / "discs.npz", {"train": 24, "val": 8, "test": 8}, empty=(1,), side=32)
    workspace.write(STUDY)
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-4000:]
    results = workspace.folder / "results"
    (cell,) = (results / "cells").glob("discs-lcnet_050-random-drop2-finetune-seed0-*")
    with np.load(cell / "scores" / "test.npz") as stored:
        assert stored["logits"].shape == stored["tops"].shape == (3, 8, 1, 4)
    tables = results / "small" / "tables"
    scores = pd.read_csv(tables / "scores.csv").set_index(["selection", "metric"])
    assert set(scores.index) == {
        (selection, metric)
        for selection in ("top2", "best")
        for metric in ("dice", "iou", "dice_pooled")
    }
    assert scores["value"].between(0.2, 1).all()
    states = pd.read_csv(tables / "mask_states.csv")
    assert states["n"].tolist() == [8, 8] and (states["both"] > 0).all()
    assert pd.read_csv(tables / "calibration.csv").empty
    page = (results / "small" / "report.html").read_text(encoding="utf-8")
    assert "Macro Dice" in page and "decoder follows what is left" in page

    same = workspace.snakemake("-n")
    assert not same.jobs
    study = changed()
    study["evaluation"]["selections"] = ["top3", "best"]
    workspace.write(study)
    jobs = workspace.snakemake("-n").jobs
    assert jobs["ensembles"] == 1 and not {"train", "evaluate", "prepare"} & jobs.keys()
    workspace.write(changed(loss="dice"))
    jobs = workspace.snakemake("-n").jobs
    assert jobs["train"] == jobs["evaluate"] == 1 and "prepare" not in jobs
