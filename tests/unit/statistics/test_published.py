"""Digitised AUROCs against a study's: matching, arms, and the numbers of one arm by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.statistics.made_up_reader import reader_of

from transfergrid.metrics.influence import Influence
from transfergrid.planning.claims import chosen_claims
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.panels import NAME
from transfergrid.statistics.published import published

NETWORKS = {"resnet18": "ResNet", "resnet34": "ResNet", "densenet121": "DenseNet",
            "inception_v4": "Inception", "lcnet_050": "LCNet"}  # fmt: skip


def found(arms: dict[str, list[str]], **settings: Any) -> list[Finding]:
    cells, entries = [], []
    rng = np.random.default_rng(0)
    for pretraining, names in arms.items():
        for name in names:
            place = {"architecture": name, "pretraining": pretraining, "truncation": 0}
            same = {"dataset": "films", "protocol": "p", "role": "target"}
            for seed in (0, 1):
                cell = {"cell": f"{pretraining}{name}{seed}", "family": NETWORKS[name]}
                entries.append({**place, **same, **cell})
                row = {**place, "dataset": "films", "protocol": "p", "selection": "best"}
                row["status"] = "finished"
                auroc = 0.8 + 0.05 * rng.normal()
                cells.append({**row, "cell": f"{pretraining}{name}{seed}", "score": auroc})
    table = pd.DataFrame(cells)
    areas = dict(zip(table["cell"], table["score"], strict=True))
    runs = {c: Influence(a, np.arange(9), np.zeros(9)) for c, a in areas.items()}
    draws = {c: a + 1e-4 * np.arange(30) for c, a in areas.items()}
    reader = reader_of(entries, runs, draws)
    claims = chosen_claims({"about": "chextransfer", **settings}, "s.yaml")
    study = {"cells": entries, "claims": claims, "evaluation": {"primary": "best"}}
    study["metrics"] = {"loss": {"roc_area": False}, "ranks": {"roc_area": True}}
    found.table = table  # type: ignore[attr-defined]
    question = {"name": NAME, "kind": "published"}
    return list(published(question, Basis(study, table, reader, 0.05)).rows)


def test_one_arm_is_compared_network_by_network() -> None:
    # The last network is none of the paper's, and two in an arm are too few.
    rows = found({"imagenet": list(NETWORKS), "random": ["resnet18", "resnet34"]})
    ours = found.table  # type: ignore[attr-defined]
    ours = ours[ours["pretraining"] == "imagenet"].groupby("architecture")["score"].mean()
    theirs = {"resnet18": 0.8618, "resnet34": 0.8629, "densenet121": 0.8593, "inception_v4": 0.8609}
    apart = {name: ours[name] - value for name, value in theirs.items()}
    by = {row.quantity: row for row in rows}
    rho = stats.spearmanr(list(theirs.values()), [ours[name] for name in theirs]).statistic
    assert by["rank_correlation"].value == pytest.approx(rho)
    assert (by["rank_correlation"].n, by["rank_correlation"].n_families) == (4, 3)
    assert by["mean_difference"].value == pytest.approx(np.mean(list(apart.values())))
    single = [row for row in rows if row.quantity == "difference"]
    assert [row.value for row in single] == pytest.approx(list(apart.values()))
    assert len(rows) == 2 + 4 and {row.metric for row in rows} == {"ranks"}
    # Never "published": that is a grade of its own.
    assert all(row.note.startswith("digitised, not published as numbers: ") for row in rows)
    assert "first author's site" in rows[0].note and "digitised" in single[0].method


def test_a_pretraining_stands_for_an_arm_and_says_so() -> None:
    three = ["resnet18", "resnet34", "densenet121"]
    assert found({"shapes": three}) == []
    rows = found({"shapes": three}, stands_for={"shapes": "imagenet"})
    assert len(rows) == 5 and "shapes stands for imagenet" in rows[0].note
    assert found({"imagenet": three}, where={"protocol": "other"}) == []
    assert found({"imagenet": three}, where={"truncation": 1}) == []
