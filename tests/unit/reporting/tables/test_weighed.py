"""drift.csv, filters.csv and layer_reset.csv from made-up measurements, and cells without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from transfergrid.catalog.weighed import DRIFT, FILTERS, LAYER_RESET
from transfergrid.evaluation.scores import Scores, write_scores
from transfergrid.evaluation.weighing_files import RESETS, write_measured
from transfergrid.planning.metrics import built_in
from transfergrid.reporting.tables.drift import drift
from transfergrid.reporting.tables.filters import filters
from transfergrid.reporting.tables.layer_reset import layer_reset
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file

STUDIES, PATIENTS = 120, 60
RESET = [("", ""), ("stem", "initial"), ("block1", "initial"), ("head", "initial")]


def cell(name: str, **axes: Any) -> dict[str, Any]:
    place = {"dataset": "films", "architecture": "net", "pretraining": "imagenet", "truncation": 0}
    rest = {"protocol": "tune", "seed": 0, "role": "target", "dataset_id": "films-0"}
    return {"cell": name, **place, **rest, **axes}


def study(key: str, table: Any, cells: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "cells": cells,
        key: [{"id": f"w-{one['cell']}", "cell": one["cell"], **more} for one in cells],
        "evaluation": {"confidence": 0.95},
        "metrics": {"auroc": built_in("auroc")},
        "primary_metric": {"films": "auroc"},
        "columns": {table.name: list(table.header)},
    }


def folder_of(results: Path, name: str) -> Path:
    folder = results / "weighings" / f"w-{name}"
    folder.mkdir(parents=True)
    return folder


def nothing(results: Path, name: str, status: str, **more: Any) -> None:
    write_measured(folder_of(results, name), {"status": status, "files": {}, **more})


def moved(layer: str, group: str, flags: tuple[str, ...] = ()) -> dict[str, Any]:
    numbers = dict.fromkeys(("norm_start", "norm_change", "change", "cosine"), 0.5)
    return {"layer": layer, "group": group, "n": 7, **numbers, "flags": list(flags)}


def test_drift_has_every_layer_and_says_why_a_cell_has_none(tmp_path: Path) -> None:
    rows = [moved("stem", "all"), moved("block1", "all"), moved("block1", "bias", ("zero_start",))]
    rows += [moved("head", "all"), moved("body", "all")]
    rows[2] |= {"change": None, "cosine": None}
    nothing(tmp_path, "a", "finished", drift=rows)
    nothing(tmp_path, "b", "diverged", drift=[])
    nothing(tmp_path, "c", "start_lost", drift=[])
    cells = [cell("a"), cell("b", seed=1, fold="2"), cell("c", seed=2)]
    table = drift(study("drifts", DRIFT, cells), tmp_path, 1)["drift"]
    assert list(table.columns) == list(DRIFT.header)
    assert list(table["cell"]) == ["a"] * 5 + ["b", "c"]
    assert list(table["depth"].fillna(-1)) == [0, 1, 1, 2, -1, -1, -1]
    assert list(table["flags"]) == ["", "", "zero_start", "", "", "diverged", "start_lost"]
    assert pd.isna(table.loc[2, "change"]) and list(table["fold"])[-2:] == ["2", "all"]
    assert {flag.name for flag in DRIFT.flags} >= {"diverged", "start_lost", "zero_start"}


def filed(results: Path, name: str, before: np.ndarray, after: np.ndarray) -> None:
    folder = folder_of(results, name)
    np.savez(folder / "filters.npz", before=before, after=after)
    files = {"filters.npz": sha256_file(folder / "filters.npz")}
    write_measured(folder, {"status": "finished", "drift": [], "files": files})


def test_filters_are_compared_with_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    before = rng.standard_normal((4, 3, 5, 5)).astype(np.float32)
    after = before + rng.standard_normal(before.shape).astype(np.float32)
    after[1], after[2] = before[1] * 2 + 1, 0.25
    after[3, 0, 0, 0] = np.nan
    filed(tmp_path, "a", before, after)
    filed(tmp_path, "b", before, before)
    nothing(tmp_path, "c", "diverged", drift=[])
    nothing(tmp_path, "d", "finished", drift=[])
    cells = [cell("b", seed=1), cell("a", seed=0), cell("c", seed=2)]
    cells.append(cell("d", architecture="own"))
    table = filters(study("filters", FILTERS, cells), tmp_path, 1)["filters"]
    a = table[table["cell"] == "a"].set_index("filter")
    expected = stats.pearsonr(before[0].ravel(), after[0].ravel()).statistic
    assert a.loc[0, "correlation"] == pytest.approx(expected, abs=1e-6)
    change = np.linalg.norm(after[0] - before[0]) / np.linalg.norm(before[0])
    assert a.loc[0, "change"] == pytest.approx(change, rel=1e-5)
    assert a.loc[1, "correlation"] == pytest.approx(1, abs=1e-6)
    assert pd.isna(a.loc[2, "correlation"]) and a.loc[2, "change"] > 0
    assert list(a["flags"]) == ["", "", "", "not_finite"]
    grey = np.array(a.loc[0, "before"].split(), dtype=float).reshape(5, 5)
    np.testing.assert_allclose(grey, before[0].mean(axis=0), rtol=1e-3, atol=1e-4)
    b = table[table["cell"] == "b"]
    assert (b["correlation"] == 1).all() and (b["change"] == 0).all()
    assert b["before"].isna().all()  # seed 0 stands for the network
    flags = table.set_index("cell")["flags"]
    assert flags["c"] == "diverged" and flags["d"] == "no_convolution"


def scored(results: Path, name: str, not_finite: tuple[int, ...] = ()) -> Scores:
    """Write logits of variants: the stem is put back at no cost, the others at some, then all."""
    rng = np.random.default_rng(1)
    labels = (rng.random((STUDIES, 2)) < 0.4).astype(np.float32)
    patient = np.repeat([f"p{n}" for n in range(PATIENTS)], STUDIES // PATIENTS)
    noise = rng.standard_normal((2, STUDIES, 2))
    whole = 1.5 * labels + noise[0]
    worse = 0.7 * labels + noise[0] + 0.5 * noise[1]
    logits = np.stack([whole, whole, worse, noise[1]]).astype(np.float32)
    kept = [n for n in range(4) if n not in not_finite]
    ids = np.array([f"i{n}" for n in range(STUDIES)])
    scores = Scores(
        logits=logits[kept],
        labels=labels,
        image_id=ids,
        study_id=ids,
        patient_id=patient,
        task=np.array(["x", "y"]),
        step=np.arange(len(kept), dtype=np.int64),
        valid_score=np.full(len(kept), np.nan),
        task_kind="multilabel",
        aggregate="max",
    )
    folder = folder_of(results, name)
    write_scores(folder / RESETS, scores)
    done = {"variants": RESET, "not_finite": [RESET[n] for n in not_finite]}
    files = {RESETS: sha256_file(folder / RESETS)}
    write_measured(folder, {"status": "finished", **done, "files": files})
    return scores


def resets(results: Path, cells: list[dict[str, Any]], **more: Any) -> pd.DataFrame:
    content = study("resets", LAYER_RESET, cells, images="test", to=["initial"])
    table = layer_reset({**content, **more}, results, 1)["layer_reset"]
    assert list(table.columns) == list(LAYER_RESET.header)
    return table


def test_a_layer_put_back_is_compared_with_the_untouched_network(tmp_path: Path) -> None:
    scores = scored(tmp_path, "a")
    nothing(tmp_path, "b", "start_lost", variants=[], not_finite=[])
    table = resets(tmp_path, [cell("a"), cell("b", seed=1)])
    assert list(table["layer"].fillna("-")) == ["", "stem", "block1", "head", "-"]
    areas = [
        np.mean([roc_auc_score(scores.labels[:, t], logits[:, t]) for t in range(2)])
        for logits in scores.logits
    ]
    rows = table.iloc[:4]
    np.testing.assert_allclose(rows["score"], areas, atol=1e-12)
    assert (rows["score_low"] < rows["score"]).all() and (rows["score"] < rows["score_high"]).all()
    np.testing.assert_allclose(rows["difference"][1:], np.array(areas[1:]) - areas[0], atol=1e-12)
    assert pd.isna(rows["difference"].iloc[0])
    # The same numbers whoever the patients are, so that nothing can vary.
    same = rows.iloc[1]
    assert same["difference"] == same["difference_low"] == same["difference_high"] == 0
    assert (rows["difference_high"][2:] < 0).all()
    assert list(rows["depth"].fillna(-1)) == [-1, 0, 1, 2]
    assert set(rows["n"]) == {STUDIES} and set(rows["n_patients"]) == {PATIENTS}
    assert table.iloc[4]["flags"] == "start_lost" and set(rows["split"]) == {"test"}


def test_the_interval_is_that_of_patients_drawn_again(tmp_path: Path) -> None:
    scores = scored(tmp_path, "a")
    row = resets(tmp_path, [cell("a")]).iloc[2]
    rng, drawn = np.random.default_rng(2), []
    of_patient = np.arange(STUDIES).reshape(PATIENTS, -1)
    for _ in range(300):
        rows = of_patient[rng.integers(0, PATIENTS, PATIENTS)].ravel()
        areas = [
            np.mean([roc_auc_score(scores.labels[rows, t], z[rows, t]) for t in range(2)])
            for z in (scores.logits[2], scores.logits[0])
        ]
        drawn.append(areas[0] - areas[1])
    arm = (row["difference_high"] - row["difference_low"]) / 2
    assert arm == pytest.approx(1.99 * np.std(drawn), rel=0.2)


def test_scores_that_are_no_numbers_are_flagged(tmp_path: Path) -> None:
    scored(tmp_path, "a", not_finite=(2,))
    table = resets(tmp_path, [cell("a")])
    assert list(table["flags"]) == ["", "", "not_finite", ""]
    assert pd.isna(table["score"].iloc[2]) and table["score"].drop(2).notna().all()


def test_a_metric_with_an_operating_point_has_no_value(tmp_path: Path) -> None:
    scored(tmp_path, "a")
    metric = built_in("balanced_accuracy")
    more = {"metrics": {"own": metric}, "primary_metric": {"films": "own"}}
    table = resets(tmp_path, [cell("a")], **more)
    assert set(table["flags"]) == {"no_threshold"} and table["score"].isna().all()


def test_a_missing_measurement_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"w-a/receipt\.json is missing"):
        resets(tmp_path, [cell("a")])
