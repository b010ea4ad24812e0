"""Curves, operating points and confused classes of made-up studies, against scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from unit.reporting import fabricate
from unit.statistics.crossed_study import build
from unit.statistics.made_up_ensembles import write_spec

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.tables import TABLES
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble, write_ensemble
from transfergrid.metrics.clustered import clustered_share
from transfergrid.metrics.sensitivity import threshold_at_specificity
from transfergrid.planning.metrics import built_in
from transfergrid.planning.records import read_train
from transfergrid.reporting.tables import curves, gathering
from transfergrid.reporting.tables.curves import analyse
from transfergrid.reporting.tables.files import read_table, write_table
from transfergrid.reporting.tables.scores import scores_table
from transfergrid.reporting.tables.shown_arms import _compared
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError

COLUMNS = {table.name: list(table.header) for table in TABLES}
CLASSES = ("nevus", "melanoma", "keratosis")


def asking(study: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """Return a study as the stamp of the stage holds it."""
    cells = [one["cell"] for one in study["cells"] if one["role"] == "target"]
    curves = {
        "cells": cells,
        "pretrainings": None,
        "baselines": ["random"],
        "specificity": 0.9,
        **asked,
    }
    return {**study, "columns": COLUMNS, "curves": curves}


@pytest.fixture(scope="module")
def made(tree: fabricate.Tree, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("curves")
    found = analyse(asking(tree.study), tree.results, 1)
    for name, table in found.items():
        write_table(table, folder / f"{name}.csv")
    return {name: read_table(folder / f"{name}.csv") for name in found}


def ensemble(tree: fabricate.Tree, cell: str, split: str = "test") -> Ensemble:
    return read_ensemble(tree.results / "demo" / "ensemble" / cell / "top3" / f"{split}.parquet")


def cells_of(tree: fabricate.Tree, row: pd.Series) -> list[str]:
    return [
        one["cell"]
        for one in tree.study["cells"]
        if one["role"] == "target" and all(one[axis] == row[axis] for axis in PLACE)
    ]


def test_the_arms_are_the_best_by_validation_and_its_baseline(
    tree: fabricate.Tree, made: dict[str, pd.DataFrame]
) -> None:
    arms = made["curves"].drop_duplicates([*PLACE])
    assert list(arms["pretraining"]) == ["random", "shapes"]
    assert list(arms["chosen"]) == ["baseline", "best"]
    valid: dict[tuple[Any, ...], list[float]] = {}
    for one in tree.study["cells"]:
        record = read_train(tree.results / "cells" / one["cell"])
        if one["role"] == "target" and record and record["best_valid_score"] is not None:
            key = (one["architecture"], one["truncation"], one["pretraining"])
            valid.setdefault(key, []).append(record["best_valid_score"])
    best = max(valid, key=lambda key: np.mean(valid[key]))
    assert best[2] == "shapes"
    assert {(row["architecture"], row["truncation"]) for _, row in arms.iterrows()} == {best[:2]}


@pytest.mark.parametrize(
    ("ranked", "baselines", "chosen"),
    [
        (["a", "random"], ["random", "a"], {"random": "baseline", "a": "best"}),
        (["random", "a", "b"], ["random", "b"], {"random": "baseline", "a": "next"}),
        # The network has random weights of its own under another name.
        (
            ["a", "b", "random_tf"],
            ["random", "random_tf", "b"],
            {"random_tf": "baseline", "a": "best"},
        ),
        (["b", "a"], ["random", "a", "b"], {"a": "baseline", "b": "best"}),
        (["a"], ["random", "a"], {"a": "best"}),
    ],
)
def test_the_baseline_is_random_weights_on_the_same_network(
    ranked: list[str], baselines: list[str], chosen: dict[str, str]
) -> None:
    assert _compared(ranked, baselines) == chosen
    assert list(_compared(ranked, baselines)) == list(chosen)


def test_a_study_may_name_pretrainings_and_cells(tree: fabricate.Tree) -> None:
    few = [one["cell"] for one in tree.study["cells"] if one["architecture"] == "resnet18"]
    found = analyse(asking(tree.study, cells=few, pretrainings=["shapes"]), tree.results, 1)
    arms = found["curves"].drop_duplicates([*PLACE])
    assert list(arms["chosen"]) == ["asked"] and list(arms["architecture"]) == ["resnet18"]
    assert set(found["operating_points"]["cell"]) <= set(few)
    assert len(found["confusion"]) == 0  # labels, not classes


def test_lines_are_means_over_seeds_of_scikit_learns_curves(
    tree: fabricate.Tree, made: dict[str, pd.DataFrame]
) -> None:
    table = made["curves"]
    first = table.iloc[0]
    own = table[(table[[*PLACE, "task"]] == first[[*PLACE, "task"]]).all(axis=1)]
    parts = [ensemble(tree, cell) for cell in cells_of(tree, first)]
    assert len(parts) == first["n_seeds"] == 2
    number = parts[0].tasks.index(first["task"])
    known = ~np.isnan(parts[0].labels[:, number])
    truth = parts[0].labels[known, number]
    assert (first["n"], first["n_pos"]) == (known.sum(), truth.sum())
    assert first["n_patients"] == len(set(parts[0].patient_id[known]))
    roc, pr = (own[own["curve"] == kind] for kind in ("roc", "precision_recall"))
    expected = []
    for part in parts:
        fpr, tpr, _ = roc_curve(truth, part.probabilities[known, number])
        expected.append(np.interp(roc["x"], fpr, tpr))
    inner = roc["x"].between(0.005, 0.995)
    assert roc["y"][inner].to_numpy() == pytest.approx(np.mean(expected, axis=0)[inner])
    expected = []
    for part in parts:
        precision, recall, _ = precision_recall_curve(truth, part.probabilities[known, number])
        at = [np.flatnonzero(recall >= x - 1e-9).max() for x in pr["x"]]
        expected.append(precision[at])
    assert pr["y"].to_numpy() == pytest.approx(np.mean(expected, axis=0))
    for rows, area in ((roc, roc_auc_score), (pr, average_precision_score)):
        whole = [area(truth, part.probabilities[known, number]) for part in parts]
        assert rows["area"].to_numpy() == pytest.approx(np.mean(whole))
        assert (rows["low"] <= rows["y"]).all() and (rows["y"] <= rows["high"]).all()
    # A task without a positive has rows without values.
    assert made["curves"].loc[made["curves"]["task"] == "Fracture", "y"].isna().all()


def test_several_processes_give_the_same_tables(
    tree: fabricate.Tree, made: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = asking(tree.study, cells=[one["cell"] for one in tree.study["cells"]][:6])
    alone = analyse(study, tree.results, 1)
    monkeypatch.setattr(gathering, "MANY", 1)
    for name, table in analyse(study, tree.results, 2).items():
        pd.testing.assert_frame_equal(table, alone[name])


def test_operating_points_are_chosen_on_validation_and_scored_on_test(
    tree: fabricate.Tree, made: dict[str, pd.DataFrame]
) -> None:
    table = made["operating_points"]
    assert set(table["rule"]) == {"specificity 0.9", "youden"}
    cell = next(name for name in table["cell"] if "resnet18-shapes" in name)
    valid, test = ensemble(tree, cell, "valid"), ensemble(tree, cell)
    for number, task in enumerate(fabricate.SCORE_TASKS):
        rows = table[(table["cell"] == cell) & (table["task"] == task)].set_index("rule")
        scores, labels = valid.probabilities[:, number], valid.labels[:, number]
        chosen = threshold_at_specificity(scores[None], labels, 0.9)[0]
        assert rows.loc["specificity 0.9", "threshold"] == pytest.approx(chosen, abs=0)
        assert np.mean(scores[labels == 0] < chosen) >= 0.9
        fpr, tpr, _ = roc_curve(labels[~np.isnan(labels)], scores[~np.isnan(labels)])
        at = rows.loc["youden", "threshold"]
        reached = np.mean(scores[labels == 1] >= at) - np.mean(scores[labels == 0] >= at)
        assert reached == pytest.approx((tpr - fpr).max())
        known = ~np.isnan(test.labels[:, number])
        for _, row in rows.iterrows():
            called = test.probabilities[known, number] >= row["threshold"]
            matrix = confusion_matrix(test.labels[known, number], called)
            (tn, fp), (fn, tp) = matrix
            assert row["sensitivity"] == pytest.approx(tp / (tp + fn))
            assert row["specificity"] == pytest.approx(tn / (tn + fp))
            assert row["ppv"] == pytest.approx(tp / (tp + fp))
            assert row["npv"] == pytest.approx(tn / (tn + fn))
            assert (row["n"], row["n_pos"]) == (known.sum(), tp + fn)
            found = clustered_share(
                test.labels[known, number][called], test.patient_id[known][called]
            )
            assert (row["ppv_low"], row["ppv_high"]) == pytest.approx((found.low, found.high))
    fracture = table[(table["cell"] == cell) & (table["task"] == "Fracture")].iloc[0]
    assert np.isnan(fracture["sensitivity"]) and "single_class" in fracture["flags"].split(";")


def test_an_ensemble_is_read_once_for_points_and_confusion(
    classes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> Ensemble:
        read.append(path)
        return read_ensemble(path)

    monkeypatch.setattr(curves, "read_ensemble", counted)
    (work,) = curves.networks_of(classes, tmp_path)
    found = curves.network_rows(work)
    assert found.kept == (0, 1) and found.points and found.confusion
    assert len(read) == len(set(read)) == 4  # two seeds, two splits


def test_sensitivity_is_that_of_the_table_of_scores(
    tree: fabricate.Tree, made: dict[str, pd.DataFrame]
) -> None:
    study = {**tree.study, "primary_metric": {"phantom": "sensitivity", "shapes": "auroc"}}
    study["metrics"] = {name: built_in(name) for name in ("auroc", "sensitivity")}
    study["evaluation"] = {**study["evaluation"], "selections": ["top3"]}
    scores = scores_table(study, tree.results)
    scores = scores[scores["metric"] == "sensitivity"].set_index(["cell", "task"])
    points = made["operating_points"]
    points = points[points["rule"] == "specificity 0.9"].set_index(["cell", "task"])
    points = points[points["sensitivity"].between(0.01, 0.99)]
    same = scores.loc[points.index]
    assert len(points) > 50
    assert points["threshold"].to_numpy() == pytest.approx(same["threshold"].to_numpy(float))
    for mine, theirs in (("", "value"), ("_low", "low"), ("_high", "high")):
        assert points[f"sensitivity{mine}"].to_numpy() == pytest.approx(same[theirs].to_numpy())


def test_a_run_is_the_mean_over_its_folds_and_each_fold_has_its_own_point(tmp_path: Path) -> None:
    study = asking(build(tmp_path, 3, networks=["small"]))
    for file in tmp_path.glob("s/ensemble/*/best/test.parquet"):
        write_ensemble(file.with_name("valid.parquet"), read_ensemble(file))
    found = analyse(study, tmp_path, 1)
    points = found["operating_points"]
    points = points[(points["rule"] == "youden") & (points["task"] == "edema")]
    run, folds = points[points["fold"] == "all"].iloc[0], points[points["fold"] != "all"][:3]
    assert np.isnan(run["threshold"]) and folds["threshold"].nunique() == 3
    assert run["n_folds"] == 3 and "3 folds" in run["conditional_on"]
    for share in ("sensitivity", "specificity", "ppv", "npv"):
        assert run[share] == pytest.approx(folds[share].mean())
        assert run[f"{share}_low"] < run[share] < run[f"{share}_high"]
    assert run["n"] == folds["n"].sum()
    arm = found["curves"].iloc[0]
    assert (arm["n_seeds"], arm["n_folds"], arm["n"]) == (2, 3, run["n"])


@pytest.fixture
def classes(tmp_path: Path) -> dict[str, Any]:
    """A study of three classes: two seeds on films of which some patients have several."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 90)
    return three_classes(tmp_path, [truth, truth])


def three_classes(results: Path, truths: Sequence[np.ndarray]) -> dict[str, Any]:
    cells = []
    for seed, truth in enumerate(truths):
        rng = np.random.default_rng([seed, 5])
        logits = np.eye(3)[truth] * 1.5 + rng.normal(size=(len(truth), 3))
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        studies = np.array([f"s{number:03d}" for number in rng.permutation(len(truth))])
        order = np.argsort(studies)  # the order of rows differs from seed to seed
        ids = np.array([f"s{number:03d}" for number in range(len(truth))])
        rows = rng.permutation(len(truth))
        people = np.array([f"p{number // 2:03d}" for number in range(len(truth))])
        labels = np.eye(3, dtype=np.float32)[truth]
        one = Ensemble(ids[rows], people[rows], CLASSES, scores[rows], labels[rows], 1, len(order))
        name = f"skin-small-random-seed{seed}"
        for split in ("valid", "test"):
            write_ensemble(results / "s" / "ensemble" / name / "best" / f"{split}.parquet", one)
        folder = results / "cells" / name
        card = {"score_tasks": list(CLASSES), "patients": "known", "task_kind": "multiclass"}
        write_json(folder / "card.json", card)
        write_spec(folder, {"weights": {"id": None}}, best_valid_score=0.5)
        place = {"architecture": "small", "pretraining": "random", "truncation": 0}
        place |= {"dataset": "skin", "protocol": "p", "seed": seed, "dataset_id": "skin-0"}
        cells.append({"cell": name, "role": "target", **place})
    evaluation = {"selections": ["best"], "primary": "best", "confidence": 0.95}
    evaluation["bootstrap"] = {"replicates": 200, "seed": 0}
    study = {"name": "s", "cells": cells, "evaluation": evaluation}
    study |= {"metrics": {"auroc": built_in("auroc")}, "primary_metric": {"skin": "auroc"}}
    return asking(study)


def test_confused_classes_are_those_of_scikit_learn(
    classes: dict[str, Any], tmp_path: Path
) -> None:
    table = analyse(classes, tmp_path, 1)["confusion"]
    assert list(table["true"].unique()) == list(CLASSES)
    matrices = []
    for file in sorted(tmp_path.glob("s/ensemble/*/best/test.parquet")):
        one = read_ensemble(file)
        truth, called = one.labels.argmax(axis=1), one.probabilities.argmax(axis=1)
        matrices.append(confusion_matrix(truth, called))
    mean = np.mean(matrices, axis=0)
    found = table.pivot(index="true", columns="predicted", values="count")
    assert found.loc[list(CLASSES), list(CLASSES)].to_numpy() == pytest.approx(mean)
    assert table["share"].to_numpy() == pytest.approx(
        (mean / mean.sum(axis=1, keepdims=True)).ravel()
    )
    assert set(table["n_seeds"]) == {2} and set(table["n_folds"]) == {1}
    for name, rows in table.groupby("true"):
        assert rows["share"].sum() == pytest.approx(1)
        assert set(rows["n"]) == {int(mean[CLASSES.index(str(name))].sum())}
        assert (rows["low"] < rows["high"]).all() and (rows["n_patients"] < rows["n"]).all()


def test_seeds_on_other_films_are_refused(tmp_path: Path) -> None:
    truth = np.random.default_rng(3).integers(0, 3, 90)
    study = three_classes(tmp_path, [truth, truth[:80]])
    with pytest.raises(UserError, match="tested on other studies"):
        analyse(study, tmp_path, 1)
