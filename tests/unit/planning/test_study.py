from __future__ import annotations

import copy
import datetime
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from transfergrid.planning.paths import PROJECT
from transfergrid.planning.recipe import Phase, Recipe
from transfergrid.planning.schema import study_schema
from transfergrid.planning.study import load_study, merge
from transfergrid.runtime.errors import UserError

SMALL: dict[str, Any] = {
    "name": "small",
    "datasets": {"films": {"kind": "phantom"}},
    "pretrainings": {"random": {"kind": "random"}},
    "grid": [{"datasets": ["films"], "architectures": ["resnet18"], "pretrainings": ["random"]}],
}

CSV: dict[str, Any] = {
    "kind": "csv",
    "root": "/data",
    "table": "table.csv",
    "image_column": "image",
    "label_columns": ["edema"],
    "split": {"random": {"valid": 0.1, "test": 0.2}},
}
UNSPLIT = {key: value for key, value in CSV.items() if key != "split"}


def write(folder: Path, study: dict[str, Any], name: str = "study.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(study))
    return path


def changed(**sections: Any) -> dict[str, Any]:
    return merge(copy.deepcopy(SMALL), sections)


PATIENT = {"train_layers": "head", "patience": 2}
ENDLESS = [PATIENT, {"train_layers": "all"}]


def phased(*phases: Any, **recipe: Any) -> dict[str, Any]:
    """Return the section of a study that gives phases, beside other settings of the recipe."""
    (listed,) = phases if phases and isinstance(phases[0], list) else ([*phases],)
    return {"recipe": {"phases": listed, **recipe}}


def test_every_key_of_the_schema_has_a_description_and_every_setting_a_default() -> None:
    schema = study_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    records = {"study": schema, **schema["$defs"]}
    patterns = {"pattern", "where", "dataset", "pretraining", "question", "mask_layer"}
    for record, definition in records.items():
        required = set(definition.get("required", []))
        for key, part in definition.get("properties", {}).items():
            assert part.get("description"), f"{record}.{key} has no description"
            if record not in patterns and not {key} & {"kind", "name"}:
                assert "default" in part or key in required, f"{record}.{key} has no default"
        if definition.get("type") == "object" and "properties" in definition:
            closed = definition.get("additionalProperties") is False
            open_ones = {"dataset", "pretraining", "question", "metric_variant"}
            assert closed or record in open_ones, record


def test_the_recipe_of_the_schema_is_the_recipe_of_the_code(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, SMALL))
    assert study.recipes["finetune"] == Recipe()
    of_a_phase = {field.name for field in fields(Phase)}
    every = Recipe(train_patients=1, redraw_uncertain=True, loss="dice", dice={}).to_dict().keys()
    of_the_network = {"decoder"}
    assert study.config["recipe"].keys() == every | of_a_phase | of_the_network
    phases = study_schema()["$defs"]["recipe"]["properties"]["phases"]["items"]
    assert phases["properties"].keys() == of_a_phase


def test_protocols_override_only_what_they_name(tmp_path: Path) -> None:
    settings = changed(
        recipe={"learning_rate": 0.5, "augmentation": {"noise": 0.1}},
        protocols={"long": {"epochs": 50, "augmentation": {"flip_probability": 0.5}}},
    )
    recipe = load_study(write(tmp_path, settings)).recipes["long"]
    assert (recipe.learning_rate, recipe.epochs) == (0.5, 50)
    assert (recipe.augmentation.noise, recipe.augmentation.flip_probability) == (0.1, 0.5)


def test_phases_take_the_place_of_the_keys_of_one(tmp_path: Path) -> None:
    head = {"train_layers": "head", "epochs": 2, "learning_rate": 0.1}
    thaw = {"train_layers": "last_2", "patience": 3}
    settings = changed(
        recipe={"learning_rate": 0.5, "epochs": 7, "patience": 4, "norms": "frozen"},
        protocols={"thaw": {"phases": [head, thaw]}, "plain": {"phases": None}},
    )
    recipes = load_study(write(tmp_path, settings)).recipes
    assert recipes["thaw"].phases == (
        Phase("head", 0.1, 2, None, "frozen"),
        Phase("last_2", 0.5, None, 3, "frozen"),
    )
    assert recipes["plain"].phases == (Phase("all", 0.5, 7, 4, "frozen"),)
    # What the base says of a training in one phase is no part of what identifies this one.
    settings["recipe"] |= {"epochs": 9, "patience": None, "train_layers": "head"}
    assert load_study(write(tmp_path, settings)).recipes["thaw"] == recipes["thaw"]
    # A protocol may leave the phases that the base recipe has.
    settings["recipe"] = {"phases": [head]}
    settings["protocols"] = {"plain": {"phases": None, "epochs": 5}, "as_base": {}}
    recipes = load_study(write(tmp_path, settings)).recipes
    assert recipes["plain"].phases == (Phase(epochs=5),)
    assert recipes["as_base"].phases == (Phase("head", 0.1, 2),)


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"epochs": 0.5, "patience": 3, "train_layers": "last_3", "norms": "frozen"},
        phased(PATIENT, {"train_layers": "all", "epochs": 1, "learning_rate": 0.1})["recipe"],
        {"tune": {"learning_rates": [0.1, 0.2], "epochs": 1.0, "holdout": 0.1, "seed": 0}},
    ],
)
def test_recipes_survive_being_written(recipe: dict[str, Any]) -> None:
    made = Recipe.from_dict(recipe)
    text = json.dumps(made.to_dict())
    assert Recipe.from_dict(json.loads(text)) == made
    assert json.dumps(Recipe.from_dict(json.loads(text)).to_dict()) == text


def test_trials_find_the_rate_of_the_phases_that_give_none(tmp_path: Path) -> None:
    tune = {"learning_rates": [0.1, 0.2], "epochs": 0.5}
    own = {"train_layers": "head", "epochs": 4, "learning_rate": 0.3}
    settings = changed(**phased(own, {**PATIENT, "train_layers": "all"}, tune=tune))
    recipe = load_study(write(tmp_path, settings)).recipes["finetune"]
    assert [phase.learning_rate for phase in recipe.phases] == [0.3, None]
    trial = recipe.trial(0.2)
    assert trial.phases == (Phase("head", 0.3, 0.5), Phase("all", 0.2, 0.5))
    with pytest.raises(ValueError, match="not known before its trials"):
        _ = recipe.phases[1].rate
    assert recipe.with_rate(0.2).phases[1].rate == 0.2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 1}, ["no setting 'learning_rate'", "allowed are"]),
        ({"recipe": {"learning_rte": 1.0}}, ["'recipe'", "learning_rte", "'learning_rate'?"]),
        ({"recipe": {"learning_rate": "1e-3"}}, ["recipe.learning_rate", "'1e-3'", "write 0.001"]),
        ({"recipe": {"learning_rate": "1e-5"}}, ["recipe.learning_rate", "write 1.0e-05"]),
        ({"recipe": {"optimizer": "adan"}}, ["recipe.optimizer", "'adam'?", "adam, adamw, sgd"]),
        ({"protocols": {"x": {"epochs": "many"}}}, ["protocols.x.epochs", "'many'"]),
        ({"name": "cells"}, ["'name'", "reserved"]),
        ({"name": "../x"}, ["'name'", "../x"]),
        ({"datasets": {"a-b": {"kind": "phantom"}}}, ["datasets", "a-b"]),
        ({"datasets": {"a": {"kind": "nih"}}}, ["datasets.a.kind", "'nih'", "chexpert"]),
        ({"datasets": {"a": {"kind": "chexpert"}}}, ["datasets.a", "lacks the setting 'root'"]),
        ({"datasets": {"a": {"kind": "phantom", "view": 1}}}, ["datasets.a", "'views'?"]),
        ({"pretrainings": {"p": {"kind": "file"}}}, ["pretrainings.p", "'path'"]),
        ({"pretrainings": {"p": {"kind": "cell", "dataset": "a"}}}, ["'protocol'"]),
        ({"questions": [{"name": "q", "kind": "guess"}]}, ["questions[0].kind", "contrast"]),
        ({"evaluation": {"selections": ["top0"]}}, ["evaluation.selections[0]", "top0"]),
        ({"recipe": {"batch_size": 16, "accumulate": 3}}, ["finetune", "16", "3"]),
        ({"recipe": {"learning_rate": float("nan")}}, ["recipe.learning_rate", "nan", "finite"]),
        ({"recipe": {"epochs": float("inf")}}, ["recipe.epochs", "inf"]),
        ({"recipe": {"batch_size": "16"}}, ["recipe.batch_size", "whole number", "write 16"]),
        ({"protocols": {"finetune": None}}, ["protocols.finetune", "is empty; write {}"]),
        ({"datasets": {1: {"kind": "phantom"}}}, ["the name 1 under datasets", "put it in quotes"]),
        ({"title": datetime.date(2026, 1, 1)}, ["'title'", "date", "quote it"]),
        ({"name": "two\n"}, ["'name'", "two"]),
        ({"datasets": {"a": {"kind": "medmnist", "root": ""}}}, ["datasets.a.root"]),
        (
            {"datasets": {"a": CSV | {"split": {"folds": 4, "fold": 2, "valid": 0.1}}}},
            "'a' has split: {folds, fold}, which is gone; write folds: { k: 4 } in its place, "
            "which plans every fold, and folds: [2] in the grid's block",
        ),
        ({"datasets": {"a": CSV | {"folds": {"k": 5}}}}, "'a' has both split and folds; give one"),
        (
            {"datasets": {"a": UNSPLIT}},
            "'a' has neither split nor folds; give one of them, such as",
        ),
        ({"datasets": {"a": UNSPLIT | {"folds": {"k": 2}}}}, "no part is left to train on"),
        (
            {"datasets": {"a": UNSPLIT | {"folds": {"k": 3, "column": "f", "file": "g.csv"}}}},
            "folds.column and folds.file exclude each other",
        ),
        (
            {"datasets": {"a": UNSPLIT | {"folds": {"k": 3, "column": "f", "by": "patient"}}}},
            "folds.by says how folds are drawn, and folds.column gives them; remove one",
        ),
        (
            {"datasets": {"a": UNSPLIT | {"folds": {"k": 3, "file": "g.csv", "valid": 0.1}}}},
            "folds.file says what each fold validates on, so folds.valid has no meaning",
        ),
        (
            {"datasets": {"a": UNSPLIT | {"folds": {"k": 3, "file": "g.csv", "seed": 1}}}},
            "folds.file gives the folds and nothing is drawn, so folds.seed has no meaning",
        ),
        (
            {"datasets": {"a": UNSPLIT | {"folds": {"k": 3, "column": "f", "seed": 1}}}},
            "folds.column gives the folds and nothing is drawn, so folds.seed has no meaning",
        ),
        (
            {"datasets": {"a": UNSPLIT | {"folds": {"k": 3, "by": "group"}}}},
            "folds.by is group, but no groups are given; name their column as folds.group_column",
        ),
        (
            {"datasets": {"a": CSV | {"group": "duplicates", "image_px": 27}}},
            "for which image_px 27 is too small; choose 28 or more, or remove group",
        ),
        (
            {"datasets": {"a": CSV | {"group": "patients"}}},
            "group' is 'patients'; allowed are duplicates, null",
        ),
        (
            {"datasets": {"a": {"kind": "phantom", "folds": {"k": 3, "group_column": "g"}}}},
            "kind phantom has no table; remove it",
        ),
        (
            {"datasets": {"a": {"kind": "phantom", "folds": {"k": 3, "file": "f.csv"}}}},
            "the data set has no root; draw the folds",
        ),
        (
            {
                "datasets": {
                    "a": {"kind": "chexpert", "root": "x", "folds": {"k": 3}}
                    | {"test_split": "valid", "validation_share": 0.1}
                }
            },
            "folds pool the official splits, so test_split and validation_share have no meaning",
        ),
        (
            {"datasets": {"a": CSV | {"split": {"random": {"valid": 0.6, "test": 0.6}}}}},
            ["'a'", "1.2 of the patients"],
        ),
        (
            {"datasets": {"a": CSV | {"label_separator": "|", "task_kind": "multiclass"}}},
            "task_kind multiclass takes one class per cell as written, so label_separator has",
        ),
        (
            {"datasets": {"a": CSV | {"label_values": {"yes": 1}, "task_kind": "multiclass"}}},
            "so label_values has no meaning; remove it",
        ),
        (
            {"datasets": {"a": CSV | {"label_columns": ["x", "y"], "label_separator": "|"}}},
            "label_separator takes the labels in one column",
        ),
        (
            {"datasets": {"a": CSV | {"no_label": "No Finding"}}},
            "no_label belongs to label_separator",
        ),
        (
            {"datasets": {"a": CSV | {"label_columns": ["x", "y"], "task_kind": "multiclass"}}},
            ["'a'", "one column", "has 2"],
        ),
        (
            {"datasets": {"a": {"kind": "phantom", "smooth_range": [0.9, 0.1]}}},
            ["'a'", "reversed"],
        ),
        (
            {
                "pretrainings": {
                    "p": {"kind": "file", "path": "x.pth", "key_rule": {"drop": ["("]}},
                }
            },
            ["'p'", "not a regular expression"],
        ),
        (
            {
                "pretrainings": {
                    "p": {"kind": "file", "path": "x", "key_rule": {"rename": [["(a)", r"\2"]]}},
                }
            },
            ["'p'", "replacement", "invalid group reference 2"],
        ),
        ({"recipe": {"batch_size": 4, "accumulate": 4}}, ["finetune", "one image"]),
        ({"recipe": {"train_share": 0.5, "train_count": 9}}, ["train_share and train_count"]),
        (
            {"recipe": {"train_share": 0.5, "train_patients": 9}},
            "train_patients and train_share ex",
        ),
        (
            {"recipe": {"train_count": 5, "train_patients": 9}},
            "train_patients and train_count excl",
        ),
        ({"recipe": {"train_patients": 0}}, ["train_patients' is 0", "at least 1"]),
        ({"recipe": {"train_patients": [5, 0]}}, ["train_patients[1]' is 0", "at least 1"]),
        ({"recipe": {"train_patients": []}}, ["train_patients' has 0 entries"]),
        ({"recipe": {"train_patients": [5, 5]}}, ["train_patients' lists 5 twice"]),
        ({"recipe": {"train_patients": 0.5}}, ["train_patients", "whole number"]),
        (phased(ENDLESS), ["'finetune'", "phase 2 (all) has no end", "epochs, patience or both"]),
        (phased(PATIENT, schedule="cosine"), ["phase 1 (head)", "(cosine)", "epochs as well"]),
        (phased(PATIENT, warmup_fraction=0.1), ["phase 1 (head)", "(a warm-up)", "constant"]),
        (phased({}), ["phases[0]", "lacks the setting 'train_layers'"]),
        (phased({"train_layers": "tail"}), ["phases[0].train_layers", "last_<k>"]),
        (phased({**PATIENT, "norms": "off"}), ["phases[0].norms", "train, frozen, calibrate"]),
        (phased({**PATIENT, "rate": 0.1}), ["phases[0]", "'rate'", "learning_rate"]),
        (phased(), ["recipe.phases", "at least 1 are needed"]),
        (phased([PATIENT] * 101), ["has 101 entries", "at most 100 are allowed"]),
        (phased("head"), ["phases[0]", "'head', not a mapping"]),
        (phased({**PATIENT, "epochs": "3"}), ["phases[0].epochs", "'3', not a number; write 3"]),
        (
            phased({**PATIENT, "epochs": datetime.date(2020, 1, 1)}),
            ["phases[0].epochs", "is a date"],
        ),
        (phased({**PATIENT, "train_layers": "last_1\n"}), ["phases[0].train_layers", "last_<k>"]),
        ({"recipe": {"phases": {"head": 1}}}, ["recipe.phases", "a mapping, not a list"]),
        ({"recipe": {"frozen_prefix": True}}, ["frozen_prefix", "auto, stored, computed"]),
        (phased(PATIENT, epochs=3), "recipe gives epochs, but each of its phases says that"),
        (phased(PATIENT, train_layers="all"), "recipe gives train_layers, but each"),
        (
            {**phased(PATIENT), "protocols": {"long": {"patience": 3}}},
            "protocols.long gives patience, but each of its phases says that for itself",
        ),
        (
            {**phased({**PATIENT, "learning_rate": 0.1}), "protocols": {"x": {"learning_rate": 1}}},
            "protocols.x gives learning_rate, but each of its phases",
        ),
        (
            phased(
                {**PATIENT, "learning_rate": 0.1}, tune={"learning_rates": [0.1, 0.2], "epochs": 1}
            ),
            "tune finds the rate of phases that give none, but every phase gives its",
        ),
    ],
)
def test_a_fault_is_one_sentence_that_names_it(
    tmp_path: Path, change: dict[str, Any], words: str | list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        load_study(write(tmp_path, changed(**change)))
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert "study.yaml" in message
    for word in [words] if isinstance(words, str) else words:
        assert word in message


def test_faults_of_the_file_itself(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_study(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not valid YAML"):
        load_study(tmp_path / "broken.yaml")
    (tmp_path / "twice.yaml").write_text("name: a\nname: b\n")
    with pytest.raises(UserError, match="line 2 names the key 'name' a second time"):
        load_study(tmp_path / "twice.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(UserError, match="not a mapping"):
        load_study(tmp_path / "list.yaml")


def test_overrides_are_merged_and_checked(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    study = load_study(path, {"datasets": {"films": {"patients": 33}}, "device": "cpu"})
    assert study.config["datasets"]["films"]["patients"] == 33
    assert study.config["datasets"]["films"]["kind"] == "phantom"
    with pytest.raises(UserError, match="no setting 'sedes'"):
        load_study(path, {"sedes": 3})


def test_anchors_and_merge_keys_are_yaml(tmp_path: Path) -> None:
    text = yaml.safe_dump(SMALL).replace("datasets:\n  films:", "datasets:\n  films: &films")
    text = text.replace("grid:", "protocols: {}\ngrid:", 1)
    path = tmp_path / "study.yaml"
    block = "datasets:\n  base: &base {kind: phantom}\n  films: {<<: *base, patients: 30}\n"
    start, end = text.index("datasets:\n  films"), text.index("protocols")
    path.write_text(text[:start] + block + text[end:])
    assert load_study(path).config["datasets"]["films"]["patients"] == 30


@pytest.mark.parametrize(
    "path", [PROJECT / "config.yaml", *sorted((PROJECT / "studies").glob("*.yaml"))], ids=str
)
def test_shipped_studies_are_valid(path: Path) -> None:
    assert load_study(path).config["title"]
