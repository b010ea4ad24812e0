from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from unit.reporting import fabricate

from transfergrid.evaluation.bootstrap import bootstrap_macro
from transfergrid.evaluation.ensemble import read_ensemble, write_ensemble
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.bootstrap import (
    Drawn,
    bootstrap_rows,
    bootstrap_table,
    replicates_of_folds,
)
from transfergrid.reporting.tables.scored import score

AUROC = built_in("auroc")


def made(folder: Path) -> Path:
    """Return where the test split of an ensemble goes."""
    folder.mkdir()
    return folder / "test.parquet"


def test_several_processes_give_the_same_table(
    tree: fabricate.Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stage's stamp knows the primary selection alone.
    evaluation = {k: v for k, v in tree.study["evaluation"].items() if k != "selections"}
    alone = bootstrap_table({**tree.study, "evaluation": evaluation}, tree.results)
    monkeypatch.setattr(gathering, "MANY", 1)
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
    write_ensemble(made(tmp_path / "fewer"), replace(whole, **fewer))
    # As many studies, but other labels; and the same labels, but other patients.
    turned = {name: values[::-1] for name, values in rows.items()}
    write_ensemble(made(tmp_path / "labels"), replace(whole, **turned))
    patients = {name: turned[name] for name in ("study_id", "patient_id")}
    write_ensemble(made(tmp_path / "patients"), replace(whole, **patients))
    files = [*paths[:2], *sorted(tmp_path.glob("*/test.parquet")), paths[2]]
    some = tuple(fabricate.SCORE_TASKS)
    work = [
        Drawn(path.parent.name, path.parent, some if number else None, AUROC)
        for number, path in enumerate(files)
    ]
    alone = [row for item in work for row in bootstrap_rows([item], evaluation)]
    together = bootstrap_rows(work, evaluation)
    assert [row["cell"] for row in together] == [path.parent.name for path in files]
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
    write_ensemble(made(tmp_path / "more"), more)
    work = [Drawn("one", place, None, AUROC) for place in (path.parent, tmp_path / "more")]
    rows = [bootstrap_rows([item], tree.study["evaluation"])[0] for item in work]
    for name in ("low", "high", "se", "delong_low", "delong_high"):
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-12, nan_ok=True)


def test_bootstrap_agrees_with_the_closed_form(tree: fabricate.Tree, cells: pd.DataFrame) -> None:
    table = bootstrap_table(tree.study, tree.results).set_index("cell")
    primary = cells[cells["selection"] == "top3"].set_index("cell")
    shared = table.index.intersection(primary.index[primary["score"].notna()])
    assert len(shared) == 22
    pd.testing.assert_series_equal(
        table.loc[shared, "score"], primary.loc[shared, "score"], check_exact=False, rtol=1e-12
    )
    width = table.loc[shared, "high"] - table.loc[shared, "low"]
    closed = primary.loc[shared, "score_high"] - primary.loc[shared, "score_low"]
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


def test_another_metric_is_drawn_case_by_case(tree: fabricate.Tree) -> None:
    place = min((tree.results / "demo" / "ensemble").glob("*resnet18*seed0*/top3"))
    task = "Edema"
    one = Drawn("one", place, (task,), built_in("log_loss"))
    (row,) = bootstrap_rows([one], tree.study["evaluation"])
    units = pd.read_parquet(place / "test.parquet")
    units = units[units[f"label_{task}"].notna()]
    patients = [part for _, part in units.groupby("patient_id")]
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        drawn = pd.concat([patients[g] for g in rng.integers(0, len(patients), len(patients))])
        found.append(log_loss(drawn[f"label_{task}"], drawn[f"prob_{task}"], labels=[0, 1]))
    assert row["metric"] == "log_loss" and np.isnan(row["delong_low"])
    assert row["score"] == pytest.approx(log_loss(units[f"label_{task}"], units[f"prob_{task}"]))
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(found, [0.025, 0.975]))


def test_operating_points_stay_those_of_the_validation_scores(tree: fabricate.Tree) -> None:
    place = min((tree.results / "demo" / "ensemble").glob("*resnet18*seed0*/top3"))
    metric = built_in("sensitivity")
    one = Drawn("one", place, ("Edema", "Cardiomegaly"), metric)
    (row,) = bootstrap_rows([one], tree.study["evaluation"])
    found = score(read_ensemble(place / "test.parquet"), one.score_tasks, metric, 0.05, place)
    assert row["score"] == found.whole.estimate
    # The closed form takes the same as given; both are rough at 200 replicates.
    width = found.whole.high - found.whole.low
    assert 0.6 < (row["high"] - row["low"]) / width < 1.5
    assert "operating points" in row["method"]


def test_folds_draw_their_own_patients_and_are_averaged_task_by_task() -> None:
    rng = np.random.default_rng(3)
    folds, used = [], np.array([[True, True], [True, False], [True, True]])
    for patients in (9, 7, 8):
        patient = np.repeat(np.arange(patients), 2)
        labels = (rng.random((len(patient), 2)) < 0.4).astype(float)
        labels[rng.random(labels.shape) < 0.1] = np.nan
        labels[:2], labels[2:4] = 1, 0
        folds.append(Cases(rng.random(labels.shape), labels, patient, ("a", "b"), ("a", "b")))
    settings = {"replicates": 40, "seed": 5}
    scorer = Scorer.of(built_in("auroc"))
    found = replicates_of_folds(scorer, folds, [None] * 3, used, settings)
    for replicate in range(40):
        by_task: list[list[float]] = [[], []]
        for number, fold in enumerate(folds):
            draws = np.random.default_rng([5, number])
            size = int(fold.patient.max()) + 1
            drawn = draws.integers(0, size, size=(40, size))[replicate]
            rows = np.concatenate([np.flatnonzero(fold.patient == p) for p in drawn])
            for t in range(2):
                y = fold.labels[rows, t]
                if not used[number, t] or len(set(y[~np.isnan(y)])) < 2:
                    continue
                known = ~np.isnan(y)
                by_task[t].append(roc_auc_score(y[known], fold.probabilities[rows, t][known]))
        expected = np.mean([np.mean(areas) for areas in by_task])
        np.testing.assert_allclose(found[replicate], expected, atol=1e-12)
