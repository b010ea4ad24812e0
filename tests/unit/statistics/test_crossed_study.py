"""Answers on a cross-validated study, computed again from its stored scores by other code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import recomputed
from scipy import stats
from sklearn.metrics import roc_auc_score
from unit.statistics.crossed_study import ARMS, NETWORKS, PATIENTS, SEEDS, TASKS, alone, build

from transfergrid.evaluation.ensemble import read_ensemble, write_ensemble
from transfergrid.statistics.answers import Answers, answer

K = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    results = tmp_path_factory.mktemp("crossed")
    study = build(results)
    return results, {**study, "questions": study["questions"][:1]}


@pytest.fixture(scope="module")
def answers(made: tuple[Path, dict[str, Any]]) -> Answers:
    return answer(made[1], pd.DataFrame(), made[0])


@pytest.fixture(scope="module")
def table(answers: Answers) -> pd.DataFrame:
    return answers.tables["contrasts"].set_index("contrast")


@cache
def frames(results: Path, network: str, arm: str, seed: int) -> list[pd.DataFrame]:
    """Return the stored scores of a run, fold by fold."""
    names = [f"films-{network}-{arm}-seed{seed}-fold{fold}" for fold in range(K)]
    return [pd.read_parquet(results / f"s/ensemble/{name}/best/test.parquet") for name in names]


def area(frame: pd.DataFrame) -> float:
    """Return the mean over tasks of scikit-learn's AUROC."""
    found = []
    for task in TASKS:
        known = frame[frame[f"label_{task}"].notna()]
        found.append(roc_auc_score(known[f"label_{task}"], known[f"prob_{task}"]))
    return float(np.mean(found))


def pooled_difference(results: Path, network: str) -> float:
    arms = [
        np.mean([[area(f) for f in frames(results, network, arm, seed)] for seed in SEEDS])
        for arm in ("imagenet", "random")
    ]
    return float(arms[0] - arms[1])


def contrasts(results: Path, study: dict[str, Any]) -> pd.DataFrame:
    return answer(study, pd.DataFrame(), results).tables["contrasts"].set_index("contrast")


def test_a_pooled_contrast_is_the_mean_of_the_folds_and_its_error_a_jackknifes(
    made: tuple[Path, dict[str, Any]], table: pd.DataFrame
) -> None:
    results, _ = made
    assert len(table) == 3
    for network in NETWORKS:
        row = table.loc[f"{network}: imagenet - random"]
        estimate = pooled_difference(results, network)
        assert row["estimate"] == pytest.approx(estimate, abs=1e-12)
        assert (row["n_seeds"], row["n_patients"]) == (len(SEEDS), PATIENTS)
        assert "one division into 5 folds" in row["conditional_on"]
    # A class has some six patients a fold, and they are corrected for one by one.
    small = table.loc["small: imagenet - random"]
    assert small["se_patient"] == pytest.approx(jackknife(results, "small"), rel=0.07)
    mean = table[table["n_cells"] == 2].iloc[0]
    both = np.mean([pooled_difference(results, network) for network in NETWORKS])
    assert mean["estimate"] == pytest.approx(both, abs=1e-12)


def jackknife(results: Path, network: str) -> float:
    """Return the standard error of a pooled difference, one patient left out at a time."""
    runs = {(arm, seed): frames(results, network, arm, seed) for arm in ARMS for seed in SEEDS}
    moved = []
    for fold in range(K):
        patients = next(iter(runs.values()))[fold]["patient_id"].to_numpy()
        arrays = {run: folds[fold].iloc[:, 2:].to_numpy() for run, folds in runs.items()}
        for patient in np.unique(patients):
            change = 0.0
            for (arm, _), values in arrays.items():
                sign = 1 if arm == "imagenet" else -1
                change += sign * (won(values[patients != patient]) - won(values))
            moved.append(change / K / len(SEEDS))
    return float(np.sqrt(np.sum(np.square(moved))))


def won(values: np.ndarray) -> float:
    """Return the mean over tasks of the share of pairs that are in order; no score is tied."""
    shares = []
    for task in range(len(TASKS)):
        scores, truth = values[:, task], values[:, len(TASKS) + task]
        shares.append(np.mean(scores[truth == 1][:, None] > scores[truth == 0]))
    return float(np.mean(shares))


def test_the_whole_row_by_the_textbook(
    made: tuple[Path, dict[str, Any]], table: pd.DataFrame
) -> None:
    results, row = made[0], table.loc["small: imagenet - random"]
    arms = []
    for arm in ("imagenet", "random"):
        runs = []
        for seed in SEEDS:
            parts = [recomputed.macro(f, TASKS) for f in frames(results, "small", arm, seed)]
            values = pd.concat([values / K for _, values in parts])
            runs.append((np.mean([estimate for estimate, _ in parts]), values))
        arms.append(runs)
    between = [np.var([e for e, _ in runs], ddof=1) / len(SEEDS) for runs in arms]
    means = [sum(values for _, values in runs) / len(SEEDS) for runs in arms]
    noise = sum(
        ((values - mean) ** 2).sum() / (len(SEEDS) - 1) / len(SEEDS)
        for runs, mean in zip(arms, means, strict=True)
        for _, values in runs
    )
    patient = ((means[0] - means[1]) ** 2).sum()
    seed = max(0.0, sum(between) - noise)
    assert row["se_patient"] == pytest.approx(np.sqrt(patient), rel=1e-9)
    assert row["se_seed"] == pytest.approx(np.sqrt(seed), rel=1e-9)
    groups = pd.concat(
        [
            recomputed.rarest(frame, TASKS).map(lambda name, fold=fold: f"{fold} {name}")
            for fold, frame in enumerate(frames(results, "small", "random", 0))
        ]
    )
    spread = sum(b**2 / (len(SEEDS) - 1) for b in between)
    squares = (means[0] - means[1]) ** 2
    for group in groups.unique():
        own = groups.index[groups == group]
        spread += squares[own].sum() ** 2 / max(len(own) - 1, 1)
    assert row["df"] == pytest.approx((patient + seed) ** 2 / spread, rel=1e-9)


def test_its_interval_is_narrower_than_any_folds(
    made: tuple[Path, dict[str, Any]], table: pd.DataFrame
) -> None:
    widths, estimates = table["high"] - table["low"], []
    for fold in range(K):
        single = contrasts(made[0], alone(made[1], fold))
        assert (widths < (single["high"] - single["low"])[widths.index]).all()
        estimates.append(single["estimate"])
    np.testing.assert_allclose(table["estimate"], np.mean(estimates, axis=0), atol=1e-12)


def test_nadeau_and_bengios_row(made: tuple[Path, dict[str, Any]], answers: Answers) -> None:
    other = answers.tables["sensitivity"]
    rows = other[other["analysis"] == "Nadeau-Bengio"]
    assert list(rows["subject"]) == list(answers.tables["contrasts"]["contrast"])
    row = rows.set_index("subject").loc["small: imagenet - random"]
    by_fold = np.zeros(K)
    for sign, arm in ((1, "imagenet"), (-1, "random")):
        for seed in SEEDS:
            by_fold += [sign * area(f) / len(SEEDS) for f in frames(made[0], "small", arm, seed)]
    # Thirty patients are tested and ninety trained on: the others choose checkpoints.
    se = np.sqrt((1 / K + 30 / 90) * np.var(by_fold, ddof=1))
    assert row["estimate"] == pytest.approx(by_fold.mean(), abs=1e-12)
    assert row["se"] == pytest.approx(se, rel=1e-9)
    t = stats.t(K - 1)
    assert row["p"] == pytest.approx(2 * t.sf(abs(by_fold.mean()) / se), rel=1e-9)
    assert row["high"] == pytest.approx(by_fold.mean() + t.ppf(0.975) * se, rel=1e-9)
    assert row["n"] == len(SEEDS) and "no claim" in row["note"]
    assert row["method"] == (
        "corrected resampled t over 5 folds, seeds averaged, test/train 0.333 by patients"
    )
    # Folds are no sample and no blocks: no other test over them is offered.
    assert other["method"].str.contains("fold").sum() == len(rows)


def test_one_fold_alone_says_so_and_has_no_test_over_folds(
    made: tuple[Path, dict[str, Any]],
) -> None:
    results, study = made
    cells = [{**cell, "folds": ["1"]} for cell in study["cells"] if cell["fold"] == "1"]
    found = answer({**study, "cells": cells}, pd.DataFrame(), results).tables
    told = set(found["contrasts"]["conditional_on"])
    assert all(f"one division into {K} folds, of which 1 is in the study" in text for text in told)
    assert "Nadeau-Bengio" not in set(found["sensitivity"]["analysis"])


def test_a_fold_without_a_class_is_left_out_of_both_arms(tmp_path: Path) -> None:
    study = build(tmp_path, one_class=3, networks=["small"])
    row = contrasts(tmp_path, {**study, "questions": study["questions"][:1]}).iloc[0]
    expected = []
    for task, folds in (("edema", range(K)), ("fracture", [0, 1, 2, 4])):
        by_arm = []
        for arm in ("imagenet", "random"):
            areas = []
            for seed in SEEDS:
                own = frames(tmp_path, "small", arm, seed)
                for fold in folds:
                    known = own[fold][own[fold][f"label_{task}"].notna()]
                    areas.append(roc_auc_score(known[f"label_{task}"], known[f"prob_{task}"]))
            by_arm.append(np.mean(areas))
        expected.append(by_arm[0] - by_arm[1])
    assert row["estimate"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert row["n_patients"] == PATIENTS  # edema is known for the others


def test_a_run_with_a_diverged_fold_has_no_result_and_the_fold_is_named(tmp_path: Path) -> None:
    study = build(tmp_path, networks=["small"])
    study["questions"] = study["questions"][:1]
    path = tmp_path / "s/ensemble/films-small-random-seed1-fold2/best/test.parquet"
    one = read_ensemble(path)
    one.probabilities[:] = np.nan
    write_ensemble(path, one)
    found = answer(study, pd.DataFrame(), tmp_path)
    (small,) = found.tables["contrasts"].to_dict("records")
    assert small["n_seeds"] == 1 and "this seed" in small["conditional_on"]
    assert small["n_patients"] == PATIENTS
    name = "films-small-random-drop0-p-seed1-pooled"
    assert f"{name} has no result: fold 2 diverged." in found.skipped


def test_a_run_that_lacks_a_fold_has_no_result_and_the_fold_is_named(tmp_path: Path) -> None:
    study = build(tmp_path, networks=["small"])
    study["questions"] = study["questions"][:1]
    gone = "films-small-imagenet-seed0-fold4"
    study["cells"] = [cell for cell in study["cells"] if cell["cell"] != gone]
    found = answer(study, pd.DataFrame(), tmp_path)
    assert found.tables["contrasts"]["n_seeds"].item() == 1
    name = "films-small-imagenet-drop0-p-seed0-pooled"
    assert f"{name} has no result yet: it lacks fold 4 of 5." in found.skipped
