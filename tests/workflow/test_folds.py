"""Three folds of a small table, through Snakemake to their scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.csv.make import make as make_csv
from small_study import SMALL
from tests.workflow.conftest import Workspace

pytestmark = pytest.mark.slow

FOLDS: dict[str, Any] = {"k": 3, "by": "stratified", "valid": "next"}
STUDY: dict[str, Any] = {
    "datasets": {
        "own": {
            "kind": "csv",
            "root": "data",
            "table": "labels.csv",
            "image_column": "image",
            "label_columns": ["Mass"],
            "patient_column": "patient",
            "image_px": 32,
            "folds": FOLDS,
        }
    },
    "grid": [{"datasets": ["own"], "architectures": ["lcnet_050"], "pretrainings": ["random"]}],
    "questions": [],
}


def test_folds_are_trained_and_scored_on_one_store(workspace: Workspace) -> None:
    make_csv(workspace.folder / "data", np.random.default_rng(0))
    workspace.write(STUDY)
    outcome = workspace.snakemake("--until", "evaluate")
    assert outcome.status == 0, outcome.text[-4000:]
    results = workspace.folder / "results"
    (cache,) = (results / "cache").glob("own-*")
    assert sorted(path.stem for path in cache.glob("*.npy")) == ["part0", "part1", "part2"]
    tested: list[str] = []
    for fold in range(3):
        (cell,) = (results / "cells").glob(
            f"own-lcnet_050-random-drop0-finetune-seed0-fold{fold}-*"
        )
        card = json.loads((cell / "card.json").read_text())
        assert card["fold"] == str(fold)
        assert json.loads((cell / "spec.json").read_text())["cell"]["fold"] == str(fold)
        for name in ("valid", "test"):
            with np.load(cell / "scores" / f"{name}.npz") as scores:
                ids = scores["image_id"].tolist()
                assert np.isfinite(scores["logits"]).all()
            assert len(ids) == card["splits"][name]["images"]
        tested += ids
    table = pd.read_csv(workspace.folder / "data" / "labels.csv")
    assert sorted(tested) == sorted(table["image"])
    others = [*SMALL["grid"], *STUDY["grid"]]
    before = workspace.snakemake("-n", "--until", "evaluate").jobs
    assert not before.keys() & {"prepare", "spec", "train", "evaluate"}
    # Another draw of folds concerns its own data set, and the others not at all.
    workspace.write({**STUDY, "grid": others})
    plain = workspace.snakemake("-n", "--until", "evaluate").jobs
    own = {**STUDY["datasets"]["own"], "folds": {**FOLDS, "seed": 1}}
    workspace.write({**STUDY, "grid": others, "datasets": {"own": own}})
    drawn = workspace.snakemake("-n", "--until", "evaluate").jobs
    assert {
        rule: drawn[rule] - plain[rule] for rule in ("prepare", "spec", "train", "evaluate")
    } == {
        "prepare": 1,
        "spec": 1,
        "train": 3,
        "evaluate": 3,
    }


def test_what_is_wrong_with_folds_is_told_before_anything_runs(workspace: Workspace) -> None:
    make_csv(workspace.folder / "data", np.random.default_rng(0))
    own: dict[str, Any] = {**STUDY["datasets"]["own"], "folds": {**FOLDS, "k": 40}}
    workspace.write({**STUDY, "datasets": {"own": own}})
    outcome = workspace.snakemake("--until", "evaluate")
    assert outcome.status != 0
    assert "folds.k is 40, and there are 18 patients; choose a k from 2 to 18" in _logs(workspace)


def _logs(workspace: Workspace) -> str:
    logs: list[Path] = sorted((workspace.folder / "results").rglob("*.log"))
    return "\n".join(path.read_text() for path in logs)
