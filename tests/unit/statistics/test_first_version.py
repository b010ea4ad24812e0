"""What stands beside the numbers of a paper's first version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.statistics.made_up_gains import basis_of, cells_of, similarity_of

from transfergrid.catalog.questions import FIRST_VERSION
from transfergrid.planning.claims import chosen_claims
from transfergrid.statistics.first_version import first_version


def test_numbers_of_the_first_version_stand_beside_ours_under_that_name() -> None:
    claims = chosen_claims("radimagenet_replication", "study.yaml")
    assert len(claims["first_version"]) == 35 + 175
    named = {"architecture": "resnet50.a1_in1k", "status": "finished"}
    cells, features = (
        cells_of().assign(**named),
        similarity_of().assign(**named, measure="mean_cca"),
    )
    basis = basis_of(cells, similarity=features)
    study = {**basis.study, "claims": claims, "metrics": {"auroc": {"roc_area": True}}}
    question = {"name": FIRST_VERSION.unasked, "kind": FIRST_VERSION.name}
    found = first_version(question, replace(basis, study=study)).rows
    values = {(one.quantity, one.subject): one for one in found}
    one = values["v1_auroc", "imagenet, p, breast"]
    assert one.value == 0.905 and "published, v1 of February 2023" in one.method
    assert "computed, not the paper's final number" in one.note and "0.038" in one.method
    ours = cells.query("dataset == 'breast' and pretraining == 'imagenet'")["score"].mean()
    assert values["ours_minus_v1_auroc", "imagenet, p, breast"].value == pytest.approx(ours - 0.905)
    both = "imagenet+radimagenet"
    assert values["v1_mean_cca", f"{both}, sources_after, block1, p, chest"].value == 0.38
    assert values["v1_mean_cca", f"{both}, sources_before, block1, chest"].value == 0.35
    assert values["v1_mean_cca", "random, seeds, block1, knee"].value == 0.36
    assert values["v1_mean_cca", "imagenet, before_after, block1, p, knee"].value == 0.83
    other = replace(basis, cells=cells.assign(architecture="net"), study=study, compared={})
    assert first_version(question, other).rows == []
    assert first_version(question, replace(basis, study={"claims": {}})).rows == []


def beside_the_first_version(where: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Return by quantity and subject what stands beside the first version's numbers."""
    setting = {"about": "radimagenet_replication", "where": where}
    claims = chosen_claims(setting, "study.yaml")
    named = {"architecture": "resnet50.a1_in1k", "status": "finished"}
    features = similarity_of().assign(**named, measure="mean_cca")
    basis = basis_of(cells_of().assign(**named), similarity=features)
    study = {**basis.study, "claims": claims, "metrics": {"auroc": {"roc_area": True}}}
    question = {"name": FIRST_VERSION.unasked, "kind": FIRST_VERSION.name}
    rows = first_version(question, replace(basis, study=study)).rows
    return {(one.quantity, one.subject): one.value for one in rows}  # type: ignore[attr-defined]


def test_only_cells_that_the_claims_count_stand_beside_the_first_version() -> None:
    every, chest = (beside_the_first_version(where) for where in ({}, {"dataset": "chest"}))
    assert chest == {key: value for key, value in every.items() if key[1].endswith("chest")}
    assert beside_the_first_version({"protocol": "q"}).keys() == {
        key for key in every if ", p, " not in key[1] and key[0].endswith("mean_cca")
    }  # released weights were trained by no recipe
    pair = "imagenet+radimagenet, sources_after, block1, p, chest"
    both = {"pretraining": ["imagenet", "radimagenet"]}
    assert ("v1_mean_cca", pair) in beside_the_first_version(both)
    alone = beside_the_first_version({"pretraining": "imagenet"})
    assert ("v1_mean_cca", pair) not in alone and ("v1_auroc", "imagenet, p, chest") in alone
    assert not any("radimagenet" in subject for _, subject in alone)


def test_seeds_that_do_not_count_are_in_no_mean_beside_the_first_version() -> None:
    one = beside_the_first_version({"seed": 3})["ours_minus_v1_auroc", "imagenet, p, breast"]
    cells = cells_of().query("dataset == 'breast' and pretraining == 'imagenet' and seed == 3")
    assert one == pytest.approx(cells["score"].mean() - 0.905)
