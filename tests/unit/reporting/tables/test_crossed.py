"""The rows of a run over its folds, against those of its cells and scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from unit.statistics.crossed_study import COST, FILMS, PATIENTS, SEEDS, TASKS, build

from transfergrid.catalog.stages import STAGE
from transfergrid.catalog.tables import TABLES
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble, write_ensemble
from transfergrid.reporting.tables import crossed, score_rows, scored
from transfergrid.reporting.tables.bootstrap import bootstrap_table
from transfergrid.reporting.tables.calibration import calibration_table
from transfergrid.reporting.tables.cells import cells_table
from transfergrid.reporting.tables.scores import scores_table

K = 3
RUN = "films-small-random-drop0-p-seed0-pooled"
CELLS = [f"films-small-random-seed0-fold{fold}" for fold in range(K)]


def whole(results: Path, **changes: Any) -> dict[str, Any]:
    """Return a study of one network as the stamps of the tables hold it."""
    study = build(results, K, networks=["small"], **changes)
    columns = {table.name: list(table.header) for table in TABLES}
    return {**study, "columns": columns, "extra_metrics": []}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    results = tmp_path_factory.mktemp("crossed")
    return whole(results), results


@pytest.fixture(scope="module")
def cells(made: tuple[dict[str, Any], Path]) -> pd.DataFrame:
    return cells_table(held(made[0], "cells"), made[1])


def held(study: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return what the stamp of a stage holds of a study, and no more."""
    found = {key: study[key] for key in ("name", "cells", "columns")}
    for key in STAGE[stage].holds:
        part, _, setting = key.partition(".")
        if setting:
            found.setdefault(part, {})[setting] = study[part][setting]
        else:
            found |= {name: study[name] for name in METRICS[key]}
    return found


METRICS = {
    "primary_metrics": ("metrics", "primary_metric"),
    "all_metrics": ("metrics", "primary_metric", "extra_metrics"),
}
"""Keys of a study by what a stage calls them."""


def area(results: Path, cell: str, task: str) -> float:
    frame = pd.read_parquet(results / f"s/ensemble/{cell}/best/test.parquet")
    known = frame[frame[f"label_{task}"].notna()]
    return float(roc_auc_score(known[f"label_{task}"], known[f"prob_{task}"]))


def test_the_row_of_a_run_stands_above_those_of_its_folds(
    made: tuple[dict[str, Any], Path], cells: pd.DataFrame
) -> None:
    assert list(cells["cell"][: K + 1]) == [RUN, *CELLS]
    assert list(cells["fold"][: K + 1]) == ["all", "0", "1", "2"]
    assert (cells["fold"] == "all").sum() == 2 * len(SEEDS)
    run, folds = cells.iloc[0], cells.iloc[1 : K + 1]
    for axis in ("dataset", "architecture", "pretraining", "truncation", "protocol", "seed"):
        assert {run[axis], *folds[axis]} == {run[axis]}
    assert (run["status"], run["n_patients"]) == ("finished", PATIENTS)
    assert (run["n_studies"], run["n_images"]) == (PATIENTS * FILMS, PATIENTS * FILMS)
    assert run["train_seconds"] == K * COST["train_seconds"]
    assert (run["device"], run["micro_batch"]) == ("cpu", 8)
    areas = [[area(made[1], cell, task) for task in TASKS] for cell in CELLS]
    assert run["score"] == pytest.approx(np.mean(areas), abs=1e-12)
    assert run["score"] == pytest.approx(folds["score"].mean(), abs=1e-12)
    widths = folds["score_high"] - folds["score_low"]
    assert run["score_high"] - run["score_low"] < widths.min()


def test_scores_have_the_folds_behind_each_value(made: tuple[dict[str, Any], Path]) -> None:
    found = scores_table(held(made[0], "scores"), made[1])
    run = found[found["cell"] == RUN].set_index("task")
    assert list(run.index) == ["", *TASKS] and set(run["n_folds"]) == {K}
    assert set(run["conditional_on"]) == {"one division into 3 folds"}
    for task in TASKS:
        expected = np.mean([area(made[1], cell, task) for cell in CELLS])
        assert run.loc[task, "value"] == pytest.approx(expected, abs=1e-12)
        own = found[found["cell"].isin(CELLS) & (found["task"] == task)]
        assert run.loc[task, "n_pos"] == own["n_pos"].sum()
        assert own["n_folds"].isna().all()


def test_scores_read_each_ensemble_once(
    made: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[Path] = []

    def read(path: Path) -> Ensemble:
        files.append(path)
        return read_ensemble(path)

    for module in (score_rows, crossed, scored):
        monkeypatch.setattr(module, "read_ensemble", read)
    found = scores_table(held(made[0], "scores"), made[1])
    assert {"all", "0", "1", "2"} == {*found["fold"]}
    assert files and len(files) == len({*files})


def test_a_fold_without_a_class_is_named_in_both_tables(tmp_path: Path) -> None:
    study = whole(tmp_path, one_class=1)
    run = cells_table(study, tmp_path).iloc[0]
    assert "without_fold_1:fracture" in run["flags"].split(";")
    assert np.isfinite(run["score"])
    found = scores_table(study, tmp_path)
    row = found[(found["cell"] == RUN) & (found["task"] == "fracture")].iloc[0]
    assert (row["n_folds"], "without_fold_1" in row["flags"].split(";")) == (2, True)
    expected = np.mean([area(tmp_path, CELLS[fold], "fracture") for fold in (0, 2)])
    assert row["value"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("how", ["missing", "diverged"])
def test_a_run_is_finished_when_all_its_folds_are(tmp_path: Path, how: str) -> None:
    study = whole(tmp_path)
    path = tmp_path / f"s/ensemble/{CELLS[1]}/best/test.parquet"
    if how == "missing":
        path.unlink()
    else:
        one = read_ensemble(path)
        one.probabilities[:] = np.nan
        write_ensemble(path, one)
        train = tmp_path / "cells" / CELLS[1] / "train.json"
        diverge(train)
    cells = cells_table(study, tmp_path).set_index("cell")
    assert cells.loc[RUN, "status"] == how
    assert np.isnan(cells.loc[RUN, "score"]) and np.isfinite(cells.loc[CELLS[0], "score"])
    other = cells[(cells["fold"] == "all") & (cells["seed"] == 1)]
    assert set(other["status"]) == {"finished"}
    found = calibration_table(study, cells_table(study, tmp_path), tmp_path)
    assert set(found["n_cells"]) == {1}  # seeds that both pretrainings have


def diverge(train: Path) -> None:
    from transfergrid.runtime.sealed import read_sealed, write_sealed

    told = {key: value for key, value in read_sealed(train, "").items() if key != "seal"}
    write_sealed(train, {**told, "status": "diverged"})


def test_the_bootstrap_of_a_run_agrees_with_its_closed_form(
    made: tuple[dict[str, Any], Path], cells: pd.DataFrame
) -> None:
    table = bootstrap_table(held(made[0], "bootstrap"), made[1]).set_index("cell")
    run = table.loc[RUN]
    assert run["fold"] == "all" and list(table.loc[CELLS, "fold"]) == [str(f) for f in range(K)]
    assert run["score"] == cells.iloc[0]["score"]
    closed = (run["delong_high"] - run["delong_low"]) / 2 / 1.96
    assert run["se"] == pytest.approx(closed, rel=0.2)
    assert run["se"] < table.loc[CELLS, "se"].min()
    assert run["n_patients"] == PATIENTS and "each fold" in run["method"]


def test_calibration_puts_the_cases_of_all_folds_together(
    made: tuple[dict[str, Any], Path], cells: pd.DataFrame
) -> None:
    found = calibration_table(held(made[0], "calibration"), cells, made[1])
    assert set(found["n_patients"]) == {PATIENTS}
    assert set(found["n_cells"]) == {len(SEEDS)}
    known = 0
    for cell in CELLS:
        frame = pd.read_parquet(made[1] / f"s/ensemble/{cell}/best/test.parquet")
        known += frame[[f"label_{task}" for task in TASKS]].notna().to_numpy().sum()
    assert set(found["n_cases"]) == {len(SEEDS) * known}
    assert set(found["n_studies"]) == {PATIENTS * FILMS}


def test_calibration_sets_each_task_beside_its_own_probabilities(
    made: tuple[dict[str, Any], Path], cells: pd.DataFrame
) -> None:
    found = calibration_table(held(made[0], "calibration"), cells, made[1])
    for pretraining, rows in found.groupby("pretraining"):
        files = sorted((made[1] / "s/ensemble").glob(f"films-small-{pretraining}-seed*/best"))
        assert len(files) == K * len(SEEDS)
        frames = [pd.read_parquet(file / "test.parquet") for file in files]
        gaps = [one[f"prob_{task}"] - one[f"label_{task}"] for one in frames for task in TASKS]
        expected = float((pd.concat(gaps) ** 2).mean())
        assert rows["brier"].tolist() == pytest.approx([expected] * len(rows))
