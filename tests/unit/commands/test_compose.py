"""A page from any part of a study: one cell, a few, a diverged one."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.figures.test_cams import record
from unit.reporting.made_up_study import ASKED_OF_COSTS

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGE, STAGES
from transfergrid.catalog.tables import ANALYSES
from transfergrid.commands.compose import compose
from transfergrid.evaluation.cam_record import write_record
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SCORED
from transfergrid.reporting.figures.files import read_drawn
from transfergrid.reporting.page.notes import Failed, Snapshot
from transfergrid.reporting.tables.files import read_table
from transfergrid.runtime.errors import UserError


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> fabricate.Tree:
    tree = fabricate.fabricate(tmp_path_factory.mktemp("made"))
    return tree


def planned(study: dict[str, Any], mapped: tuple[str, ...] = ()) -> Any:
    cells = [SimpleNamespace(name=entry["cell"], role=entry["role"]) for entry in study["cells"]]
    return SimpleNamespace(
        name=study["name"],
        cells=cells,
        targets=[cell for cell in cells if cell.role == "target"],
        trials=[SimpleNamespace(name="trial-x")],
        selections=study["evaluation"]["selections"],
        outlined={},
        cam_cells=[cell for cell in cells if cell.name in mapped],
        stages=[s for s in STAGES if s.of_study and s.asked_by in ("", "cams" if mapped else "")],
        content=lambda stage: {
            **(ASKED_OF_COSTS if stage == "costs" else {}),
            **{**study, "cams": list(mapped), **told(STAGE[stage])},
        },
        stamps={
            "ensembles": ("demo.ensembles.00000000", {"code": "x"}),
            "cams": ("demo.cams.00000000", {}),
        },
    )


def told(stage: Stage) -> dict[str, Any]:
    return {"run": stage.run, "columns": {table.name: table.header for table in stage.tables}}


def targets(tree: fabricate.Tree, **axes: Any) -> list[str]:
    return [
        entry["cell"]
        for entry in tree.study["cells"]
        if entry["role"] == "target"
        and all(entry[axis] == value for axis, value in axes.items())
        and (cell_directory(entry["cell"], tree.results) / SCORED).exists()
    ]


def taken(tree: fabricate.Tree, cells: list[str]) -> Snapshot:
    others = [entry["cell"] for entry in tree.study["cells"] if entry["cell"] not in cells]
    return Snapshot("2026-11-22", {name: Failed(name, "missing", "not begun") for name in others})


def made(tree: fabricate.Tree, cells: list[str], folder: Path) -> pd.DataFrame:
    folder.mkdir()
    count = compose(planned(tree.study), cells, taken(tree, cells), tree.results, folder)
    assert count == len(cells)
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures",
        "receipts",
        "report.html",
        "tables",
    ]
    drawn = {path.stem for path in (folder / "figures").iterdir()}
    assert drawn == {each.shown.name for each in read_drawn(folder)}
    assert drawn <= {figure.name for figure in FIGURES}
    assert {path.stem for path in (folder / "tables").iterdir()} == {
        table.name for stage in ANALYSES if not stage.asked_by for table in stage.tables
    }
    return read_table(folder / "tables" / "cells.csv")


def test_one_cell(tree: fabricate.Tree, tmp_path: Path) -> None:
    (cell,) = targets(tree, architecture="resnet18", truncation=0, seed=0, pretraining="random")
    table = made(tree, [cell], tmp_path / "one")
    assert set(table.loc[table["score"].notna(), "cell"]) == {cell}
    page = (tmp_path / "one" / "report.html").read_text()
    assert "1 of 24 cells have results. The others are listed below: 23 missing" in page
    assert page.count("No answer yet") >= 1


def test_a_cell_whose_masks_are_not_compared_yet_has_no_result(
    tree: fabricate.Tree, tmp_path: Path
) -> None:
    (cell,) = targets(tree, architecture="resnet18", truncation=0, seed=0, pretraining="random")
    study = planned(tree.study)
    study.outlined = {cell: "no-such-outlines"}
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="all being redone, or their masks are yet to be compared"):
        compose(study, [cell], taken(tree, [cell]), tree.results, tmp_path / "none")


def test_a_diverged_cell_alone(tree: fabricate.Tree, tmp_path: Path) -> None:
    (cell,) = [
        name
        for name in targets(tree, architecture="mobilenetv3_small_050", pretraining="random")
        if fabricate.json.loads((cell_directory(name, tree.results) / "train.json").read_text())[
            "status"
        ]
        == "diverged"
    ]
    table = made(tree, [cell], tmp_path / "diverged")
    assert set(table.loc[table["cell"] == cell, "status"]) == {"diverged"}
    assert table["score"].isna().all()
    assert "the loss was not finite by step 100" in (tmp_path / "diverged/report.html").read_text()


def test_a_few_cells_with_seeds_and_arms_that_do_not_match(
    tree: fabricate.Tree, tmp_path: Path
) -> None:
    cells = targets(tree, pretraining="random", seed=0)
    cells += targets(tree, pretraining="shapes", seed=1)
    cells += targets(tree, pretraining="shapes", seed=0, architecture="resnet18")
    made(tree, cells, tmp_path / "few")
    contrasts = read_table(tmp_path / "few" / "tables" / "contrasts.csv")
    boosts = contrasts[contrasts["question"] == "pretraining_boost"]
    # Only this network has both arms of a seed.
    assert boosts["contrast"].str.contains("resnet18").all() and len(boosts) == 1


def test_maps_of_the_cells_that_have_them(tree: fabricate.Tree, tmp_path: Path) -> None:
    first, second = targets(tree, architecture="resnet18", truncation=0, pretraining="random")
    study = {**tree.study, "resolved": {**tree.study["resolved"], "cams": {"films": 2}}}
    copy = tmp_path / "results"
    shutil.copytree(tree.results, copy)
    fabricate.write_json(copy / "stamps" / "demo.cams.00000000", {})
    write_record(copy / "demo" / "cams" / f"{first}.npz", record(4))
    (tmp_path / "made").mkdir()
    plan = planned(study, mapped=(first, second))
    snapshot = taken(tree, [first, second])
    compose(plan, [first, second], snapshot, copy, tmp_path / "made")
    assert set(read_table(tmp_path / "made" / "tables" / "cams.csv")["cell"]) == {first}
    page = (tmp_path / "made" / "report.html").read_text()
    assert "What the networks look at" in page
    assert page.count("Where its activation maps point") == 1
    (copy / "demo" / "cams" / f"{first}.npz").unlink()
    (tmp_path / "none").mkdir()
    compose(plan, [first, second], snapshot, copy, tmp_path / "none")
    assert "What the networks look at" not in (tmp_path / "none" / "report.html").read_text()


def test_with_no_cell_left_it_is_a_sentence(tree: fabricate.Tree, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="being redone"):
        compose(planned(tree.study), ["gone"], Snapshot("", {}), tree.results, tmp_path)


def test_a_cell_taken_away_meanwhile_is_named(tree: fabricate.Tree, tmp_path: Path) -> None:
    first, second = targets(tree, architecture="resnet18", truncation=0, pretraining="random")
    copy = fabricate.Tree(tmp_path / "results", tree.study)
    shutil.copytree(tree.results, copy.results)
    (cell_directory(second, copy.results) / "scores" / "test.npz").unlink()
    (tmp_path / "made").mkdir()
    compose(planned(tree.study), [first, second], Snapshot("", {}), copy.results, tmp_path / "made")
    assert "being redone" in (tmp_path / "made" / "report.html").read_text()
