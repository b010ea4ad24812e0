from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from unit.reporting import fabricate

from transfergrid.reporting.tables.bootstrap import bootstrap_table
from transfergrid.reporting.tables.cells import cells_table
from transfergrid.reporting.tables.gathering import ordered_selections

WORKERS = ("cells", "scores", "sources", "bootstrap")
"""Modules of tables that processes of their own read cells for."""


def test_columns_are_those_of_the_contract_in_order(cells: pd.DataFrame) -> None:
    contract = (
        "cell, dataset, architecture, family, pretraining, truncation, protocol, seed, fold, "
        "status, params, macs, input_size, selection, n_checkpoints, micro_batch, n_images, "
        "n_studies, n_patients, metric, score, score_low, score_high, flags, train_seconds, "
        "images_per_second, peak_memory_mb, device"
    )
    assert list(cells.columns) == contract.split(", ")
    assert set(cells["fold"]) == {"all"} and set(cells["metric"]) == {"auroc"}


def test_a_row_for_each_target_and_selection_primary_first(
    tree: fabricate.Tree, cells: pd.DataFrame
) -> None:
    targets = [entry["cell"] for entry in tree.study["cells"] if entry["role"] == "target"]
    assert list(cells["cell"]) == [name for name in targets for _ in range(3)]
    assert list(cells["selection"][:3]) == ["top3", "best", "last"]
    evaluation = {**tree.study["evaluation"], "primary": "last"}
    assert ordered_selections(evaluation) == ["last", "top3", "best"]


def test_the_score_is_the_mean_of_scikit_learns_aurocs(
    tree: fabricate.Tree, cells: pd.DataFrame
) -> None:
    row = cells[(cells["architecture"] == "resnet18") & (cells["selection"] == "top3")].iloc[0]
    scores = np.load(tree.results / "cells" / row["cell"] / "scores" / "test.npz")
    prob = expit(scores["logits"][-3:].astype(float)).mean(axis=0)
    expected = []
    for t in range(len(fabricate.SCORE_TASKS)):
        known = ~np.isnan(scores["labels"][:, t])
        expected.append(roc_auc_score(scores["labels"][known, t], prob[known, t]))
    assert row["score"] == pytest.approx(np.mean(expected), abs=1e-9)
    assert row["score_low"] < row["score"] < row["score_high"]
    # What the data are comes first; a task that is not scored is not flagged.
    assert row["flags"].split(";")[0] == "synthetic"
    assert "few_positives:Consolidation" in row["flags"]
    assert "Fracture" not in row["flags"]
    assert row["n_studies"] == len(scores["study_id"])
    assert row["n_patients"] == 160


def test_cells_need_no_scores_once_their_ensembles_are_made(
    tree: fabricate.Tree, tmp_path: Path
) -> None:
    # Scores are 5 GB for a grid of thousands, on a disk that cells of other studies share.
    shutil.copytree(tree.results, tmp_path / "results")
    for folder in (tmp_path / "results" / "cells").glob("*/scores"):
        shutil.rmtree(folder)
    pd.testing.assert_frame_equal(
        cells_table(tree.study, tmp_path / "results"),
        cells_table(tree.study, tree.results),
    )


def test_processes_that_read_cells_import_nothing_heavy() -> None:
    modules = (f"transfergrid.reporting.tables.{name}" for name in WORKERS)
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "timm", "pandas", "matplotlib", "scipy.stats", "scipy.optimize"}
    assert not heavy & set(done.stdout.split())


def test_counts_and_cost(cells: pd.DataFrame) -> None:
    done = cells[cells["status"] == "finished"].set_index(["architecture", "truncation"])
    whole = done.loc[("resnet18", 0)].iloc[:3]
    network = timm.create_model("resnet18", num_classes=len(fabricate.TASKS))
    assert set(whole["params"]) == {sum(p.numel() for p in network.parameters())}
    assert (done.loc[("resnet18", 1)]["params"] < whole["params"].iloc[0]).all()
    assert (done.loc[("resnet18", 1)]["macs"] < whole["macs"].iloc[0]).all()
    assert list(whole["n_checkpoints"]) == [3, 1, 1]
    assert set(whole["n_images"]) == set(whole["n_studies"])  # one image a study here
    assert set(whole["input_size"]) == {64}
    assert set(whole["device"]) == {"cpu"}


def test_a_diverged_cell_keeps_its_counts_and_has_no_score(cells: pd.DataFrame) -> None:
    rows = cells[cells["status"] == "diverged"]
    assert len(rows) == 3
    assert rows[["score", "score_low", "score_high"]].isna().all(axis=None)
    assert (rows["n_checkpoints"] == 0).all()
    assert (rows["n_patients"] == 160).all()


def test_a_missing_cell_is_named_and_has_no_number(cells: pd.DataFrame) -> None:
    rows = cells[cells["status"] == "missing"]
    assert list(rows["selection"]) == ["top3", "best", "last"]
    numbers = [name for name in cells if name.startswith(("score", "n_"))]
    assert rows[numbers].isna().all(axis=None)
    assert rows["params"].isna().all()


def test_a_source_alone_makes_no_target_row(tree: fabricate.Tree) -> None:
    sources = [entry for entry in tree.study["cells"] if entry["role"] == "source"]
    study = {**tree.study, "cells": sources}
    assert len(cells_table(study, tree.results)) == 0
    assert len(bootstrap_table(study, tree.results)) == 0
