"""A default that is written out says nothing: the study is the same one, and so are its cells."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from unit.training.disc_cells import study as study_of_discs

from transfergrid.catalog.conventions import declared_input
from transfergrid.catalog.kinds import DATASET_KINDS, PRETRAINING_KINDS
from transfergrid.planning.cells import CellBuilder
from transfergrid.planning.schema import study_schema
from transfergrid.planning.study import load_study, merge
from transfergrid.runtime.hashing import canonical_json

SPLIT = {"random": {"valid": 0.1, "test": 0.2}}
GIVEN: dict[str, Any] = {
    "root": "films",
    "table": "films.csv",
    "image_column": "image",
    "label_columns": ["edema"],
    "structures": ["lung"],
    "layers": [
        {"structures": ["lung"], "files": ["mask"]},
        {"structures": ["heart"], "observers": [{"files": ["one"]}, {"files": ["two"]}]},
        {
            "structures": ["clavicle"],
            "runs": {"table": "t", "image_column": "i", "runs_column": "r", "form": "absolute"},
        },
        {"structures": ["rib"], "coco": {"file": "masks.json"}},
    ],
    "path": "weights.pth",
    "release": "moco_v2",
    "of": "file",
    "derive": [{"keep": "statistics"}],
    "dataset": "phantom",
    "protocol": "finetune",
}
"""What a study must say, by key."""
DIVIDED: dict[str, Any] = {
    "csv": {"split": SPLIT},
    "mask_table": {"split": SPLIT, "field_of_view": {"files": ["view"]}},
}
RECIPES: dict[str, Any] = {
    "finetune": {},
    "tuned": {"tune": {"learning_rates": [0.001, 0.01], "epochs": 1}},
    "phased": {"phases": [{"train_layers": "head", "epochs": 1}]},
}


def short() -> dict[str, Any]:
    """A study with every kind of data set and of weights that says no more than it must."""
    parts = study_schema()["$defs"]
    datasets = {kind.name: needed(parts[kind.name], kind.name) for kind in DATASET_KINDS}
    datasets["in_folds"] = {**datasets["csv"], "folds": {"k": 5}}
    for name, more in DIVIDED.items():
        datasets[name] |= more
    by_column = {"column": "part", "train": ["a"], "valid": ["b"], "test": ["c"]}
    datasets["by_column"] = {**datasets["csv"], "split": by_column}
    datasets["own"] = {"kind": "mine.films:read"}
    weights = {k.name: needed(parts[k.schema or k.name], k.name) for k in PRETRAINING_KINDS}
    weights["own"] = {"kind": "mine.weights:fetch"}
    weights["told"] = {"kind": "random", "input": {"mean": [0, 0, 0], "std": [1, 1, 1]}}
    return {
        "name": "short",
        "datasets": datasets,
        "pretrainings": weights,
        "architectures": {
            "own": {"factory": "mine.networks:build"},
            "padded": {"of": "lcnet_050", "options": {"pad_type": "same"}},
        },
        "metrics": {
            "own": {"function": "mine.metrics:mean", "task_kinds": ["multilabel"]},
            "cut": {"of": "sensitivity"},
        },
        "protocols": RECIPES,
        "grid": [{"datasets": ["csv"], "architectures": ["lcnet_050"], "pretrainings": ["random"]}],
        "cams": {},
        "similarity": {},
        "weights": {"reset": {}},
    }


def needed(part: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"kind": kind} | {key: GIVEN[key] for key in part.get("required", ()) if key != "kind"}


def written_out(part: Any, value: Any) -> Any:
    """Return a value with every default in it that a part of the schema has, read as a standard.

    Of protocols the base recipe's values are the defaults, which are not these.
    """
    root = study_schema()
    if "$ref" in part:
        value = written_out(root["$defs"][part["$ref"].removeprefix("#/$defs/")], value)

    def valid(form: Any, of: Any) -> bool:
        return bool(Draft202012Validator({**form, "$defs": root["$defs"]}).is_valid(of))

    for branch in part.get("allOf", ()):
        if valid(branch.get("if", {}), value):
            value = written_out(branch.get("then", branch), value)
    for form in (*part.get("anyOf", ()), *part.get("oneOf", ())):
        if valid(form, value):
            value = written_out(form, value)
            break
    if isinstance(value, list):
        return [written_out(part.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    own = part.get("properties", {})
    filled = dict(value)
    for key, each in own.items():
        if key not in filled and "default" in each and valid(each, each["default"]):
            filled[key] = copy.deepcopy(each["default"])
    rest = part.get("additionalProperties", {})
    rest = rest if isinstance(rest, dict) and not rest.get("x-partial") else {}
    return {key: written_out(own.get(key, rest), item) for key, item in filled.items()}


def loaded(folder: Path, content: dict[str, Any]) -> Any:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_study(path)


def test_a_study_with_every_default_written_out_is_the_same_study(tmp_path: Path) -> None:
    brief = short()
    long = written_out(study_schema(), brief)
    assert long["datasets"]["mask_table"]["layers"][0]["blank"] == "refuse"
    assert long["datasets"]["csv"]["split"]["seed"] == 0
    one, other = loaded(tmp_path, brief), loaded(tmp_path, long)
    for study in (one, other):
        for weights in study.config["pretrainings"].values():
            weights |= declared_input(weights)
    for section in one.config:
        assert canonical_json(other.config[section]) == canonical_json(one.config[section]), section
    assert (other.recipes, other.decoders) == (one.recipes, one.decoders)


def test_a_protocol_that_repeats_the_base_recipe_is_the_same(tmp_path: Path) -> None:
    base = loaded(tmp_path, short()).config["recipe"]
    for name, own in RECIPES.items():
        shared = {"train_layers", "epochs", "patience", "phases"} if own.get("phases") else set()
        again = {key: value for key, value in base.items() if key not in shared}
        whole = loaded(tmp_path, {**short(), "protocols": {**RECIPES, name: {**again, **own}}})
        assert whole.recipes == loaded(tmp_path, short()).recipes, name


LOSSES: tuple[dict[str, Any], ...] = (
    {},
    {"dice": {}},
    {"dice": {"form": "plain"}},
    {"dice": {"over": "image"}},
    {"dice": {"form": "plain", "over": "image"}},
)


def cells_of(folder: Path, exclusive: bool, *recipes: dict[str, Any]) -> list[list[str]]:
    """Return the names of the cells, trials included, of a study with each of some recipes."""
    found = []
    for recipe in recipes:
        path = study_of_discs(folder)
        changes = {"datasets": {"discs": {"exclusive": exclusive}}, "recipe": recipe}
        path.write_text(yaml.safe_dump(merge(yaml.safe_load(path.read_text()), changes)))
        builder = CellBuilder(load_study(path))
        builder.targets()
        found.append([cell.name for cell in builder.cells.values()])
    return found


@pytest.mark.parametrize("tune", [None, {"learning_rates": [0.001, 0.01], "epochs": 1}])
@pytest.mark.parametrize(("exclusive", "usual"), [(False, "bce"), (True, "cross_entropy")])
def test_the_usual_loss_of_masks_written_out_names_the_same_cells(
    exclusive: bool, usual: str, tune: dict[str, Any] | None, tmp_path: Path
) -> None:
    same = [
        {**dice, **loss, "tune": tune}
        for loss, dice in itertools.product(({}, {"loss": f"{usual}+dice"}), LOSSES)
    ]
    names = cells_of(tmp_path, exclusive, *same)
    assert all(name == names[0] for name in names)
    assert len(names[0]) == (1 if tune is None else 3)
    squared = [
        {"dice": {"form": "squared", **more}, "tune": tune} for more in ({}, {"over": "image"})
    ]
    others = cells_of(tmp_path, exclusive, *squared, {"loss": "dice", "tune": tune})
    assert others[0] == others[1]
    assert len({tuple(name) for name in (names[0], *others)}) == 3


def test_a_recipe_that_leaves_the_loss_out_is_written_as_it_was(tmp_path: Path) -> None:
    path = study_of_discs(tmp_path, recipe={"loss": "bce+dice", "dice": {"over": "image"}})
    (cell,) = CellBuilder(load_study(path)).targets()
    spec = json.loads(cell.spec)
    assert canonical_json(spec["recipe"]) == AS_IT_WAS


AS_IT_WAS = (
    '{"accumulate":1,"augmentation":{"brightness":0,"contrast":0,"crop_scale_min":1,'
    '"flip_probability":0.5,"noise":0,"rotate_degrees":10,"scale":0,"translate":0.1},'
    '"batch_size":8,"clip_grad_norm":null,"deterministic":true,"frozen_prefix":"auto","holdout":0,'
    '"keep_checkpoints":3,"momentum":0.9,"optimizer":"adam","phases":[{"epochs":3,'
    '"learning_rate":0.003,"norms":"train","patience":null,"train_layers":"all"}],'
    '"precision":"fp32","schedule":"constant","train_count":null,"train_share":1,"tune":null,'
    '"validate_every_examples":null,"warmup_fraction":0,"weight_decay":0}'
)
