"""What a study asks of its data after training is checked by doctor, in the jobs' own sentences."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from datasets.chexpert.make import make
from datasets.csv.make import make as make_films
from unit.commands.test_checks_study import STUDY
from unit.data.discs import discs
from unit.planning.made_up_plan import grid, planned
from unit.reporting.grouped_study import SPLIT, films, study

from transfergrid.commands import doctor
from transfergrid.commands.checks_asked import (
    CHECKS,
    check_external,
    check_groups,
    check_maps,
    check_observers,
    check_spacing,
)
from transfergrid.commands.main import main
from transfergrid.commands.probe import Probe
from transfergrid.commands.remarks import Remark
from transfergrid.commands.tables_read import TablesRead
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.atomic import write_json

Check = Callable[[PlannedStudy, TablesRead], Any]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def told(check: Check, made: PlannedStudy, results: Path) -> list[Remark]:
    return list(check(made, TablesRead(results)))


def errors(check: Check, made: PlannedStudy, results: Path) -> list[str]:
    return [one.told for one in told(check, made, results) if one.level == "error"]


# --- groups of films ---


def test_bands_that_cut_words_are_refused(tmp_path: Path, results: Path) -> None:
    made = study(tmp_path, films(10), [{"column": "sex", "bands": [40]}])
    (error,) = errors(check_groups, made, results)
    assert "column 'sex' of data set 'table-" in error
    assert error.endswith("is no number, which no band holds; correct it, or leave bands out.")


def test_every_faulty_column_is_told_and_the_others_are_counted(
    tmp_path: Path, results: Path
) -> None:
    table = films(60).assign(number=range(120))
    asked = [{"column": "sex"}, {"column": "number"}, {"column": "view", "bands": [2]}]
    found = told(check_groups, study(tmp_path, table, asked), results)
    assert [one.level for one in found] == ["error", "error", "ok"]
    assert "column 'number'" in found[0].told and "has 120 groups" in found[0].told
    assert "column 'view'" in found[1].told
    assert found[2].told == "groups of data set 'table': 2 by 'sex'."


def test_a_column_that_a_table_of_parquet_lacks_is_refused(tmp_path: Path, results: Path) -> None:
    # Planning opens no such table.
    films(10).to_parquet(tmp_path / "films.parquet")
    data: dict[str, Any] = {"kind": "csv", "root": str(tmp_path), "table": "films.parquet"}
    data["split"] = SPLIT
    data |= {"image_column": "image", "label_columns": ["mass"], "patient_column": "patient"}
    axes = grid(datasets=["table"], pretrainings=["random"], truncations=[0], seeds=[0])
    asked = {"datasets": {"table": data}, "subgroups": [{"column": "sax"}]}
    made = planned(tmp_path, {**asked, **axes})
    (error,) = errors(check_groups, made, results)
    assert "has no column 'sax' (films.parquet)" in error


@pytest.mark.parametrize(
    ("values", "lack"),
    [("F", "is in one group by 'sex'"), ("", "has no value by 'sex'")],
)
def test_a_column_without_two_groups_is_a_warning(
    tmp_path: Path, results: Path, values: str, lack: str
) -> None:
    made = study(tmp_path, films(10).assign(sex=values), [{"column": "sex"}])
    warning, ok = told(check_groups, made, results)
    assert (warning.level, ok.level) == ("warning", "ok")
    assert f"every film of data set 'table' {lack}" in warning.told


def test_nothing_is_read_where_nothing_is_asked(tmp_path: Path, results: Path) -> None:
    made = study(tmp_path, films(10), None)
    (tmp_path / "films.csv").unlink()
    assert not [one for check in CHECKS.values() for one in told(check, made, results)]
    asked = {check_groups, check_external, check_maps, check_observers, check_spacing}
    assert asked <= set(CHECKS.values())  # which doctor makes, each of every study


def test_faults_that_were_told_are_not_told_again(tmp_path: Path, results: Path) -> None:
    made = study(tmp_path, films(10), [{"column": "sex", "bands": [40]}])
    faulty = [made.datasets["table"].id]
    assert not list(check_groups(made, TablesRead(results, faulty)))


# --- other hospitals ---


def elsewhere(folder: Path, other: dict[str, Any], tasks: Any = None) -> PlannedStudy:
    block = {"tested_on": ["other"], "tasks": tasks}
    return planned(folder, {"datasets": {"other": other}, "external": [block]})


DRAWN = {"kind": "phantom", "image_px": 64, "seed": 5, "patients": 10}


def test_a_task_that_two_data_sets_do_not_share_is_refused(tmp_path: Path, results: Path) -> None:
    (error,) = errors(check_external, elsewhere(tmp_path, DRAWN, ["foo"]), results)
    assert "external names the task 'foo', which 'films' and 'other' do not share" in error
    (ok,) = told(check_external, elsewhere(tmp_path, DRAWN, ["edema"]), results)
    assert ok.level == "ok"


def test_prepared_cards_tell_the_tasks_without_the_tables(tmp_path: Path, results: Path) -> None:
    made = elsewhere(tmp_path, DRAWN)
    for name, tasks, kind in (("films", ["a", "b"], "multilabel"), ("other", ["c"], "multilabel")):
        card = {"dataset": name, "task_kind": kind, "tasks": tasks, "score_tasks": tasks}
        folder = cache_directory(made.datasets[name].id, results)
        write_json(folder / "card.json", card)
        write_json(folder / "receipt.json", {})
    (error,) = errors(check_external, made, results)
    assert "'other' has none of the scored tasks of 'films', a, b; it has c" in error
    write_json(folder / "card.json", card | {"task_kind": "multiclass"})
    (error,) = errors(check_external, made, results)
    assert "cells of 'films' are multilabel and data set 'other' is multiclass" in error


def test_classes_that_differ_are_refused(tmp_path: Path, results: Path) -> None:
    def hospital(name: str, classes: list[str]) -> dict[str, Any]:
        rows = [
            (f"{name}/{part}{n}.png", part, word)
            for part in ("train", "valid", "test")
            for n, word in enumerate(classes)
        ]
        table = pd.DataFrame(rows, columns=["image", "part", "sort"])
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        data = {"kind": "csv", "root": str(tmp_path), "table": f"{name}.csv", "split": SPLIT}
        data |= {"image_column": "image", "label_columns": ["sort"], "task_kind": "multiclass"}
        return data

    axes = grid(datasets=["own"], pretrainings=["random"], truncations=[0], seeds=[0])
    both = {"own": hospital("own", ["a", "b"]), "other": hospital("other", ["a", "c"])}
    block = {"tested_on": ["other"]}
    made = planned(tmp_path, {"datasets": both, "external": [block], **axes})
    (error,) = errors(check_external, made, results)
    assert "'other' must have the classes of 'own', a, b, and it has a, c; name both" in error


# --- activation maps ---


def test_maps_of_a_task_that_is_not_there_are_refused(tmp_path: Path, results: Path) -> None:
    data = {"films": {"kind": "phantom", "image_px": 64, "patients": 10}}
    made = planned(tmp_path, {"datasets": data, "cams": {"tasks": ["edma"]}})
    (error,) = errors(check_maps, made, results)
    assert "cams.tasks names 'edma' (did you mean 'edema'?), which data set 'films' does" in error
    assert not told(
        check_maps, planned(tmp_path, {"datasets": data, "cams": {"tasks": ["edema"]}}), results
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "does not hold masks by film and label"),
        ("{", "cannot be read as JSON"),
        ('{"patient1_study1_view1_frontal": {}}', "has none of the test films of films-"),
    ],
)
def test_regions_of_other_films_are_refused(
    tmp_path: Path, results: Path, content: str, sentence: str
) -> None:
    make(tmp_path, np.random.default_rng(0))
    (tmp_path / "regions.json").write_text(content)
    data = {"kind": "chexpert", "root": str(tmp_path)}
    data["regions"] = str(tmp_path / "regions.json")
    changes = {"datasets": {"films": data}, **grid(datasets=["films"]), "pretrainings": {}}
    made = planned(tmp_path, changes | {"cams": {}})
    (error,) = errors(check_maps, made, results)
    assert sentence in error
    manifest = TablesRead(results).manifest(made.datasets["films"])
    assert manifest is not None
    tested = manifest.table.loc[manifest.table["split"] == "test", "image_id"].iloc[0]
    known = tested.partition("/")[2].rpartition(".")[0].replace("/", "_")
    broken = {known: {"Cardiomegaly": {"counts": "?"}}}
    (tmp_path / "regions.json").write_text(json.dumps(broken))
    (error,) = errors(check_maps, planned(tmp_path, changes | {"cams": {}}), results)
    assert f"'Cardiomegaly' of {known} is not a mask" in error
    (tmp_path / "regions.json").write_text(json.dumps({known: {}}))
    assert not errors(check_maps, planned(tmp_path, changes | {"cams": {}}), results)


# --- masks ---


def masked(folder: Path, second: np.ndarray) -> PlannedStudy:
    """Plan a data set of discs with a second observer of the test films."""
    root = discs(folder / "discs.npz", {"train": 4, "val": 2, "test": 2})
    arrays = dict(np.load(root))
    more = {f"{s}_second": arrays[f"{s}_masks"] for s in ("train", "val")}
    np.savez(root, **arrays, **more, test_second=second)
    data = {"kind": "mask_npz", "root": str(root), "structures": ["disc"], "image_px": 32}
    axes = grid(datasets=["discs"], pretrainings=["random"], truncations=[0], seeds=[0])
    return planned(folder, {"datasets": {"discs": data | {"observers": ["second"]}}, **axes})


def test_masks_of_a_further_observer_are_opened(tmp_path: Path, results: Path) -> None:
    side = np.load(discs(tmp_path / "discs.npz", {"train": 1, "val": 1, "test": 2}))[
        "test_masks"
    ].shape[1]
    made = masked(tmp_path, np.zeros((2, side, side), np.uint8))
    (ok,) = told(check_observers, made, results)
    assert ok.told == "masks of the observers of data set 'discs': 2 of each film, 2 opened."
    (error,) = errors(check_observers, masked(tmp_path, np.zeros((2, 5, 5), np.uint8)), results)
    assert "masks of the observers of data set 'discs': arrays" in error
    strange = np.full((2, side, side), 77, np.uint8)
    (error,) = errors(check_observers, masked(tmp_path, strange), results)
    assert "2 are missing or broken; the first says:" in error and "77" in error


def test_spacing_of_a_table_of_parquet_is_read(tmp_path: Path, results: Path) -> None:
    rows = [(f"{part}.png", part, f"{part}_mask.png") for part in ("train", "valid", "test")]
    table = pd.DataFrame(rows, columns=["film", "part", "mask"])

    def made(**columns: Any) -> PlannedStudy:
        table.assign(**columns).to_parquet(tmp_path / "films.parquet")
        data: dict[str, Any] = {
            "kind": "mask_table",
            "root": str(tmp_path),
            "table": "films.parquet",
        }
        layer = {"structures": ["lung"], "files": ["mask"]}
        data |= {"image_column": "film", "split": SPLIT, "layers": [layer], "spacing": "mm"}
        axes = grid(datasets=["lungs"], pretrainings=["random"], truncations=[0], seeds=[0])
        return planned(
            tmp_path,
            {"datasets": {"lungs": data}, "evaluation": {"metrics": ["hd95"]}, **axes},
        )

    assert "has no column 'mm'" in errors(check_spacing, made(), results)[0]
    (error,) = errors(check_spacing, made(mm=[0.1, 0.0, 0.2]), results)
    assert "has '0.0' in column 'mm' of row 2, and spacing must be millimetres above 0" in error
    assert not told(check_spacing, made(mm=[0.1, 0.3, 0.2]), results)


# --- the command ---


def test_doctor_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "ask", lambda names: Probe(torch="2.14.1"))
    make_films(tmp_path / "films", np.random.default_rng(0))
    table = pd.read_csv(tmp_path / "films" / "labels.csv").assign(sex="F")
    table.to_csv(tmp_path / "films" / "labels.csv", index=False)
    asked = {**STUDY, "device": "cpu", "subgroups": [{"column": "sex", "bands": [40]}]}
    Path("study.yaml").write_text(yaml.safe_dump(asked))
    assert main(["doctor", "study.yaml"]) == 1
    assert "error    subgroups    column 'sex' of data set 'films-" in capsys.readouterr().out
    # A data set whose tables cannot be read is told of once.
    table.drop(columns="Mass").to_csv(tmp_path / "films" / "labels.csv", index=False)
    assert main(["doctor", "study.yaml"]) == 1
    assert capsys.readouterr().out.count("no column 'Mass'") == 1
