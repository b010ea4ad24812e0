from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands import reasons
from transfergrid.commands.reasons import (
    Reasons,
    flat,
    setting_phrases,
    shown,
    stage_phrases,
    table_phrase,
)
from transfergrid.commands.state import cell_states
from transfergrid.planning import cells
from transfergrid.planning.fingerprint import cell_modules
from transfergrid.planning.naming import cell_name
from transfergrid.planning.plan import Plan

RESULTS = Path("results")


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def why(changes: Mapping[str, Any], part: str = "textures-drop1") -> tuple[str, ...]:
    """Finish the study, change it, and ask for the reasons of one cell."""
    made.finish(made.plan(Path()), RESULTS)
    return reason(made.plan(Path(), changes), part)


def reason(changed: Plan, part: str) -> tuple[str, ...]:
    name = next(name for name in changed.cells if part in name)
    return Reasons(changed).of(changed.cells[name], cell_states(changed)[name].predecessors)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"protocols": {"finetune": {"learning_rate": 3e-4}}}, ("learning rate 1e-3 → 3e-4",)),
        ({"protocols": {"finetune": {"train_count": 40}}}, ("train count none → 40",)),
        ({"protocols": {"finetune": {"train_patients": 40}}}, ("train patients none → 40",)),
        (
            {"protocols": {"finetune": {"augmentation": {"flip_probability": 0.5}}}},
            ("augmentation flip probability 0 → 0.5",),
        ),
        (
            {"datasets": {"films": {"image_px": 96}}},
            ("data set films: image px 32 → 96",),
        ),
        (
            {
                "datasets": {"films": {"uncertain": "ones"}},
                "protocols": {"finetune": {"epochs": 3}},
            },
            ("data set films: uncertain ignore → ones", "epochs 1 → 3"),
        ),
        ({"protocols": {"source": {"epochs": 5}}}, ("source: epochs 2 → 5",)),
        (
            {"recipe": {"batch_size": 8}},  # told once, though the source has it too
            ("batch size 16 → 8",),
        ),
    ],
)
def test_a_changed_setting_is_named(changes: Mapping[str, Any], expected: tuple[str, ...]) -> None:
    assert sorted(why(changes)) == sorted(expected)


HEAD = {"train_layers": "head", "epochs": 1}
ALL = {"train_layers": "all", "epochs": 2}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"phases": [HEAD, ALL]}, ("phases 1 → 2",)),
        ({"phases": [HEAD, ALL]}, {"phases": [HEAD]}, ("phases 2 → 1",)),
        (
            {"phases": [HEAD, ALL]},
            {"phases": [{**HEAD, "norms": "frozen"}, {**ALL, "learning_rate": 3e-4}]},
            ("phase 1 norms train → frozen", "phase 2 learning rate 1e-3 → 3e-4"),
        ),
        ({}, {"norms": "frozen"}, ("norms train → frozen",)),
    ],
)
def test_a_changed_phase_is_named(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[str, ...]
) -> None:
    made.finish(made.plan(Path(), {"protocols": {"finetune": before}}), RESULTS)
    changed = made.plan(Path(), {"protocols": {"finetune": after}})
    assert sorted(reason(changed, "random-drop0-finetune-")) == sorted(expected)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"tune": made.TUNE}, "learning rate tuned over 1e-4, 1e-3"),
        ({"tune": made.TUNE}, {}, "learning rate given, not tuned over 1e-4, 1e-3"),
        (
            {"tune": made.TUNE},
            {"tune": {**made.TUNE, "learning_rates": [1e-4, 3e-4]}},
            "tune learning rates 1e-4, 1e-3 → 1e-4, 3e-4",
        ),
        ({"tune": made.TUNE}, {"tune": {**made.TUNE, "epochs": 2}}, "tune epochs 0.5 → 2"),
        ({"tune": made.TUNE}, {"tune": made.TUNE, "batch_size": 8}, "batch size 16 → 8"),
    ],
)
def test_a_changed_tuning_is_named(
    before: dict[str, Any], after: dict[str, Any], expected: str
) -> None:
    made.finish(made.plan(Path(), {"protocols": {"finetune": before}}), RESULTS)
    changed = made.plan(Path(), {"protocols": {"finetune": after}})
    assert reason(changed, "random-drop0-finetune-") == (expected,)


def spec_of(planned: Plan, part: str) -> tuple[str, dict[str, Any]]:
    name = next(name for name in planned.cells if part in name)
    return name, json.loads(planned.cells[name].spec)


def with_phase(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a specification whose recipe has other settings in its only phase."""
    (only,) = spec["recipe"]["phases"]
    return {**spec, "recipe": {**spec["recipe"], "phases": [{**only, **changes}]}}


def put_on_disk(spec: dict[str, Any], record: Mapping[str, Any], seconds: float = 1e9) -> None:
    """Write a trained cell of any specification."""
    folder = RESULTS / "cells" / cell_name(spec)
    folder.mkdir(parents=True)
    made.write(folder / "spec.json", spec)
    made.write(folder / "train.json", {**made.RECORD, **record})
    os.utime(folder / "train.json", (seconds, seconds))


def test_settings_that_an_earlier_format_lacked_have_their_defaults() -> None:
    planned = made.plan(Path())
    name, spec = spec_of(planned, "random-drop0-finetune")
    old = json.loads(json.dumps(spec))
    (only,) = old["recipe"].pop("phases")  # as recipes were before they had phases
    old["recipe"] |= {key: only[key] for key in ("train_layers", "learning_rate", "epochs")}
    for key in ("holdout", "deterministic", "tune"):
        del old["recipe"][key]
    del old["recipe"]["augmentation"]["noise"]
    del old["dataset"]["uncertain"], old["dataset"]["aggregate"]
    assert list(setting_phrases(old, spec)) == []
    old["code"]["train"] = "0" * 16
    put_on_disk(old, {})
    predecessors = (cell_name(old),)
    (told,) = Reasons(planned).of(planned.cells[name], predecessors)
    assert told.startswith("training code changed")
    # Where the missing setting is not the default, that is told.
    held = with_phase(spec, patience=4)
    held["recipe"]["holdout"] = 0.2
    assert set(setting_phrases(old, held)) == {"holdout 0 → 0.2", "patience none → 4"}


def test_the_nearest_predecessor_is_compared_then_the_newest() -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    for seconds, changes in (
        (3e8, {"learning_rate": 2e-3, "epochs": 9}),
        (1e8, {"learning_rate": 4e-3}),
        (2e8, {"learning_rate": 5e-3}),
    ):
        put_on_disk(with_phase(spec, **changes), {}, seconds)
    assert reason(planned, "random-drop0-finetune") == ("learning rate 5e-3 → 1e-3",)


def test_changed_modules_are_named_where_they_were_recorded() -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    modules = cell_modules("phantom")
    modules["train"]["training.loop"] = "0" * 8
    del modules["train"]["training.freezing"]
    modules["train"]["training.gone"] = "1" * 8
    modules["prepare"]["command"] = "2" * 8
    modules["prepare"]["workflow/scripts/prepare.py"] = "2" * 8
    code = {**spec["code"], "train": "3" * 16, "prepare": "4" * 16}
    put_on_disk({**spec, "code": code}, {"environment": {"modules": modules}})
    assert reason(planned, "random-drop0-finetune") == (
        "data code changed: the rule's command, workflow/scripts/prepare.py",
        "training code changed: training/freezing.py, training/gone.py, training/loop.py",
    )


@pytest.mark.parametrize(
    ("metric", "code", "expected"),
    [
        ({"name": "brier"}, "0" * 16, ("metric brier → auroc",)),
        ({"estimate": "mine:auroc"}, "0" * 16, ("metric auroc is another one now",)),
        ({"settings": {"clip": 0.1}}, "0" * 16, ("metric auroc is another one now",)),
        ({}, "0" * 16, ("code of its metric changed",)),
        (None, "", ("seed 9 → 0",)),
    ],
)
def test_a_changed_metric_is_told(
    metric: Mapping[str, Any] | None, code: str, expected: tuple[str, ...]
) -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    old = {**spec, "code": {**spec["code"], "metric": code}}
    if metric is None:  # as an earlier version wrote it
        del old["metric"], old["code"]["task"], old["code"]["metric"]
        old["seed"] = 9
    else:
        old["metric"] = {**spec["metric"], **metric}
    put_on_disk(old, {})
    assert reason(planned, "random-drop0-finetune") == expected


@pytest.mark.parametrize("record", [{}, {"environment": None}, {"environment": {"modules": {}}}])
def test_an_old_record_names_no_modules(record: Mapping[str, Any]) -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    put_on_disk({**spec, "code": {**spec["code"], "train": "3" * 16}}, record)
    assert reason(planned, "random-drop0-finetune") == ("training code changed",)


def test_another_way_to_choose_a_rate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"tune": {"learning_rates": [1e-3, 1e-2], "epochs": 1, "holdout": 0.3}}
    changes = {"protocols": {"finetune": rates}}
    made.finish(made.plan(Path(), changes), RESULTS)
    real = cells.tuning_hash
    monkeypatch.setattr(cells, "tuning_hash", lambda trials: real(trials)[::-1])
    told = reason(made.plan(Path(), changes), "random-drop0-finetune")
    assert told == ("the code that chooses a learning rate changed",)


@pytest.mark.parametrize("damaged", ["{", "[1]", '{"a": 1}', '{"code": 5}', "5"])
def test_a_specification_that_cannot_be_read_says_so(damaged: str) -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "random-drop0-finetune")
    put_on_disk({**spec, "seed": 7}, {})
    next(RESULTS.glob("cells/*/spec.json")).write_text(damaged)
    assert reason(planned, "random-drop0-finetune") == ("its earlier spec.json cannot be read",)


def test_a_source_that_is_gone_is_told() -> None:
    planned = made.plan(Path())
    _, spec = spec_of(planned, "textures-drop0")
    spec["weights"]["source_cell"] = "textures-lcnet_050-random-drop0-source-seed0-00000000"
    put_on_disk(spec, {})
    assert reason(planned, "textures-drop0") == ("the cell that it starts from changed",)


WEIGHTS = {"kind": "file", "id": "a", "source_cell": None, "sha256": "1" * 64, "format": "x"}
POINT = {"dataset": "films", "architecture": "net", "pretraining": "released"}


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ("0a", "0b", "the code that reads DICOM changed"),
        (None, "0b", "files may be DICOM"),
        ("0a", None, "files may not be DICOM any more"),
    ],
)
def test_a_change_of_dicom_is_told(then: str | None, now: str | None, expected: str) -> None:
    cell = {"dataset": "films", "architecture": "net", "pretraining": "random"}

    def spec(code: str | None) -> dict[str, Any]:
        return {"cell": cell, "dataset": {"kind": "csv"} | ({"dicom": code} if code else {})}

    assert list(setting_phrases(spec(then), spec(now))) == [f"data set films: {expected}"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sha256": "2" * 64, "id": "b"}, ["weight file of pretraining released changed"]),
        ({"id": "b"}, []),
        ({"format": "y"}, ["pretraining released: format x → y"]),
        ({"code": "z"}, ["pretraining released: its code changed"]),
        ({"kind": "random", "sha256": None}, ["pretraining released: kind file → random"]),
    ],
)
def test_changes_of_weights(change: Mapping[str, Any], expected: list[str]) -> None:
    old = {"cell": POINT, "weights": WEIGHTS}
    assert list(setting_phrases(old, {**old, "weights": {**WEIGHTS, **change}})) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["dataset.tables.train.csv"], "labels of data set films changed: train.csv"),
        (["dataset.tables.train_labels.npy"], "labels of data set films changed"),
        (["dataset.tables.train_images.npy"], "images of data set films changed"),
        (
            ["dataset.tables.train_images.npy", "dataset.tables.train_labels.npy"],
            "labels of data set films changed",
        ),
    ],
)
def test_changes_of_label_tables(keys: list[str], expected: str) -> None:
    assert table_phrase("films", keys) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e-4, "1e-4"),
        (0.00025, "2.5e-4"),
        (-0.003, "-3e-3"),
        (0.1, "0.1"),
        (0, "0"),
        (1000, "1000"),
        (None, "none"),
        (True, "true"),
        ([], "none"),
        (["a", 2], "a, 2"),
        ("x" * 50, "x" * 37 + "..."),
    ],
)
def test_values_are_shown_briefly(value: Any, expected: str) -> None:
    assert shown(value) == expected


def test_flat_keeps_empty_mappings_and_lists() -> None:
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def cell(name: str) -> dict[str, str]:
    return {"cell": name, "architecture": name[0]}


OLD: dict[str, Any] = {
    "code": "1",
    "cells": [cell("a-1"), cell("b-1")],
    "evaluation": {"bootstrap": {"replicates": 1000}, "selections": ["best"], "primary": "best"},
    "questions": [{"name": "q", "x": 1}],
    "templates": {"page.css": "1"},
    "title": "T",
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"code": "2"}, ["code changed"]),
        (
            {"evaluation": {**OLD["evaluation"], "bootstrap": {"replicates": 2000}}},
            ["bootstrap replicates 1000 → 2000"],
        ),
        (
            {"evaluation": {**OLD["evaluation"], "selections": ["last"], "primary": "last"}},
            ["selections best → last"],
        ),
        ({"cells": [cell("a-2"), cell("c-1")]}, ["cells: 1 added, 1 removed, 1 replaced"]),
        ({"cells": [cell("b-1"), cell("a-1")]}, ["cells: in a different order"]),
        (
            {"questions": [{"name": "q", "x": 2}, {"name": "r"}]},
            ["question r added", "question q changed"],
        ),
        ({"templates": {"page.css": "2", "new.js": "1"}}, ["new.js changed", "page.css changed"]),
        ({"title": "U"}, ["title changed"]),
        ({"resolved": {"x": 1}}, ["settings of the study changed"]),
    ],
)
def test_changes_of_a_stage(change: Mapping[str, Any], expected: list[str]) -> None:
    assert stage_phrases(OLD, {**OLD, **change}) == expected


def test_nothing_changed_gives_no_phrase() -> None:
    assert stage_phrases(OLD, dict(OLD)) == []


def test_other_cells_are_told_by_the_stage_that_gathers_them() -> None:
    assert stage_phrases({**OLD, "gathered": "a"}, {**OLD, "gathered": "b"}) == []


def test_cells_are_counted_where_a_stage_has_but_their_names() -> None:
    name = "films-net-random-drop0-fine-seed{}-{:08x}".format
    old, new = [name(0, 1), name(1, 2), name(2, 3)], [name(0, 1), name(1, 9), name(3, 4)]
    told = stage_phrases({"targets": old}, {"targets": new})
    assert told == ["cells: 1 added, 1 removed, 1 replaced"]


def test_metrics_tables_and_maps_are_told_by_name() -> None:
    old = {"metrics": {"auroc": {"code": "a"}}, "columns": {"cells": ["cell"]}, "cams": []}
    new = {
        "metrics": {"auroc": {"code": "b"}, "brier": {}},
        "columns": {"scores": []},
        "cams": ["a"],
    }
    assert stage_phrases({**OLD, **old}, {**OLD, **new}) == [
        "metric brier added",
        "metric auroc changed",
        "table cells removed",
        "table scores added",
        "other cells have maps",
    ]


def test_modules_are_files_under_the_package() -> None:
    assert reasons.file_of("training.loop") == "training/loop.py"
