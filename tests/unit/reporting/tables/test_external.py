"""Rows of external.csv of runs over folds, whose networks have all seen the same films."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from unit.statistics.crossed_study import TASKS, build

from transfergrid.catalog.external import EXTERNAL
from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.evaluation.external_files import External
from transfergrid.planning.metrics import built_in
from transfergrid.reporting.tables import external as module
from transfergrid.reporting.tables.scores import scores_table
from transfergrid.runtime.hashing import seeded

K, FILMS = 3, 120
BRIER = built_in("brier")


def there(cell: str, alike: bool) -> Ensemble:
    """Return what a cell says of other films: the same labels for all, scores of its own."""
    rng = np.random.default_rng(3)
    truth = (rng.random((FILMS, 2)) < (0.4, 0.25)).astype(np.float32)
    truth[rng.random(truth.shape) < 0.05] = np.nan
    own = np.random.default_rng(0 if alike else seeded(cell) % 2**32)
    logits = np.nan_to_num(truth) + own.normal(size=truth.shape)
    ids = np.array([f"s{row:03d}" for row in range(FILMS)])
    people = np.array([f"p{row // 2:03d}" for row in range(FILMS)])
    return Ensemble(ids, people, TASKS, 1 / (1 + np.exp(-logits)), truth, 1, FILMS)


def made(
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    alike: bool = False,
    tasks: tuple[str, ...] = TASKS,
    leaks: list[dict[str, Any]] | None = None,
    metric: str = "auroc",
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return external.csv of a cross-validated study, and what its stage is told."""
    study = build(results, K, networks=["small"])
    cells = [{**cell, "source_cell": None} for cell in study["cells"]]
    about = {"dataset": "other-0", "tested_on": "other", "split": "all", "tasks": None}
    study |= {
        "cells": cells,
        "columns": {"external": list(EXTERNAL.header)},
        "metrics": {**study["metrics"], "brier": BRIER},
        "primary_metric": {"films": metric},
        "extra_metrics": [],
        "externals": [{**about, "id": f"e-{c['cell']}", "cell": c["cell"]} for c in cells],
    }
    columns = [TASKS.index(task) for task in tasks]

    def read(name: str, results: Path) -> Any:
        fake: Any = type("Scores", (), {"task": np.array(tasks)})()
        return External(fake, {"synthetic": False, "patients": "unknown"}, ())

    def ensembles(found: External, folder: Path, selections: Any) -> dict[str, Ensemble]:
        one = there(folder.name, alike)
        few = {"probabilities": one.probabilities[:, columns], "labels": one.labels[:, columns]}
        return {name: replace(one, tasks=tasks, **few) for name in selections}

    monkeypatch.setattr(module, "read_external", read)
    monkeypatch.setattr(module, "external_ensembles", ensembles)
    header = ["dataset", "other_dataset", "n_equal", "n_near"]
    monkeypatch.setattr(
        module, "read_made_table", lambda folder, name: pd.DataFrame(leaks or [], columns=header)
    )
    return module.analyse(study, results, 1)["external"], study


@pytest.mark.parametrize("metric", ["auroc", "brier"])
def test_a_run_has_the_mean_of_its_folds_and_each_film_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    table, _ = made(tmp_path, monkeypatch, metric=metric)
    (run,) = {row for row in table["cell"] if "random" in row and "seed0-pooled" in row}
    cells = [f"films-small-random-seed0-fold{fold}" for fold in range(K)]
    score = roc_auc_score if metric == "auroc" else lambda y, p: np.mean((p - y) ** 2)
    for t, task in enumerate(TASKS):
        own = table[table["task"] == task].set_index("cell").to_dict("index")
        values = []
        for cell in cells:
            one = there(cell, False)
            known = ~np.isnan(one.labels[:, t])
            values.append(score(one.labels[known, t], one.probabilities[known, t]))
            assert own[cell]["value"] == pytest.approx(values[-1])
        row = own[run]
        assert row["fold"] == "all" and row["value"] == pytest.approx(np.mean(values))
        assert (row["n"], row["n_pos"]) == (int(known.sum()), int(np.nansum(one.labels[:, t])))
        sign = 1 if metric == "auroc" else -1
        assert row["drop"] == pytest.approx(sign * (row["internal"] - row["value"]))


def test_folds_that_say_the_same_are_no_surer_than_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Were patients counted once a fold, the run's interval would be narrower than a fold's.
    table, _ = made(tmp_path, monkeypatch, alike=True)
    place = ["metric", "task", "value", "low", "high", "n", "n_pos", "n_patients"]
    runs = table[table["fold"] == "all"].groupby("cell", sort=False)[place].first()
    one = table[table["fold"] == "0"].groupby("cell", sort=False)[place].first()
    for own, fold in zip(runs.to_dict("records"), one.to_dict("records"), strict=True):
        assert own == pytest.approx(fold, nan_ok=True)


def test_the_internal_mean_is_over_the_same_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, study = made(tmp_path, monkeypatch, tasks=(TASKS[1],))
    whole = table[table["task"] == ""]
    assert set(whole["mean_over"]) == {TASKS[1]} and set(table["task"]) == {"", TASKS[1]}
    scores = scores_table({**study, "columns": {"scores": SCORES}}, tmp_path)
    key = ["cell", "fold", "selection", "metric"]
    own = scores[scores["task"] == TASKS[1]]
    both = whole.merge(own, on=key, suffixes=("", "_own"))
    assert len(both) == len(whole)
    np.testing.assert_allclose(both["internal"], both["value_own"])


SCORES = [
    *("cell", "fold", "selection", "task", "metric", "value", "low", "high"),
    *("n", "n_pos", "n_patients", "threshold", "n_folds", "conditional_on", "flags"),
]


def test_films_that_may_have_been_learned_are_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak = {"dataset": "other", "other_dataset": "films", "n_equal": 0, "n_near": 2}
    table, _ = made(tmp_path, monkeypatch, leaks=[leak])
    assert table["flags"].str.startswith("patients_unknown").all()
    assert table["flags"].str.endswith("shared_films").all()
    unlike, _ = made(tmp_path / "b", monkeypatch, leaks=[{**leak, "n_near": 0}])
    assert not unlike["flags"].str.contains("shared_films").any()
