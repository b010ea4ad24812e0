"""Protocols that list numbers of training patients."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_study import SMALL

from transfergrid.planning.plan import plan_run
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.study import merge
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import short_hash

SIZES = {"few": {"train_patients": [5, 20]}, "finetune": {}}
BLOCK: dict[str, Any] = {
    **SMALL["grid"][0],
    "pretrainings": ["random"],
    "truncations": [0],
    "protocols": ["few", "finetune"],
}


def planned(folder: Path, changes: dict[str, Any]) -> PlannedStudy:
    study = merge(copy.deepcopy(SMALL), {"protocols": SIZES, "grid": [BLOCK], **changes})
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return plan_run([folder / "study.yaml"], {}).studies["small"]


def protocols(study: PlannedStudy) -> list[str]:
    return list(dict.fromkeys(cell.point.protocol for cell in study.targets))


def test_a_list_is_a_protocol_of_each_number_in_the_grid(tmp_path: Path) -> None:
    study = planned(tmp_path, {})
    assert protocols(study) == ["few.patients5", "few.patients20", "finetune"]
    recipes = study.study.recipes
    assert [recipes[name].train_patients for name in protocols(study)] == [5, 20, None]
    written = planned(
        tmp_path,
        {
            "protocols": {"few.patients5": {"train_patients": 5}, "finetune": {}},
            "grid": [{**BLOCK, "protocols": ["few.patients5", "finetune"]}],
        },
    )
    # The same recipe under the same name is the same cell, however it was written.
    assert {cell.name for cell in written.targets} < {cell.name for cell in study.targets}


def test_a_base_recipe_may_list_them_for_every_protocol(tmp_path: Path) -> None:
    both = {"few": {}, **{name: {"train_patients": None} for name in ("finetune", "source")}}
    study = planned(tmp_path, {"recipe": {"train_patients": [5, 20]}, "protocols": both})
    assert protocols(study) == ["few.patients5", "few.patients20", "finetune"]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"grid": [{**BLOCK, "exclude": [{"protocol": "few"}]}]}, ["finetune"]),
        (
            {"grid": [{**BLOCK, "exclude": [{"protocol": "few.patients5"}]}]},
            ["few.patients20", "finetune"],
        ),
        (
            {"grid": [{**BLOCK, "protocols": ["finetune"], "include": [{"protocol": "few"}]}]},
            ["finetune", "few.patients5", "few.patients20"],
        ),
        ({"only": {"protocols": ["few"]}}, ["few.patients5", "few.patients20"]),
    ],
)
def test_the_name_stands_for_all_where_several_may_be_named(
    tmp_path: Path, changes: dict[str, Any], left: list[str]
) -> None:
    assert protocols(planned(tmp_path, changes)) == left


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"cams": {"where": {"protocol": "few"}}},
            "cams.where names protocol 'few', which lists train_patients and stands for "
            "few.patients5, few.patients20",
        ),
        (
            {"protocols": {**SIZES, "few.patients5": {}}},
            "stands for 'few.patients5', which is a protocol of its own",
        ),
        ({"protocols": {"f" * 60: SIZES["few"]}}, "longer than 64 characters"),
    ],
)
def test_where_one_protocol_is_meant_a_list_is_refused(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        planned(tmp_path, changes)


def test_recipes_without_patients_are_hashed_as_before_there_were_any() -> None:
    # The hash of the build before; a cell's name rests on it.
    assert short_hash(Recipe().to_dict()) == "603b1cfb"
    asked = Recipe(train_patients=5)
    assert Recipe.from_dict(asked.to_dict()) == asked and asked.to_dict()["train_patients"] == 5


FEW = {"name": "few", "kind": "small_data"}


@pytest.mark.parametrize(
    ("question", "protocols"),
    [
        (FEW, None),
        ({**FEW, "protocols": ["few"]}, ["few.patients5", "few.patients20"]),
    ],
)
def test_a_question_of_sizes_takes_a_list_by_its_name(
    tmp_path: Path, question: dict[str, Any], protocols: list[str] | None
) -> None:
    study = planned(tmp_path, {"questions": [question]})
    (asked,) = study.study.config["questions"]
    assert asked["protocols"] == protocols and asked["baseline"] == "random"


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"where": {"protocol": "few.patients5"}}, "two numbers of training patients, .* have 1"),
        (
            {"protocols": ["fww"]},
            "names protocol 'fww', which none of its cells has; they have few.patients5, few",
        ),
        ({"protocols": ["few", "shared"]}, "'shared', which trains on a share or a number"),
        ({}, "two recipes with 20 training patients, 'few.patients20' and 'twenty'"),
        ({"protocols": ["few"], "baseline": "imagenet"}, "baseline 'imagenet', which is no pretr"),
        ({"protocols": ["few"], "axis": "truncation", "baseline": 3}, "baseline 3, .* truncation"),
        ({"axis": "protocol"}, "axis' is 'protocol'"),
    ],
)
def test_a_question_of_sizes_that_no_cells_answer_is_refused(
    tmp_path: Path, question: dict[str, Any], told: str
) -> None:
    more = {"twenty": {"train_patients": 20}, "shared": {"train_share": 0.5}}
    block = {**BLOCK, "protocols": ["few", "finetune", *more]}
    with pytest.raises(UserError, match=told):
        asked = {"questions": [{**FEW, **question}], "protocols": {**SIZES, **more}}
        planned(tmp_path, {**asked, "grid": [block]})


def test_a_slice_with_one_size_leaves_the_question_out(tmp_path: Path) -> None:
    study = planned(tmp_path, {"questions": [FEW], "only": {"protocols": ["finetune"]}})
    assert study.study.config["questions"] == []
    (told,) = [warning for warning in study.warnings if "'few'" in warning]
    assert "fewer than two of its numbers of training patients" in told
