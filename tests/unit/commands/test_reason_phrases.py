"""Phrases that tell what became of a setting, a table or a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from transfergrid.commands import reasons
from transfergrid.commands.reason_words import flat, shown
from transfergrid.commands.reasons import setting_phrases, table_phrase
from transfergrid.commands.stage_reasons import stage_phrases

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


def test_a_change_of_slices_is_told_once() -> None:
    def spec(**dataset: Any) -> dict[str, Any]:
        return {"cell": {**POINT}, "dataset": {"kind": "csv", **dataset}}

    axial = {"nifti": {"slice": "slice", "axis": "axial"}, "nifti_code": "0a"}
    other = {**axial, "nifti_code": "0b"}
    told = ["data set films: the code that reads NIfTI changed"]
    assert list(setting_phrases(spec(**axial), spec(**other))) == told
    coronal = {**axial, "nifti": {"slice": "slice", "axis": "coronal"}}
    told = ["data set films: nifti axis axial → coronal"]
    assert list(setting_phrases(spec(**axial), spec(**coronal))) == told
    assert not any("nifti_code" in told for told in setting_phrases(spec(), spec(**axial)))


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
        ({"benchmarks": [["drift", "{drift_id}.tsv", ["a"]]]}, ["other jobs are measured"]),
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


def test_parts_that_come_and_go_are_told_as_wholes() -> None:
    asked = {"cells": ["a", "b"], "specificity": 0.9}
    none, some = {**OLD, "curves": {}, "mistaken": {}}, {**OLD, "curves": asked, "mistaken": asked}
    come = ["curves are asked for", "films of errors are asked for"]
    assert stage_phrases(none, some) == come
    gone = [phrase.replace("are", "are not", 1) + " any more" for phrase in come]
    assert stage_phrases(some, none) == gone
    other = {**some, "curves": {**asked, "specificity": 0.8}}
    assert stage_phrases(some, other) == ["curves specificity 0.9 → 0.8"]
