"""subgroups.csv and subgroup_gaps.csv, against scikit-learn and a bootstrap of patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from unit.reporting.grouped_study import ASKED, TASKS, films, scored, study

from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.grouped_scores import adjusted_once
from transfergrid.reporting.tables.subgroups import LARGEST, REST, analyse
from transfergrid.statistics.multiplicity import holm

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grouped")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return films()


@pytest.fixture(scope="module")
def told(folder: Path, table: pd.DataFrame) -> dict[str, Any]:
    return scored(study(folder, table), table, folder / "results")


@pytest.fixture(scope="module")
def tables(folder: Path, told: dict[str, Any]) -> Tables:
    return analyse(told, folder / "results", 1)


def said(folder: Path, told: dict[str, Any], table: pd.DataFrame, cell: str) -> pd.DataFrame:
    """Return the test films with what a cell says of them."""
    place = ensemble_directory(told["name"], cell, "best", folder / "results")
    found = read_ensemble(place / "test.parquet")
    rows = table.set_index("image").loc[found.study_id].copy()
    for t, task in enumerate(TASKS):
        rows[f"p_{task}"] = found.probabilities[:, t]
    return rows.assign(years=rows["age"].str[:3].astype(int))


def test_each_group_of_each_cell_has_scikit_learns_value(
    folder: Path, told: dict[str, Any], table: pd.DataFrame, tables: Tables
) -> None:
    rows = tables["subgroups"]
    cell = rows["cell"].dropna().iloc[0]
    seen = said(folder, told, table, cell)
    masks = {
        ("sex", "F"): seen["sex"] == "F",
        ("sex", "M"): seen["sex"] == "M",
        ("sex", "unknown"): seen["sex"] == "",
        ("age", "40 to under 60"): seen["years"].between(40, 59),
        ("age", "60 and over"): seen["years"] >= 60,
        ("view", "AP"): seen["view"] == "AP",
    }
    own = rows[(rows["cell"] == cell) & (rows["metric"] == "auroc")]
    own = own.set_index(["column", "group", "task"])
    for (column, group), mask in masks.items():
        part = seen[mask]
        for task in TASKS:
            row = own.loc[(column, group, task)]
            area = roc_auc_score(part[task], part[f"p_{task}"])
            assert row["value"] == pytest.approx(area, abs=1e-12)
            assert row["low"] < area < row["high"]
            assert (row["n"], row["n_pos"]) == (len(part), part[task].sum())
            assert row["n_patients"] == part["patient"].nunique()
        both = own.loc[[(column, group, task) for task in TASKS], "value"].mean()
        assert own.loc[(column, group, ""), "value"] == pytest.approx(both)


def test_a_group_without_a_value_keeps_its_row_and_its_counts(tables: Tables) -> None:
    rows = tables["subgroups"]
    young = rows[(rows["group"] == "under 40") & (rows["metric"] == "auroc")]
    node = young[young["task"] == "node"]
    assert len(node) == 2 * (2 + 1)  # two networks, each of two seeds and a mean
    assert node["value"].isna().all() and node["low"].isna().all()
    assert (node["n"] > 0).all() and (node["n_pos"] == 0).all()
    assert node["flags"].str.contains("single_class").all()
    assert young.loc[young["task"] == "", "value"].isna().all()
    assert young.loc[young["task"] == "mass", "value"].notna().all()
    gaps = tables["subgroup_gaps"]
    own = gaps[(gaps["column"] == "age") & (gaps["metric"] == "auroc")].set_index("task")
    assert (own.loc["node", "n_undefined"] == 1).all() and (own.loc["node", "n_groups"] == 2).all()
    assert (own.loc["mass", "n_undefined"] == 0).all()


def test_means_over_seeds_hold_the_seeds(tables: Tables) -> None:
    rows = tables["subgroups"]
    key = ["pretraining", "metric", "task", "column", "group"]
    single, mean = rows[rows["cell"].notna()], rows[rows["cell"].isna()].set_index(key)
    assert (mean["n_seeds"][mean["value"].notna()] == 2).all()
    averages = single.groupby(key)[["value", "low", "high"]].mean()
    averages = averages.dropna()
    mean = mean.loc[averages.index]
    assert len(mean) and np.allclose(averages["value"], mean["value"])
    assert (mean["low"] <= averages["low"] + 1e-12).all()
    assert (mean["high"] >= averages["high"] - 1e-12).all()


def test_gaps_are_between_the_groups_named(tables: Tables) -> None:
    rows, gaps = tables["subgroups"], tables["subgroup_gaps"]
    key = ["pretraining", "metric", "task", "column"]
    means = rows[rows["cell"].isna() & (rows["group"] != "unknown")].dropna(subset=["value"])
    largest = gaps[gaps["comparison"] == LARGEST].set_index(key)
    for where, part in means.groupby(key):
        row = largest.loc[where]
        assert row["difference"] == pytest.approx(part["value"].max() - part["value"].min())
        assert row["value_a"] == part["value"].max() and row["value_b"] == part["value"].min()
        assert part.set_index("group").loc[row["a"], "value"] == row["value_a"]
    # Two groups are compared once; of three, each with the others as well.
    counts = gaps[gaps["comparison"] == REST].groupby("column").size()
    assert set(counts.index) == {"age"}
    sex = largest.loc[("random", "auroc", "", "sex")]
    assert (sex["a"], sex["b"]) == ("F", "M") and sex["difference"] > 0.1


def test_who_is_on_both_sides_is_counted(table: pd.DataFrame, tables: Tables) -> None:
    gaps = tables["subgroup_gaps"]
    both = gaps[(gaps["metric"] == "auroc") & (gaps["task"] == "mass")].groupby("column")
    shared = both["patients_both"].max()
    tested = table[table["part"] == "test"]
    views = tested.groupby("patient")["view"].nunique()
    assert shared["sex"] == shared["age"] == 0
    assert shared["view"] == (views == 2).sum() > 10


def test_the_error_of_a_gap_is_that_of_a_bootstrap_of_patients(tmp_path: Path) -> None:
    table = films(1200, seed=9)
    made = study(tmp_path, table, seeds=(0,))
    told = scored(made, table, tmp_path / "results")
    gaps = analyse(told, tmp_path / "results", 1)["subgroup_gaps"]
    gaps = gaps[(gaps["pretraining"] == "random") & (gaps["metric"] == "auroc")]
    seen = said(tmp_path, told, table, made.targets[0].name)
    assert made.targets[0].point.pretraining == "random"
    patients = seen["patient"].unique()
    of = {p: np.flatnonzero(seen["patient"] == p) for p in patients}
    rng = np.random.default_rng(0)
    for column in ("sex", "view"):
        row = gaps[(gaps["task"] == "mass") & (gaps["column"] == column)].iloc[0]
        drawn = []
        for _ in range(300):
            part = seen.iloc[np.concatenate([of[p] for p in rng.choice(patients, len(patients))])]
            sides = (part[part[column] == row[side]] for side in "ab")
            a, b = (roc_auc_score(side["mass"], side["p_mass"]) for side in sides)
            drawn.append(a - b)
        ratio = (row["high"] - row["low"]) / 2 / (1.96 * np.std(drawn))
        assert 0.88 < ratio < 1.15
        assert row["conditional_on"] == "conditional on this seed"


def test_p_values_are_adjusted_over_the_table(tables: Tables) -> None:
    gaps = tables["subgroup_gaps"]
    assert gaps["task"].dropna().nunique() > 1
    assert np.allclose(gaps["p_adjusted"], holm(gaps["p"]), equal_nan=True)
    apart = (gaps["low"] > 0) | (gaps["high"] < 0)
    assert ((gaps["p"] < 0.05) == apart)[gaps["p"].notna()].all() and apart.any()


def test_the_row_of_a_single_task_is_that_of_the_mean_and_counts_once() -> None:
    place = {"architecture": "net", "pretraining": "random", "truncation": 0, "protocol": "p"}
    rows = [
        {**place, "dataset": dataset, "task": task, "column": column, "p": p}
        for dataset, task, column, p in (
            ("one", "", "sex", 0.01),
            ("one", "mass", "sex", 0.01),
            ("one", "", "view", 0.04),
            ("one", "mass", "view", 0.04),
            ("two", "", "sex", 0.02),
            ("two", "mass", "sex", 0.03),
            ("two", "edema", "sex", 0.5),
        )
    ]
    found = [row["p_adjusted"] for row in adjusted_once(rows, "column")]
    one, view, *two = holm([0.01, 0.04, 0.02, 0.03, 0.5])
    assert found == pytest.approx([one, one, view, view, *two])


def test_several_processes_give_the_same_tables(
    folder: Path, told: dict[str, Any], tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MANY", 1)
    again = analyse(told, folder / "results", 2)
    for name, own in tables.items():
        pd.testing.assert_frame_equal(again[name], own)


def test_folds_are_pooled_as_scores_are(tmp_path: Path) -> None:
    table = films(120, seed=3)
    number = table["patient"].str[1:].astype(int) % 3
    table = table.assign(fold=number.astype(str))
    made = study(tmp_path, table, ASKED[:1], folds={"k": 3, "column": "fold"})
    found = analyse(scored(made, table, tmp_path / "results"), tmp_path / "results", 1)
    rows = found["subgroups"].query("metric == 'auroc' and task == 'mass' and group == 'F'")
    assert rows["cell"].dropna().str.endswith("-pooled").all() and (rows["n_folds"] == 3).all()
    run = made.targets[0].point
    own = [c for c in made.targets if (c.point.pretraining, c.point.seed) == (run.pretraining, 0)]
    values = []
    for cell in own:
        place = ensemble_directory(made.name, cell.name, "best", tmp_path / "results")
        one = read_ensemble(place / "test.parquet")
        women = (table.set_index("image").loc[one.study_id, "sex"] == "F").to_numpy()
        values.append(roc_auc_score(one.labels[women, 0], one.probabilities[women, 0]))
    row = rows[(rows["pretraining"] == run.pretraining) & (rows["seed"] == 0)].iloc[0]
    assert row["value"] == pytest.approx(np.mean(values))
    assert found["subgroup_gaps"]["conditional_on"].str.contains("one division into 3 folds").all()


def test_a_group_without_a_test_film_has_a_row(tmp_path: Path) -> None:
    table = films(60, seed=5)
    table.loc[table["part"] == "train", "sex"] = "X"
    found = analyse(
        scored(study(tmp_path, table, ASKED[:1]), table, tmp_path / "results"),
        tmp_path / "results",
        1,
    )["subgroups"]
    rows = found[found["group"] == "X"]
    assert len(rows) == 2 * 3 * 2 * 3  # networks, seeds and their mean, metrics, tasks
    assert (rows["n"] == 0).all() and rows["value"].isna().all()
    assert rows["flags"].eq("no_case").all()
