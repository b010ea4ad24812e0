"""agreement.csv against scikit-learn, scipy and textbook formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, jaccard_score

from transfergrid.catalog.alike import AGREEMENT
from transfergrid.evaluation.ensemble import Ensemble, write_ensemble
from transfergrid.planning.state_pairs import NOTHING, WEIGHTS
from transfergrid.reporting.tables.agreement import agreement_table
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError

CASES = 150
PATIENT = np.array([f"p{number // 3}" for number in range(CASES)])
TASKS = {"multilabel": ("edema", "fracture"), "multiclass": ("a", "b", "c")}


def labels_of(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "multiclass":
        return np.eye(3)[rng.integers(0, 3, CASES)]
    return (rng.random((CASES, 2)) < 0.4).astype(float)


def guesses(kind: str, seed: int) -> np.ndarray:
    labels = labels_of(kind)
    found = 1 / (
        1 + np.exp(-(2 * labels - 1 + np.random.default_rng(seed).normal(size=labels.shape)))
    )
    return found / found.sum(axis=1, keepdims=True) if kind == "multiclass" else found


CELLS = {
    "im-0": ("imagenet", "tune", 0),
    "im-1": ("imagenet", "tune", 1),
    "rad-0": ("radimagenet", "tune", 0),
    "none-0": ("random", "tune", 0),
    "none-1": ("random", "freeze", 0),
}


def study(results: Path, kind: str, diverged: str = "", other: str = "") -> dict[str, Any]:
    """Write ensembles of five cells of a place and one of another; return the stage's content."""
    card = {"task_kind": kind, "tasks": TASKS[kind], "score_tasks": TASKS[kind]}
    write_json(results / "cache" / "films-0" / "card.json", card)
    cells = []
    for seed, (name, (pretraining, protocol, number)) in enumerate(CELLS.items()):
        entry = {
            "cell": name,
            "role": "target",
            "dataset": "films",
            "dataset_id": "films-0",
            "architecture": "net",
            "truncation": 0,
            "pretraining": pretraining,
            "protocol": protocol,
            "seed": number,
        }
        cells.append(entry)
        ids = np.array([f"{'x' if name == other else 's'}{case}" for case in range(CASES)])
        values = guesses(kind, seed + 1)
        count = 1
        if name == diverged:
            values, count = np.full_like(values, np.nan), 0
        labels = labels_of(kind).astype(np.float32)
        table = Ensemble(ids, PATIENT, TASKS[kind], values, labels, count, CASES)
        write_ensemble(results / "s" / "ensemble" / name / "best" / "test.parquet", table)
    away = {**cells[0], "cell": "away", "truncation": 1}
    write_ensemble(results / "s" / "ensemble" / "away" / "best" / "test.parquet", table)
    return {
        "name": "s",
        "cells": [*cells, away],
        "compared": {
            name: NOTHING if name.startswith("none") else WEIGHTS for name in (*CELLS, "away")
        },
        "evaluation": {"primary": "best", "confidence": 0.95},
        "columns": {"agreement": list(AGREEMENT.header)},
    }


@pytest.mark.parametrize("kind", TASKS)
def test_measures_are_those_of_other_libraries(tmp_path: Path, kind: str) -> None:
    table = agreement_table(study(tmp_path, kind), tmp_path)
    truth, names = labels_of(kind), list(CELLS)
    assert set(table["task"]) == {"", *(TASKS[kind] if kind == "multilabel" else ())}
    for (left, right, task), rows in table.groupby(["left", "right", "task"]):
        sides = [guesses(kind, names.index(name) + 1) for name in (left, right)]
        if kind == "multiclass":
            said, known = [one.argmax(axis=1) for one in sides], truth.argmax(axis=1)
            rho = np.mean([spearmanr(sides[0][:, c], sides[1][:, c])[0] for c in range(3)])
        elif task:
            t = TASKS[kind].index(task)
            said, known = [one[:, t] > 0.5 for one in sides], truth[:, t] == 1
            rho = spearmanr(sides[0][:, t], sides[1][:, t])[0]
        else:
            continue
        right_or_not = [one == known for one in said]
        a, b = (one.mean() for one in right_or_not)
        found = rows.set_index("measure")
        value = found["value"]
        assert value["agreement"] == pytest.approx(np.mean(right_or_not[0] == right_or_not[1]))
        assert found.loc["agreement", "baseline"] == pytest.approx(a * b + (1 - a) * (1 - b))
        assert found.loc["agreement", "ceiling"] == pytest.approx(1 - abs(a - b))
        assert value["same_label"] == pytest.approx(np.mean(said[0] == said[1]))
        assert value["kappa"] == pytest.approx(cohen_kappa_score(*said))
        assert value["excess_agreement"] == pytest.approx(cohen_kappa_score(*right_or_not))
        wrong = [~one for one in right_or_not]
        assert value["error_overlap"] == pytest.approx(jaccard_score(*wrong))
        assert value["rank_correlation"] == pytest.approx(rho)
        assert ((found["low"] < value) & (value < found["high"])).all()
        assert (found["n"] == CASES).all() and (found["patients"] == CASES // 3).all()


def test_the_mean_over_tasks_is_that(tmp_path: Path) -> None:
    table = agreement_table(study(tmp_path, "multilabel"), tmp_path)
    for _, rows in table.groupby(["left", "right", "measure"]):
        by_task = rows.set_index("task")["value"]
        assert by_task[""] == pytest.approx(by_task[list(TASKS["multilabel"])].mean())


def test_every_pair_of_a_place_says_what_sets_it_apart(tmp_path: Path) -> None:
    table = agreement_table(study(tmp_path, "multilabel"), tmp_path)
    pairs = table.drop_duplicates(["left", "right"]).set_index(["left", "right"])["pair"]
    assert pairs.to_dict() == {
        ("im-0", "im-1"): "seeds",
        ("im-0", "rad-0"): "sources",
        ("none-0", "im-0"): "random",
        ("im-0", "none-1"): "several",
        ("im-1", "rad-0"): "several",
        ("im-1", "none-0"): "several",
        ("im-1", "none-1"): "several",
        ("none-0", "rad-0"): "random",
        ("rad-0", "none-1"): "several",
        ("none-0", "none-1"): "protocols",
    }


def test_a_diverged_cell_is_listed(tmp_path: Path) -> None:
    table = agreement_table(study(tmp_path, "multilabel", diverged="im-1"), tmp_path)
    lost = table[table["flags"] == "diverged"]
    assert len(lost) == 4 and lost["value"].isna().all()
    assert all("im-1" in pair for pair in zip(lost["left"], lost["right"], strict=True))
    assert pd.notna(table.loc[table["flags"] == "", "value"]).all()


def test_cells_scored_on_other_studies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="im-0 and im-1 were scored on other studies"):
        agreement_table(study(tmp_path, "multilabel", other="im-1"), tmp_path)
