from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
from scipy.special import expit
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from unit.reporting import fabricate

from transfergrid.catalog.tables import TABLES
from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.evaluation.ensemble import read_ensemble, write_ensemble
from transfergrid.reporting.tables import gather as tables
from transfergrid.reporting.tables import pool, scores
from transfergrid.reporting.tables.bootstrap import bootstrap_rows
from transfergrid.reporting.tables.files import read_table, write_table
from transfergrid.reporting.tables.resampling import bootstrap_table
from transfergrid.reporting.tables.sources import (
    SOURCES,
    source_row,
    sources_table,
)
from transfergrid.tasks.score import multiclass


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> fabricate.Tree:
    return fabricate.fabricate(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def cells(tree: fabricate.Tree) -> pd.DataFrame:
    path = tree.results / "demo" / "tables" / "made.csv"
    write_table(tables.cells_table(tree.study, tree.results), path)
    return read_table(path)


def test_columns_are_those_of_the_contract_in_order(cells: pd.DataFrame) -> None:
    before = (
        "cell, dataset, architecture, family, pretraining, truncation, protocol, seed, status, "
        "params, macs, input_size, selection, n_checkpoints, micro_batch, n_images, n_studies, "
        "n_patients, auroc, auroc_low, auroc_high"
    )
    by_task = [
        name
        for task in fabricate.TASKS
        for name in (f"auroc_{task}", f"auroc_{task}_low", f"auroc_{task}_high", f"n_pos_{task}")
    ]
    after = "flags, train_seconds, images_per_second, peak_memory_mb, device"
    assert list(cells.columns) == before.split(", ") + by_task + after.split(", ")


def test_a_row_for_each_target_and_selection_primary_first(
    tree: fabricate.Tree, cells: pd.DataFrame
) -> None:
    targets = [entry["cell"] for entry in tree.study["cells"] if entry["role"] == "target"]
    assert list(cells["cell"]) == [name for name in targets for _ in range(3)]
    assert list(cells["selection"][:3]) == ["top3", "best", "last"]
    evaluation = {**tree.study["evaluation"], "primary": "last"}
    assert tables.ordered_selections(evaluation) == ["last", "top3", "best"]


def test_auroc_in_the_csv_is_scikit_learns_from_the_scores(
    tree: fabricate.Tree, cells: pd.DataFrame
) -> None:
    row = cells[(cells["architecture"] == "resnet18") & (cells["selection"] == "top3")].iloc[0]
    scores = np.load(tree.results / "cells" / row["cell"] / "scores" / "test.npz")
    prob = expit(scores["logits"][-3:].astype(float)).mean(axis=0)
    expected = []
    for t, task in enumerate(fabricate.SCORE_TASKS):
        known = ~np.isnan(scores["labels"][:, t])
        expected.append(roc_auc_score(scores["labels"][known, t], prob[known, t]))
        assert row[f"auroc_{task}"] == pytest.approx(expected[-1], abs=1e-9)
        assert row[f"n_pos_{task}"] == (scores["labels"][:, t] == 1).sum()
    assert row["auroc"] == pytest.approx(np.mean(expected), abs=1e-9)
    assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
    assert np.isnan(row["auroc_Fracture"])
    assert row["flags"].split(";")[0] == "synthetic"  # what the data are comes first
    assert "single_class:Fracture" in row["flags"]
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
        tables.cells_table(tree.study, tmp_path / "results"),
        tables.cells_table(tree.study, tree.results),
    )


def test_processes_that_read_cells_import_nothing_heavy() -> None:
    code = "import sys, transfergrid.reporting.tables.cells; print(*sys.modules)"
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


def test_a_diverged_cell_keeps_its_counts_and_has_no_auroc(cells: pd.DataFrame) -> None:
    rows = cells[cells["status"] == "diverged"]
    assert len(rows) == 3
    assert rows[["auroc", "auroc_low", "auroc_high", "auroc_Edema"]].isna().all(axis=None)
    assert (rows["n_checkpoints"] == 0).all()
    assert (rows["n_patients"] == 160).all()


def test_a_missing_cell_is_named_and_has_no_number(cells: pd.DataFrame) -> None:
    rows = cells[cells["status"] == "missing"]
    assert list(rows["selection"]) == ["top3", "best", "last"]
    numbers = [name for name in cells if name.startswith(("auroc", "n_"))]
    assert rows[numbers].isna().all(axis=None)
    assert rows["params"].isna().all()


def test_csv_gives_back_every_number_and_every_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"name": ["NA", "nan", "a,b"], "x": rng.random(3) / 3, "y": [1, np.nan, 2]}
    )
    write_table(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), table, check_dtype=False)
    assert list(read_table(tmp_path / "t.csv")["x"]) == list(table["x"])


def test_several_processes_give_the_same_table(
    tree: fabricate.Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = bootstrap_table(tree.study, tree.results)
    monkeypatch.setattr(pool, "MANY", 1)
    pd.testing.assert_frame_equal(bootstrap_table(tree.study, tree.results, 2), alone)


def test_a_bootstrap_row_does_not_depend_on_its_company(
    tree: fabricate.Tree, tmp_path: Path
) -> None:
    evaluation = tree.study["evaluation"]
    paths = sorted((tree.results / "demo" / "ensemble").glob("*/top3/test.parquet"))[:3]
    whole = read_ensemble(paths[1])
    rows = {
        name: getattr(whole, name) for name in ("study_id", "patient_id", "probabilities", "labels")
    }
    fewer = {name: values[:-40] for name, values in rows.items()}
    write_ensemble(tmp_path / "fewer.parquet", replace(whole, **fewer))
    # As many studies, but other labels; and the same labels, but other patients.
    turned = {name: values[::-1] for name, values in rows.items()}
    write_ensemble(tmp_path / "labels.parquet", replace(whole, **turned))
    patients = {name: turned[name] for name in ("study_id", "patient_id")}
    write_ensemble(tmp_path / "patients.parquet", replace(whole, **patients))
    files = [*paths[:2], *sorted(tmp_path.glob("*.parquet")), paths[2]]
    some = tuple(fabricate.SCORE_TASKS)
    work = [(path.stem, path, some if number else None) for number, path in enumerate(files)]
    alone = [row for item in work for row in bootstrap_rows([item], evaluation)]
    together = bootstrap_rows(work, evaluation)
    assert [row["cell"] for row in together] == [path.stem for path in files]
    pd.testing.assert_frame_equal(pd.DataFrame(together), pd.DataFrame(alone), check_exact=True)


def test_patients_without_a_label_are_not_drawn(tree: fabricate.Tree, tmp_path: Path) -> None:
    path = min((tree.results / "demo" / "ensemble").glob("*/top3/test.parquet"))
    table = read_ensemble(path)
    twice = [
        np.concatenate([ids, np.char.add(ids[:9], "x")])
        for ids in (table.study_id, table.patient_id)
    ]
    more = replace(
        table,
        study_id=twice[0],
        patient_id=twice[1],
        probabilities=np.concatenate([table.probabilities, table.probabilities[:9]]),
        labels=np.concatenate([table.labels, np.full_like(table.labels[:9], np.nan)]),
    )
    write_ensemble(tmp_path / "more.parquet", more)
    work = [("one", path, None), ("one", tmp_path / "more.parquet", None)]
    rows = [bootstrap_rows([item], tree.study["evaluation"])[0] for item in work]
    for name in ("low", "high", "se", "delong_low", "delong_high"):
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-12, nan_ok=True)


def test_bootstrap_agrees_with_the_closed_form(tree: fabricate.Tree, cells: pd.DataFrame) -> None:
    table = bootstrap_table(tree.study, tree.results).set_index("cell")
    primary = cells[cells["selection"] == "top3"].set_index("cell")
    shared = table.index.intersection(primary.index[primary["auroc"].notna()])
    assert len(shared) == 22
    pd.testing.assert_series_equal(
        table.loc[shared, "auroc"], primary.loc[shared, "auroc"], check_exact=False, rtol=1e-12
    )
    width = table.loc[shared, "high"] - table.loc[shared, "low"]
    closed = primary.loc[shared, "auroc_high"] - primary.loc[shared, "auroc_low"]
    # The few positives of one task make the closed form the wider one.
    assert (width / closed).between(0.4, 1.3).all()
    delong = table.loc[shared, "delong_high"] - table.loc[shared, "delong_low"]
    assert (width / delong).between(0.7, 1.4).all()
    assert (table["delong_low"] >= 0).sum() == (table["delong_high"] <= 1).sum() == len(shared)
    diverged = table.loc[primary.index[primary["status"] == "diverged"]]
    assert diverged["low"].isna().all()
    assert (diverged["n_undefined"] == diverged["replicates"]).all()


def test_bootstrap_bounds_are_percentiles_of_replicates_drawn_from_the_seed(
    tree: fabricate.Tree,
) -> None:
    table = bootstrap_table(tree.study, tree.results)
    row = table[table["low"].notna()].iloc[0]
    path = tree.results / "demo" / "ensemble" / row["cell"] / "top3" / "test.parquet"
    units = pd.read_parquet(path)
    _, patient = np.unique(units["patient_id"], return_inverse=True)
    replicates = bootstrap_macro(
        units[[f"prob_{task}" for task in fabricate.SCORE_TASKS]].to_numpy()[None],
        units[[f"label_{task}" for task in fabricate.SCORE_TASKS]].to_numpy(),
        patient,
        200,
        np.random.default_rng(0),
    )
    bounds = np.nanquantile(replicates, [0.025, 0.975])
    assert row[["low", "high"]].tolist() == pytest.approx(bounds.tolist(), abs=1e-12)


def test_bootstrap_depends_on_the_studys_seed_alone(tree: fabricate.Tree) -> None:
    evaluation = tree.study["evaluation"]
    other = {
        **tree.study,
        "evaluation": {**evaluation, "bootstrap": {"replicates": 200, "seed": 1}},
    }
    first = bootstrap_table(tree.study, tree.results)
    pd.testing.assert_frame_equal(bootstrap_table(tree.study, tree.results), first)
    assert not bootstrap_table(other, tree.results)["low"].equals(first["low"])


def test_sources_say_whether_they_beat_chance(tree: fabricate.Tree, tmp_path: Path) -> None:
    table = sources_table(tree.study, tree.results)
    assert list(table.columns) == list(SOURCES)
    assert set(table["status"]) == {"finished"}
    assert len(table) == 4
    scores = np.load(tree.results / "cells" / table["cell"][0] / "scores" / "valid.npz")
    right, usual = [], []
    for t in range(len(fabricate.TASKS)):
        labels = scores["labels"][:, t]
        known = ~np.isnan(labels)
        right.append(accuracy_score(labels[known], scores["logits"][1, known, t] > 0))
        dummy = DummyClassifier().fit(labels[known], labels[known])
        usual.append(dummy.score(labels[known], labels[known]))
    assert table["valid_accuracy"][0] == pytest.approx(np.mean(right))
    assert table["chance_accuracy"][0] == pytest.approx(np.mean(usual))
    assert table["valid_auroc"][0] == 0.8  # that of the best checkpoint


def test_a_source_without_scores_is_missing(tree: fabricate.Tree, tmp_path: Path) -> None:
    entry = next(entry for entry in tree.study["cells"] if entry["role"] == "source")
    assert source_row(entry, tmp_path)["status"] == "missing"


def test_accuracy_over_classes_is_the_share_of_right_classes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    labels = np.eye(3, dtype=np.float32)[truth]
    prob = rng.random((60, 3))
    labels[7] = np.nan
    known = np.arange(60) != 7
    found = multiclass.accuracy(prob, labels)
    assert found == accuracy_score(truth[known], prob[known].argmax(axis=1))
    assert multiclass.chance(labels) == np.bincount(truth[known]).max() / 59
    assert np.isnan(multiclass.accuracy(prob[7:8], labels[7:8]))


def test_a_source_alone_makes_no_target_row(tree: fabricate.Tree) -> None:
    sources = [entry for entry in tree.study["cells"] if entry["role"] == "source"]
    study = {**tree.study, "cells": sources}
    assert len(tables.cells_table(study, tree.results)) == 0
    assert len(bootstrap_table(study, tree.results)) == 0


def test_every_task_of_every_scored_cell_has_its_auroc(
    tree: fabricate.Tree, cells: pd.DataFrame
) -> None:
    (declared,) = (table for table in TABLES if table.name == "scores")
    study = {**tree.study, "extra_metrics": [], "columns": {"scores": declared.header}}
    found = scores.analyse(study, tree.results, 1)["scores"]
    assert set(found["metric"]) == {"auroc"}
    wide = found.set_index(["cell", "selection", "task"])["value"].unstack("task")
    known = cells[cells["status"] != "missing"].set_index(["cell", "selection"])
    assert len(wide) == len(known)
    for task in ["", *fabricate.TASKS]:
        column = "_".join(filter(None, ["auroc", task]))
        pd.testing.assert_series_equal(
            wide[task].loc[known.index], known[column], check_names=False, check_exact=True
        )
