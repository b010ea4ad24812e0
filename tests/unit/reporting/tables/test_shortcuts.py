"""shortcuts.csv, against scikit-learn, and of real films whose view alone says something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from unit.reporting.grouped_study import ASKED, films, scored, study

from transfergrid.data.columns import read_grouped
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.paths import ensemble_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.reporting.tables.shortcuts import TOGETHER, analyse
from transfergrid.runtime.hashing import canonical_json
from transfergrid.statistics.shortcuts import probabilities

REAL = Path(__file__).resolve().parents[5] / "shared/data/classification/nih14_mini"


def told(made: PlannedStudy, table: pd.DataFrame, results: Path) -> dict[str, Any]:
    scored(made, table, results)
    content: dict[str, Any] = json.loads(canonical_json(made.content("shortcuts")))
    return content


def test_probes_and_networks_are_scored_on_the_same_films(tmp_path: Path) -> None:
    table = films()
    made = study(tmp_path, table)
    found = analyse(told(made, table, tmp_path / "results"), tmp_path / "results", 1)["shortcuts"]
    assert set(found["column"]) == {"sex", "age", "view", TOGETHER}
    rows = found[found["pretraining"] == "random"].set_index(["column", "task"])
    learned, tested = table[table["part"] != "test"], table[table["part"] == "test"]
    for column in ("sex", "view"):
        words = sorted(table[column].unique())
        x, y = (part[[column]].to_numpy() == np.array(words) for part in (learned, tested))
        model = LogisticRegression(tol=1e-10, max_iter=10000).fit(x, learned["mass"])
        area = roc_auc_score(tested["mass"], model.predict_proba(y)[:, 1])
        row = rows.loc[(column, "mass")]
        assert row["shortcut"] == pytest.approx(area)
        assert row["shortcut_low"] < area < row["shortcut_high"]
        assert (row["n"], row["n_learned"]) == (len(tested), len(learned))
    assert rows.loc[("view", "mass"), "shortcut_low"] > 0.5
    cells = [c.name for c in made.targets if c.point.pretraining == "random"]
    areas = []
    for cell in cells:
        place = ensemble_directory(made.name, cell, "best", tmp_path / "results")
        one = read_ensemble(place / "test.parquet")
        areas.append(roc_auc_score(one.labels[:, 0], one.probabilities[:, 0]))
    row = rows.loc[("view", "mass")]
    assert row["network"] == pytest.approx(np.mean(areas)) and row["n_seeds"] == 2
    assert row["difference"] == pytest.approx(row["network"] - row["shortcut"])
    assert row["low"] < row["difference"] < row["high"]
    # Of one column that holds the other's groups as well, all together can know no less.
    assert rows.loc[(TOGETHER, "mass"), "shortcut"] > rows.loc[("sex", "mass"), "shortcut"]
    mean = rows.loc[[("view", "mass"), ("view", "node")], "shortcut"].mean()
    assert rows.loc[("view", ""), "shortcut"] == pytest.approx(mean)


def test_with_folds_nothing_is_learned_from_a_tested_patient(tmp_path: Path) -> None:
    table = films(90, seed=7)
    table = table.assign(fold=(table["patient"].str[1:].astype(int) % 3).astype(str))
    made = study(tmp_path, table, ASKED[2:], folds={"k": 3, "column": "fold"})
    found = analyse(told(made, table, tmp_path / "results"), tmp_path / "results", 1)["shortcuts"]
    areas = []
    for fold in ("0", "1", "2"):
        learned, tested = table[table["fold"] != fold], table[table["fold"] == fold]
        rates = learned.groupby("view")["mass"].mean()
        areas.append(roc_auc_score(tested["mass"], tested["view"].map(rates)))
    rows = found[found["task"] == "mass"]
    assert np.allclose(rows["shortcut"], np.mean(areas)) and (rows["n_folds"] == 3).all()
    assert (rows["n_learned"] == 120).all() and set(rows["column"]) == {"view"}


@pytest.mark.skipif(not REAL.is_dir(), reason="needs nih14_mini of shared/data")
def test_the_view_of_real_films_says_something_of_pneumonia() -> None:
    asked = [{"column": "view"}]
    settings = {"kind": "nih14", "split": "random"}
    found = read_grouped(settings, REAL, asked)
    view = found.columns["view"]
    codes = (view.group == "AP").astype(np.int64)[:, None]
    labels = found.labels[:, found.tasks.index("pneumonia")]
    split = pd.read_csv(REAL / "splits.csv").set_index("image")
    parts = split.loc[found.study_id, "split_patient"].to_numpy()
    assert (split.loc[found.study_id, "pneumonia"].to_numpy() == labels).all()
    test = parts == "test"
    answers = probabilities(codes[~test], labels[~test], codes[test], [2])
    assert answers is not None
    areas = roc_auc_score(labels[test], answers), roc_auc_score(labels, codes[:, 0])
    # Which of the two is published with the films is not said there.
    assert 0.595 in [round(area, 3) for area in areas], areas
