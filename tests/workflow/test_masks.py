"""Films with masks, through Snakemake to the page; what a change makes again; labels and back."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.workflow.conftest import Workspace
from unit.data.discs import discs

from transfergrid.planning.study import merge

pytestmark = pytest.mark.slow

START = {"kind": "cell", "protocol": "finetune"}
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


CHAIN: dict[str, Any] = {
    "pretrainings": {
        "textures": {**START, "dataset": "textures", "pretraining": "random"},
        "discs": {**START, "dataset": "discs", "pretraining": "textures"},
        "low": {"of": "textures", "derive": [{"keep": {"through": 2}}]},
        "low_discs": {"of": "discs", "derive": [{"keep": {"through": 2}}]},
    },
    "recipe": {"epochs": 1},
    "grid": [
        {**STUDY["grid"][0], "pretrainings": ["textures", "low"], "truncations": [0]},
        {**STUDY["grid"][0], "datasets": ["films"], "pretrainings": ["discs", "low_discs"]},
    ],
}
"""From labels to masks, from these to labels, and both in part."""


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


def test_labels_lead_to_masks_and_these_to_labels(workspace: Workspace) -> None:
    discs(workspace.folder / "discs.npz", {"train": 24, "val": 8, "test": 8}, side=32)
    workspace.write(merge(copy.deepcopy(STUDY), CHAIN))
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-4000:]
    results = workspace.folder / "results"
    folders = list((results / "cells").iterdir())
    cells = {(name.split("-")[0], name.split("-")[2]): name for name in (f.name for f in folders)}
    proofs = {
        key: json.loads((results / "cells" / name / "proof.json").read_text())
        for key, name in cells.items()
    }
    assert len(cells) == len(folders) == 5
    assert proofs["discs", "textures"]["cell"] == cells["textures", "random"]
    assert proofs["films", "discs"]["cell"] == cells["discs", "textures"]
    whole, part = (proofs["films", name] for name in ("discs", "low_discs"))
    assert whole["keep"] == "all" and whole["unexpected"] == [] and whole["matched"] > 20
    assert 0 < part["origins"]["source"] < whole["matched"] and part["cell"] == whole["cell"]
    assert 0 < proofs["discs", "low"]["origins"]["source"] < proofs["discs", "textures"]["matched"]
    tables = results / "small" / "tables"
    leaks = pd.read_csv(tables / "leaks.csv").query("dataset != other_dataset")
    links = set(zip(leaks["dataset"], leaks["other_dataset"], strict=True))
    assert links == {("discs", "textures"), ("films", "discs"), ("films", "textures")}
    assert leaks["n_images"].gt(0).all() and leaks["n_equal"].eq(0).all()
    assert pd.read_csv(tables / "sources.csv")["dataset"].tolist() == ["textures"]
    page = (results / "small" / "report.html").read_text(encoding="utf-8")
    assert "the same network, first trained on discs by protocol finetune" in page
