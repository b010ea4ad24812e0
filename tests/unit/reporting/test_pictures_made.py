"""Films are marked once per cell and selection, and their pictures outlive the cell's weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.training.disc_cells import scored_cell

from transfergrid.evaluation.ensembles import Ensembles
from transfergrid.evaluation.marked import marked_films
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import TRAINED
from transfergrid.reporting.pictures.drawn import data_uri, outlined
from transfergrid.reporting.pictures.file import NAME, Picture, read_pictures, write_pictures
from transfergrid.reporting.pictures.making import with_pictures
from transfergrid.reporting.pictures.wanted import Wanted, wanted_pictures
from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.runtime.atomic import write_json

SELECTIONS = ["best", "last"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Return a scored cell's specification and the results, with its ensembles and cells.csv."""
    results = tmp_path_factory.mktemp("pictures")
    spec, name = scored_cell(results)
    Ensembles(results, "discs", SELECTIONS, "code").make(name)
    place = {"cell": name, "dataset": "discs", "pretraining": "random", "fold": "all"}
    rows = [{**place, "selection": one, "score": 0.5, "metric": "dice"} for one in SELECTIONS]
    (results / "discs" / "tables").mkdir()
    write_table(pd.DataFrame(rows), results / "discs" / "tables" / "cells.csv")
    seal_stage(results / "discs", "cells", ["tables/cells.csv"])
    return spec, results


@pytest.fixture(autouse=True)
def none_yet(made: tuple[dict[str, Any], Path]) -> None:
    (made[1] / "discs" / NAME).unlink(missing_ok=True)


def study(results: Path, primary: str = "best", **changes: Any) -> dict[str, Any]:
    (cell,) = (path.name for path in (results / "cells").iterdir())
    entry = {"cell": cell, "role": "target", "dataset": "discs", "dataset_id": "none"}
    return {
        "name": "discs",
        "code": "code",
        "cells": [entry],
        "evaluation": {"primary": primary},
        "pictured": {"cells": [cell], "show": "all"},
        **changes,
    }


def run(asked: dict[str, Any], results: Path) -> tuple[Wanted, tuple[Picture, ...]]:
    """Do what the stage's program does; return what it wanted and what is then there."""
    wanted = wanted_pictures(asked, results)
    write_pictures(results / "discs", with_pictures(wanted, results), wanted.earlier)
    return wanted, read_pictures(results / "discs")


def test_films_are_marked_by_their_cell_once(made: tuple[dict[str, Any], Path]) -> None:
    spec, results = made
    wanted, there = run(study(results), results)
    assert wanted.due == wanted.shown and [one.place for one in there] == [
        "best",
        "median",
        "worst",
    ]
    for one in there:
        (part,) = marked_films(spec, results, ["best"], rows=[one.row])
        drawn = outlined(part.images[0], part.truth[0], part.marks["best"].marked[0])
        assert one.picture == data_uri(drawn)
    assert len({one.picture for one in there}) == 3
    again, same = run(study(results), results)
    assert again.due == () and again.shown == same == there


def test_another_selection_is_marked_and_the_first_one_kept(
    made: tuple[dict[str, Any], Path],
) -> None:
    _, results = made
    _, best = run(study(results), results)
    other, last = run(study(results, "last"), results)
    assert len(other.due) == len(last) == 3 and set(other.earlier) == set(best)
    back, there = run(study(results), results)
    assert back.due == () and there == best and set(back.earlier) == set(last)
    # Cells that may not be shown keep their pictures, and cells that are no more do not.
    entry = {**study(results)["cells"][0], "cell": "other"}
    none = study(results, pictured={"cells": [], "show": "all"})
    assert set(wanted_pictures(none, results).earlier) == {*best, *last}
    gone = {**none, "cells": [entry]}
    assert wanted_pictures(gone, results) == Wanted((), (), ())


def test_pictures_stay_when_weights_are_freed(made: tuple[dict[str, Any], Path]) -> None:
    _, results = made
    _, there = run(study(results), results)
    edited = study(results, code="edited")
    assert len(wanted_pictures(edited, results).due) == 3  # other code draws other pictures
    receipt = cell_directory(there[0].network, results) / TRAINED
    aside = receipt.rename(receipt.with_suffix(".aside"))
    try:
        for asked in (study(results), edited):
            assert wanted_pictures(asked, results).due == ()
            assert wanted_pictures(asked, results).shown == there
        lost = wanted_pictures(study(results, "last"), results)
        assert lost.due == () and [one.picture for one in lost.shown] == [""] * 3
    finally:
        aside.rename(receipt)


def test_pictures_that_are_not_what_was_written_are_made_again(
    made: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, results = made
    _, there = run(study(results), results)
    with open(results / "discs" / NAME, "a") as file:
        file.write(" ")
    wanted = wanted_pictures(study(results), results)
    assert wanted.due == tuple(replace(one, picture="") for one in there)
    assert "pictures of an earlier run are not used: " in capsys.readouterr().err


def test_pictures_in_the_form_of_another_version_are_made_again(
    made: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, results = made
    _, there = run(study(results), results)
    folder = results / "discs"
    for content in ({"pictures": []}, {"pictures": [{"shown": 1}], "earlier": []}):
        write_json(folder / NAME, content)
        seal_stage(folder, "pictures", [NAME])
        assert len(wanted_pictures(study(results), results).due) == len(there)
        assert "another version wrote it" in capsys.readouterr().err
