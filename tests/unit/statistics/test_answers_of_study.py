from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import recomputed
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from unit.statistics.made_up_ensembles import (
    ARCHITECTURES,
    SCORED,
    STUDIES,
    TASKS,
    build,
    questions,
    study,
    write_cell,
    write_spec,
)

from transfergrid.catalog.answered import STATISTICS
from transfergrid.evaluation.ensemble import Ensemble, read_ensemble, write_ensemble
from transfergrid.planning.claims import chosen_claims
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.answers import answer
from transfergrid.statistics.conditions import UNKNOWN_PATIENTS


def areas(study: dict[str, Any], results: Path) -> pd.DataFrame:
    rows = []
    for cell in study["cells"]:
        frame = pd.read_parquet(results / "s/ensemble" / cell["cell"] / "best/test.parquet")
        area = roc_auc_score(frame["label_edema"], frame["prob_edema"])
        size = ARCHITECTURES[cell["architecture"]]
        row = {**cell, "status": "finished", "selection": "best", "score": area, "params": size}
        rows.append(row)
    return pd.DataFrame(rows)


def test_contrasts_are_seed_means_of_scikit_learns_areas(tmp_path: Path) -> None:
    study = build(tmp_path)
    cells = areas(study, tmp_path)
    answers = answer(study, cells, tmp_path)
    contrasts, skipped = answers.tables["contrasts"], answers.skipped
    assert skipped == []
    means = cells.groupby(["architecture", "pretraining"])["score"].mean().unstack()
    boosts = means["imagenet"] - means["random"]
    for architecture in ARCHITECTURES:
        name = f"{architecture}: imagenet - random"
        (row,) = contrasts[contrasts["contrast"] == name].to_dict("records")
        place = {"axis": "pretraining", "dataset": "films", "architecture": architecture}
        place |= {"pretraining": "", "truncation": 0, "protocol": "p", "a": "imagenet"}
        assert {column: row[column] for column in place} == place
        assert row["estimate"] == pytest.approx(boosts[architecture], abs=1e-12)
        assert (row["n_seeds"], row["n_cells"], row["n_patients"]) == (2, 1, STUDIES)
        assert row["conditional_on"] == "one released weight file"
        assert row["p_difference_adjusted"] >= row["p_difference"]
        assert np.isnan(row["p_equivalence"]) and np.isnan(row["p_equivalence_adjusted"])
        assert row["verdict_rests_on"] == "p_difference"
    (mean,) = contrasts[contrasts["n_cells"] == 3].to_dict("records")
    assert mean["contrast"] == "mean of 3 networks: imagenet - random"
    assert (mean["architecture"], mean["n_cells_asked"]) == ("", 3)
    assert mean["estimate"] == pytest.approx(boosts.mean(), abs=1e-12)


def test_correlations_are_over_architectures_one_for_each_pretraining(tmp_path: Path) -> None:
    study = build(tmp_path)
    correlations = answer(study, areas(study, tmp_path), tmp_path).tables["correlations"]
    size = correlations[correlations["question"] == "size"]
    assert list(size["pretraining"]) == ["random", "imagenet"]
    assert (size[["y", "dataset", "truncation"]] == ["score", "films", 0]).all(axis=None)
    assert set(size["n"]) == {3}
    assert size["rho"].iloc[0] == pytest.approx(1.0)
    gain = correlations[correlations["question"] == "gain"]
    assert list(gain["y"]) == ["boost"]
    assert list(gain["pretraining"]) == ["imagenet"]  # the baseline has no boost


def test_unknown_patients_are_in_every_row(tmp_path: Path) -> None:
    study = build(tmp_path, patients="unknown")
    contrasts = answer(study, areas(study, tmp_path), tmp_path).tables["contrasts"]
    assert contrasts["conditional_on"].str.contains(UNKNOWN_PATIENTS).all()


def test_a_missing_seed_is_told_and_the_pair_uses_common_seeds(tmp_path: Path) -> None:
    study = build(tmp_path, missing=True)
    answers = answer(study, areas(study, tmp_path), tmp_path)
    contrasts, skipped = answers.tables["contrasts"], answers.skipped
    large = contrasts[contrasts["contrast"].str.startswith("large")].iloc[0]
    assert large["n_seeds"] == 1
    assert "conditional on this seed" in large["conditional_on"]
    assert any("seeds 1" in sentence and "large" in sentence for sentence in skipped)


def test_a_mean_is_named_after_the_networks_that_are_in_it(tmp_path: Path) -> None:
    study = build(tmp_path)
    cells = areas(study, tmp_path)

    def answered(*torn: str) -> pd.DataFrame:
        """Answer with one arm of each seed left of the networks that are `torn`."""
        left = [
            cell
            for cell in study["cells"]
            if cell["architecture"] not in torn
            or (cell["pretraining"], cell["seed"]) in {("random", 0), ("imagenet", 1)}
        ]
        there = cells[cells["cell"].isin([cell["cell"] for cell in left])]
        return answer({**study, "cells": left}, there, tmp_path).tables["contrasts"]

    two = answered("large")
    assert list(two["n_cells"]) == [1, 1, 2]
    assert two["contrast"].iloc[2] == "mean of 2 of 3 networks: imagenet - random"
    assert list(two["n_cells_asked"]) == [1, 1, 3]
    assert two["estimate"].iloc[2] == pytest.approx(two["estimate"].iloc[:2].mean(), abs=1e-12)
    one = answered("large", "middle")
    assert list(one["contrast"]) == ["small: imagenet - random"]
    assert one["p_difference_adjusted"].item() == one["p_difference"].item()  # counted once


def test_a_missing_baseline_is_told(tmp_path: Path) -> None:
    study = build(tmp_path)
    study["questions"] = [{**study["questions"][0], "baseline": "nothing"}]
    answers = answer(study, areas(study, tmp_path), tmp_path)
    contrasts, skipped = answers.tables["contrasts"], answers.skipped
    assert contrasts.empty
    assert len(skipped) == 6
    assert "has pretraining random but no baseline nothing" in skipped[0]


def test_recipes_are_groups_of_their_own_only_where_a_network_has_several(tmp_path: Path) -> None:
    study = build(tmp_path)
    for cell in study["cells"]:
        if cell["architecture"] == "large":
            cell["protocol"] = "brief"
    one_each = answer(study, areas(study, tmp_path), tmp_path).tables["correlations"]
    size = one_each[one_each["question"] == "size"]
    assert list(size["n"]) == [3, 3]  # the large network's recipe is its only one
    cells = areas(study, tmp_path)
    again = cells[cells["architecture"] == "large"].assign(protocol="p")
    several = answer(study, pd.concat([cells, again]), tmp_path).tables["correlations"]
    size = several[several["question"] == "size"]
    assert sorted(size["n"]) == [1, 1, 3, 3]
    assert set(size["protocol"]) == {"p", "brief"}


SPEED: dict[str, Any] = {
    "name": "speed",
    "kind": "convergence",
    "axis": "pretraining",
    "baseline": "random",
    "level": 0.8,
    "share": None,
    "horizon": None,
    "budgets": None,
    "where": {"architecture": "small"},
}


def write_histories(study: dict[str, Any], results: Path) -> None:
    """Trained from scratch, a cell passes .8 at its fourth validation, else at its second."""
    for cell in study["cells"]:
        folder = results / "cells" / cell["cell"]
        late = 4 if cell["pretraining"] == "random" else 2
        lines = [
            {
                "step": 10 * (number + cell["seed"]),
                "examples": 160 * (number + cell["seed"]),
                "images_per_second": 80.0,
                "valid_score": 0.6 + 0.2 * number / late,
            }
            for number in range(1, 7)
        ]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (folder / "history.jsonl").write_text(text)
        told = {"status": "finished", "phases": [{"ended_by": "epochs"}], "device": "cpu"}
        write_spec(folder, json.loads((folder / "spec.json").read_text()), **told)


def test_convergence_is_answered_from_the_histories_that_trainings_left(tmp_path: Path) -> None:
    study = build(tmp_path)
    write_histories(study, tmp_path)
    study["questions"] = [SPEED]
    found = answer(study, areas(study, tmp_path), tmp_path).tables
    steps = found["convergence"][found["convergence"]["unit"] == "steps"].set_index("arm")
    assert dict(steps["restricted_mean"]) == {"random": 45, "imagenet": 25}
    assert list(found["reached"]["steps"]) == [40, 50, 20, 30]
    assert list(found["reached"]["seconds"]) == [8, 10, 4, 6]
    assert set(found["budgets"]["budget"]) == {15, 30, 60}  # none was validated by step 8
    path = tmp_path / "cells" / found["reached"]["cell"][0] / "history.jsonl"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UserError, match="history.jsonl is not what it was"):
        answer(study, areas(study, tmp_path), tmp_path)


def test_every_table_of_a_study(tmp_path: Path) -> None:
    study = build(tmp_path)
    write_histories(study, tmp_path)
    study["questions"] += [
        SPEED,
        {"name": "kin", "kind": "family", "groups": None, "metric": None, "where": {}},
        {
            "name": "noise",
            "kind": "seed_noise",
            "axis": "architecture",
            "contrast": "boost",
            "metric": None,
            "where": {},
        },
    ]
    study["claims"] = chosen_claims(["cxt.boost.significant", "cxt.trunc.ratio"], "s.yaml")
    found = answer(study, areas(study, tmp_path), tmp_path).tables
    for table in STATISTICS.tables:
        # These are of questions that this study does not ask.
        unasked = (
            *("gains", "small_data", "mean_ranks", "rank_pairs", "trials"),
            *("external_arms", "external_pairs"),
        )
        expected = set() if table.name in unasked else set(table.header)
        assert set(found[table.name]) == expected
    (mean,) = found["contrasts"][found["contrasts"]["n_cells"] == 3].to_dict("records")
    expected = "reproduced" if mean["low"] > 0 else "undecided"
    assert list(found["claims"]["verdict"]) == [expected, "not tested"]
    assert found["claims"]["measured"][0] == mean["estimate"]
    assert found["claims"]["evidence"][0] == f"boost: {mean['contrast']}"
    kinds = found["findings"].groupby("kind")["quantity"].apply(list)
    assert kinds["family"][:3] == ["between_family_sd", "within_family_sd", "family_share"]
    noise = found["findings"][found["findings"]["kind"] == "seed_noise"].set_index("quantity")
    assert set(noise["subject"]) == {"imagenet - random"}
    # Paired by seed: the differences of scikit-learn's areas.
    table = areas(study, tmp_path).pivot_table(
        index=["architecture", "seed"], columns="pretraining", values="score"
    )
    boosts = table["imagenet"] - table["random"]
    pooled = np.sqrt(boosts.groupby("architecture").var().mean())
    assert noise["value"]["seed_sd"] == pytest.approx(pooled)


def test_other_ways_to_the_same_contrasts(tmp_path: Path) -> None:
    study = build(tmp_path)
    study["evaluation"]["selections"] = ["best", "last"]
    rng = np.random.default_rng(9)
    for cell in study["cells"]:
        folder = tmp_path / "s" / "ensemble" / cell["cell"]
        best = read_ensemble(folder / "best" / "test.parquet")
        noisy = replace(best, probabilities=best.probabilities + 0.1 * rng.normal(size=(120, 2)))
        write_ensemble(folder / "last" / "test.parquet", noisy)
    answers = answer(study, areas(study, tmp_path), tmp_path)
    found, contrasts = (
        answers.tables["sensitivity"],
        answers.tables["contrasts"].set_index("contrast"),
    )
    assert found["note"].str.contains("no claim").all()
    drawn = found[(found["analysis"] == "two-level bootstrap") & (found["question"] == "boost")]
    assert list(drawn["subject"]) == list(contrasts.index)
    np.testing.assert_allclose(drawn["estimate"], contrasts["estimate"])
    patients = contrasts["se_patient"].to_numpy()
    assert (drawn["se"].to_numpy() > 0.85 * patients).all()
    # Percentiles over two seeds hold the truth two times in three.
    assert drawn[["low", "high", "p"]].isna().all(axis=None)
    assert drawn["method"].str.contains("no interval from fewer than 8 seeds").all()
    # Another selection: the same contrast of other scores.
    name = "small: imagenet - random"
    (last,) = found[(found["analysis"] == "selection last") & (found["subject"] == name)].to_dict(
        "records"
    )
    by_arm: dict[str, list[float]] = {}
    for cell in study["cells"]:
        if cell["architecture"] == "small":
            frame = pd.read_parquet(tmp_path / "s/ensemble" / cell["cell"] / "last/test.parquet")
            area = roc_auc_score(frame["label_edema"], frame["prob_edema"])
            by_arm.setdefault(cell["pretraining"], []).append(area)
    means = {arm: np.mean(values) for arm, values in by_arm.items()}
    assert last["estimate"] == pytest.approx(means["imagenet"] - means["random"])
    assert last["low"] < last["estimate"] < last["high"]
    # One study a patient and one task: DeLong's variance is that of the contrast's patients.
    delong = found[found["analysis"] == "DeLong"].set_index("subject")
    assert set(delong["task"]) == {"edema"} and len(delong) == 3
    for subject, row in delong.iterrows():
        assert row["estimate"] == pytest.approx(contrasts["estimate"][subject])
        assert row["se"] == pytest.approx(contrasts["se_patient"][subject])
        assert row["p"] == pytest.approx(2 * norm.sf(abs(row["estimate"]) / row["se"]))


@pytest.mark.parametrize("seeds", [7, 8])
def test_percentiles_over_seeds_need_eight(tmp_path: Path, seeds: int) -> None:
    rng = np.random.default_rng(4)
    ids = np.array([f"s{i}" for i in range(80)])
    labels = (rng.random((80, 1)) < 0.5).astype(np.float32)
    cells = []
    for pretraining, shift in (("random", 0.2), ("imagenet", 2.0)):
        for seed in range(seeds):
            scores = 1 / (1 + np.exp(-(shift * labels + rng.normal(size=(80, 1)))))
            place = {"architecture": "net", "pretraining": pretraining, "seed": seed}
            cells.append(
                write_cell(tmp_path, Ensemble(ids, ids, (SCORED,), scores, labels, 1, 80), **place)
            )
    answers = answer(study(cells, questions()[:1]), pd.DataFrame(cells), tmp_path)
    (row,) = answers.tables["sensitivity"][
        answers.tables["sensitivity"]["analysis"] == "two-level bootstrap"
    ].to_dict("records")
    if seeds == 7:
        assert np.isnan([row["low"], row["high"], row["p"]]).all()
    else:
        contrast = answers.tables["contrasts"].iloc[0]
        assert row["low"] == pytest.approx(contrast["low"], abs=0.05)
        assert row["p"] == pytest.approx(2 / 201)  # of 200 draws none lies beyond 0


def test_power_stands_beside_each_verdict(tmp_path: Path) -> None:
    study = build(tmp_path)
    contrasts = answer(study, areas(study, tmp_path), tmp_path).tables["contrasts"]
    assert contrasts["power"].between(0, 1).all()
    # 120 studies cannot show a difference of .01, whatever the seeds.
    assert (contrasts["seeds_needed"] > 100).all()
    study["questions"][0]["effect"] = 0.5
    sure = answer(study, areas(study, tmp_path), tmp_path).tables["contrasts"]
    assert (sure["power"] > contrasts["power"]).all()
    assert sure["seeds_needed"].between(2, 20).all()


def clustered(results: Path) -> dict[str, Any]:
    """Two networks, three seeds, several studies a patient, ties, and labels that are unknown."""
    rng = np.random.default_rng(8)
    patient = np.sort(rng.integers(0, 90, 200))
    labels = (rng.normal(size=(90, 2))[patient] + rng.normal(size=(200, 2)) > 0.5).astype(float)
    labels[rng.random((200, 2)) < 0.05] = np.nan
    ids = np.array([[f"p{p:02d}", f"p{p:02d}/s{i}"] for i, p in enumerate(patient)])
    cells = []
    for architecture in ("small", "large"):
        for pretraining, gain in (("random", 0.8), ("imagenet", 1.1)):
            for seed in range(3):
                own = gain + 0.1 * rng.normal()
                noise = rng.normal(size=(90, 2))[patient] + rng.normal(size=(200, 2))
                scores = np.round(own * np.nan_to_num(labels) + noise, 1)
                table = Ensemble(ids[:, 1], ids[:, 0], TASKS, scores, labels, 1, 200)
                place = {"architecture": architecture, "pretraining": pretraining, "seed": seed}
                cells.append(write_cell(results, table, score_tasks=TASKS, **place))
    boost = questions()[0]
    return study(cells, [boost, {**boost, "name": "same", "margin": 0.25}])


def test_contrasts_are_those_of_the_textbook(tmp_path: Path) -> None:
    study = clustered(tmp_path)
    frames = {
        cell["cell"]: pd.read_parquet(tmp_path / "s/ensemble" / cell["cell"] / "best/test.parquet")
        for cell in study["cells"]
    }

    def arm(architecture: str, pretraining: str) -> list[pd.DataFrame]:
        names = (f"films-{architecture}-{pretraining}-seed{seed}" for seed in range(3))
        return [frames[name] for name in names]

    pairs = [(arm(name, "imagenet"), arm(name, "random")) for name in ("small", "large")]
    contrasts = answer(study, pd.DataFrame(study["cells"]), tmp_path).tables["contrasts"]
    for question, margin in (("boost", None), ("same", 0.25)):
        expected = [
            recomputed.contrast(some, TASKS, margin) for some in (pairs[:1], pairs[1:], pairs)
        ]
        own = contrasts[contrasts["question"] == question]
        for name in expected[0]:
            np.testing.assert_allclose(own[name], [row[name] for row in expected], rtol=1e-9)
        for name in ("p_difference", "p_equivalence"):
            adjusted = recomputed.holm([row[name] for row in expected])
            np.testing.assert_allclose(own[f"{name}_adjusted"], adjusted, rtol=1e-9)
        assert list(own["verdict"]) == recomputed.verdicts(expected)
    assert (contrasts["se_seed"] > 0).any() and len(set(contrasts["verdict"])) > 1
