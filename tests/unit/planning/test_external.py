"""Which cells are scored on which other data sets, and what is refused before anything runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import STUDY, grid, names, planned

from transfergrid.catalog.stages import STAGE
from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.contents import content_of
from transfergrid.planning.ids import EXTERNAL_ID, WEIGHING_ID
from transfergrid.planning.outputs import inputs_of
from transfergrid.planning.passed_on import Passed, scored_elsewhere
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.specs import sources_of
from transfergrid.runtime.errors import UserError

OTHER = {"kind": "phantom", "image_px": 64, "seed": 5}
CHEST = {"datasets": {"other": OTHER}}


def asked(folder: Path, *blocks: dict[str, Any], **changes: Any) -> PlannedStudy:
    changes = {**changes, "datasets": {**CHEST["datasets"], **changes.get("datasets", {})}}
    return planned(folder, {**changes, "external": list(blocks)})


def refused(folder: Path, *blocks: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(UserError) as told:
        asked(folder, *blocks, **changes)
    return str(told.value)


def test_cells_are_scored_elsewhere_without_being_renamed(tmp_path: Path) -> None:
    before = planned(tmp_path)
    found = asked(tmp_path, {"tested_on": ["other"]})
    assert names(found) == names(before) and not before.external
    assert [one.cell for one in found.external] == [cell.name for cell in found.targets]
    other = found.datasets["other"].id
    for one in found.external:
        assert one.made_from == {
            "cell": one.cell,
            "dataset": other,
            "tested_on": "other",
            "split": "test",
            "tasks": None,
        }
        images, trained = sources_of(one)
        assert images == (f"cache/{other}/receipt.json",)
        assert trained == (f"cells/{one.cell}/receipts/train.json",)
        assert re.fullmatch(EXTERNAL_ID, one.id) and re.fullmatch(WEIGHING_ID, one.id)
    marks = {one.mark for one in found.external}
    for stage in ("externals", "sources"):
        assert marks <= set(inputs_of(found, STAGE[stage]))
    assert {stage.name for stage in found.stages} - {stage.name for stage in before.stages} == {
        "externals"
    }


def test_nothing_that_chooses_knows_of_other_films(tmp_path: Path) -> None:
    # What the stages that train, score and choose checkpoints are told does not change.
    before, after = planned(tmp_path), asked(tmp_path, {"tested_on": ["other"]})
    assert before.stamps["ensembles"] == after.stamps["ensembles"]
    assert before.stamps["gather"] == after.stamps["gather"]
    for cell, same in zip(before.cells, after.cells, strict=True):
        assert cell.spec == same.spec
    held = [one["id"] for one in content_of(after, STAGE["externals"])["externals"]]
    assert held == [one.id for one in after.external]


def test_the_page_knows_of_every_table_that_is_asked_for(tmp_path: Path) -> None:
    found = asked(
        tmp_path,
        {"tested_on": ["other"]},
        curves={},
        subgroups=[{"column": "sex"}],
        similarity={},
        cams={},
        weights={"reset": {}},
    )
    content = content_of(found, STAGE["report"])
    there = [stage for stage in ANALYSES if stage.asked_by and found.has(stage)]
    assert {"externals", "drifts", "filters", "resets", "curves"} <= {stage.name for stage in there}
    for stage in there:
        assert content.get(stage.asked_by) or content["resolved"].get(stage.asked_by) is not None


def test_a_block_takes_the_cells_that_it_names(tmp_path: Path) -> None:
    block = {"tested_on": ["other"], "where": {"pretraining": "random", "truncation": 1}}
    found = asked(tmp_path, block, {"tested_on": ["other"], "where": {"truncation": 0}})
    tested_cells = {one.cell for one in found.external}
    assert tested_cells == {
        cell.name
        for cell in found.targets
        if cell.point.truncation == 0 or cell.point.pretraining == "random"
    }
    # Of two hospitals each is the other's test set, and no cell is sent to its own.
    both = [{**STUDY["grid"][0], "datasets": ["films", "other"], "pretrainings": ["random"]}]
    found = asked(tmp_path, {"tested_on": ["films", "other"]}, grid=both)
    pairs = {(one.cell.partition("-")[0], one.made_from["tested_on"]) for one in found.external}
    assert pairs == {("films", "other"), ("other", "films")}
    assert len(found.external) == len(found.targets) == 8


def test_settings_of_a_block_are_part_of_the_measurement_alone(tmp_path: Path) -> None:
    plain = asked(tmp_path, {"tested_on": ["other"]})
    every = asked(tmp_path, {"tested_on": ["other"], "split": "all"})
    few = asked(tmp_path, {"tested_on": ["other"], "tasks": ["edema", "cardiomegaly"]})
    turned = asked(tmp_path, {"tested_on": ["other"], "tasks": ["cardiomegaly", "edema"]})
    assert names(plain) == names(every) == names(few)
    ids = [{one.id for one in found.external} for found in (plain, every, few)]
    assert not (ids[0] & ids[1] or ids[0] & ids[2] or ids[1] & ids[2])
    assert few.external == turned.external


def test_films_must_look_as_those_that_were_learned(tmp_path: Path) -> None:
    for key, value in {"image_px": 48, "resize": "pad", "aggregate": "mean"}.items():
        told = refused(
            tmp_path, {"tested_on": ["other"]}, datasets={"other": {**OTHER, key: value}}
        )
        own = {"image_px": 64, "resize": "crop", "aggregate": "max"}[key]
        assert f"networks of 'films' learned films with {key} {own}" in told
        assert told.endswith(f"'other' has {value}; write {key}: {own} for datasets.other.")


@pytest.mark.parametrize(
    ("block", "datasets", "sentence"),
    [
        ({"tested_on": ["othr"]}, {}, r"external\[0\] names 'othr'.*did you mean 'other'"),
        (
            {"tested_on": ["films"]},
            {},
            "tests only cells of 'films' itself on 'films'; name cells of another data set",
        ),
        (
            {"tested_on": ["other"], "where": {"architecture": "resnet18"}},
            {},
            "tests no cell of the grid on 'other'",
        ),
        ({"tested_on": ["other"], "where": {"fold": 0}}, {}, "names a fold in its where"),
        (
            {"tested_on": ["shapes"]},
            {"shapes": {"kind": "phantom", "set": "shapes", "image_px": 64}},
            "cells of 'films' are multilabel and 'shapes' is multiclass",
        ),
        (
            {"tested_on": ["other"], "split": "all"},
            {"other": {**OTHER, "uncertain": "ones"}},
            "take uncertain ones for ones; write uncertain: ignore there, or split: test",
        ),
        (
            {"tested_on": ["other"]},
            {"other": {**OTHER, "folds": {"k": 3}}},
            "is cut into folds and so has no test split of its own; write split: all",
        ),
        (
            {"tested_on": ["again"]},
            {"again": {"kind": "phantom", "image_px": 64, "patients": 30}},
            "'again' is of the same films as 'films'",
        ),
    ],
)
def test_what_cannot_be_tested_is_told(
    tmp_path: Path, block: dict[str, Any], datasets: dict[str, Any], sentence: str
) -> None:
    assert re.search(sentence, refused(tmp_path, block, datasets=datasets))


def test_a_pair_is_asked_for_once(tmp_path: Path) -> None:
    told = refused(tmp_path, {"tested_on": ["other"]}, {"tested_on": ["other"], "split": "all"})
    assert "external[1] tests the cells of 'films' on 'other', as another block does" in told


def test_films_that_a_chain_has_learned_are_refused(tmp_path: Path) -> None:
    learned = {"other": {"kind": "cell", "dataset": "other", "protocol": "source"}}
    changes = {"pretrainings": learned, **grid(pretrainings=["other"])}
    # Its training films alone were learned: those of the test split are new to it.
    assert len(asked(tmp_path, {"tested_on": ["other"]}, **changes).external) == 4
    told = refused(tmp_path, {"tested_on": ["other"], "split": "all"}, **changes)
    assert "goes back to a training on 'other', which has seen films of 'other'" in told
    assert "write split: test, or leave such cells out" in told


def test_a_slice_tests_what_it_has(tmp_path: Path) -> None:
    block = {"tested_on": ["other"], "where": {"pretraining": "shapes"}}
    assert not asked(tmp_path, block, only={"pretrainings": ["random"]}).external


def test_leaks_are_looked_for_in_all_that_was_learned(tmp_path: Path) -> None:
    found = asked(tmp_path, {"tested_on": ["other"]})
    pairs = scored_elsewhere(found.entries, [one.made_from for one in found.external])
    other, films, shapes = (found.datasets[name].id for name in ("other", "films", "shapes"))
    assert set(pairs) == {Passed(other, films), Passed(other, shapes)}


def test_a_question_needs_cells_that_are_tested_elsewhere(tmp_path: Path) -> None:
    question = {"questions": [{"name": "holds", "kind": "external", "axis": "pretraining"}]}
    found = asked(tmp_path, {"tested_on": ["other"]}, **question)
    ids = [one["id"] for one in content_of(found, STAGE["statistics"])["externals"]]
    assert ids == [one.id for one in found.external]
    assert "the study tests no cell there; name their data sets under external" in refused(
        tmp_path, **question
    )
    apart = {"questions": [{**question["questions"][0], "where": {"truncation": 1}}]}
    block = {"tested_on": ["other"], "where": {"truncation": 0}}
    assert "none of which external tests elsewhere" in refused(tmp_path, block, **apart)
