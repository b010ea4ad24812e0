from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from unit.reporting import fabricate

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.cells import cells_table
from transfergrid.reporting.tables.files import read_table, write_table
from transfergrid.reporting.tables.scored import score
from transfergrid.reporting.tables.scores import scores_table
from transfergrid.runtime.errors import UserError


@pytest.fixture(scope="module")
def scores(tree: fabricate.Tree, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("tables") / "scores.csv"
    write_table(scores_table(tree.study, tree.results), path)
    return read_table(path)


def test_columns_are_those_of_the_contract_in_order(scores: pd.DataFrame) -> None:
    contract = (
        "cell, fold, selection, task, metric, value, low, high, n, n_pos, n_patients, threshold, "
        "n_folds, conditional_on, flags"
    )
    assert list(scores.columns) == contract.split(", ")


def test_every_task_of_every_scored_cell_and_selection_has_a_row(
    tree: fabricate.Tree, scores: pd.DataFrame
) -> None:
    cells = cells_table(tree.study, tree.results)
    scored = cells[cells["status"] != "missing"][["cell", "selection"]]
    keys = scores[["cell", "selection"]].drop_duplicates()
    assert keys.to_numpy().tolist() == scored.to_numpy().tolist()
    for _, rows in scores.groupby(["cell", "selection", "metric"]):
        assert rows["task"].isna().tolist() == [True] + [False] * len(fabricate.TASKS)
        assert list(rows["task"][1:]) == fabricate.TASKS


def test_values_are_scikit_learns_from_the_scores(
    tree: fabricate.Tree, scores: pd.DataFrame
) -> None:
    rows = scores[scores["selection"] == "top3"]
    cell = next(name for name in rows["cell"] if "resnet18" in name)
    rows = rows[rows["cell"] == cell].set_index("task")
    kept = np.load(tree.results / "cells" / cell / "scores" / "test.npz")
    prob = expit(kept["logits"][-3:].astype(float)).mean(axis=0)
    for t, task in enumerate(fabricate.SCORE_TASKS):
        known = ~np.isnan(kept["labels"][:, t])
        area = roc_auc_score(kept["labels"][known, t], prob[known, t])
        row = rows.loc[task]
        assert row["value"] == pytest.approx(area, abs=1e-9)
        assert row["low"] < row["value"] < row["high"]
        assert (row["n"], row["n_pos"]) == (known.sum(), (kept["labels"][:, t] == 1).sum())
        assert row["n_patients"] == len(set(kept["patient_id"][known]))
    assert np.isnan(rows.loc["Fracture", "value"])
    assert rows.loc["Fracture", "flags"] == "synthetic;single_class"
    assert "few_positives" in rows.loc["Consolidation", "flags"].split(";")


def test_the_mean_is_the_score_of_the_table_of_cells(
    tree: fabricate.Tree, scores: pd.DataFrame
) -> None:
    means = scores[scores["task"].isna()].set_index(["cell", "selection"])
    cells = cells_table(tree.study, tree.results).set_index(["cell", "selection"])
    cells = cells[cells["status"] != "missing"]
    for mine, theirs in (("value", "score"), ("low", "score_low"), ("high", "score_high")):
        pd.testing.assert_series_equal(
            means[mine], cells[theirs], check_names=False, check_exact=True
        )


def test_several_processes_give_the_same_tables(
    tree: fabricate.Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = scores_table(tree.study, tree.results)
    monkeypatch.setattr(gathering, "MANY", 1)
    pd.testing.assert_frame_equal(scores_table(tree.study, tree.results, 2), alone)


def test_tasks_that_are_not_in_the_mean_are_scored_all_the_same(tree: fabricate.Tree) -> None:
    path = min((tree.results / "demo" / "ensemble").glob("*/top3"))
    table = read_ensemble(path / "test.parquet")
    metric = built_in("auroc")
    cases = Cases(
        table.probabilities,
        table.labels,
        table.patient_id,
        table.tasks,
        tuple(fabricate.SCORE_TASKS),
    )
    parts, mean = Scorer.of(metric).intervals(cases)
    found = score(table, tuple(fabricate.SCORE_TASKS), metric, 0.05, path)
    assert found.whole == mean
    assert repr(list(found.tasks.values())) == repr(parts)  # NaN is not equal to itself
    few = score(table, tuple(fabricate.SCORE_TASKS), metric, 0.05, path, scored_only=True)
    assert few.whole == mean
    assert list(few.tasks) == fabricate.SCORE_TASKS


def test_mistakes_are_named(tmp_path: Path) -> None:
    ids, values = np.array(["a", "a"]), np.zeros((2, 1))
    table = Ensemble(ids, ids, ("A",), values, values.astype(np.float32), 1, 2)
    metric = built_in("auroc")
    other = replace(table, study_id=np.array(["a", "b"]))
    with pytest.raises(UserError, match="score_tasks names Z"):
        score(other, ("Z",), metric, 0.05, tmp_path)
    with pytest.raises(UserError, match="appears twice"):
        score(table, None, metric, 0.05, tmp_path)
