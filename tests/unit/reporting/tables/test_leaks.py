"""leaks.csv, and what the page says of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.data.leaky_study import leaky, prepare

from transfergrid.planning.paths import cache_directory, cell_directory, origin_file
from transfergrid.reporting.page.notes import notes
from transfergrid.reporting.tables.leaks import leaks_table


@pytest.fixture()
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The stamp's content of a study whose cells have been begun."""
    monkeypatch.chdir(tmp_path)
    planned = leaky(tmp_path)
    results = tmp_path / "results"
    prepare(planned, results)
    for cell in planned.scored:
        folder = cell_directory(cell.name, results)
        folder.mkdir(parents=True)
        shutil.copy(cache_directory(cell.dataset_id, results) / "card.json", folder)
    content: dict[str, Any] = json.loads(json.dumps(planned.content("sources")))
    return content


def test_rows_are_what_was_planted(study: dict[str, Any], tmp_path: Path) -> None:
    table = leaks_table(study, tmp_path / "results")
    assert list(table.columns) == study["columns"]["leaks"]
    assert table["flags"].eq("").all()
    place = ["dataset", "split", "other_dataset", "other_split"]
    counts = table.set_index(place)[["n_equal", "n_near"]]
    found = counts[counts.sum(axis=1) > 0].apply(tuple, axis=1).to_dict()
    assert found == {
        ("target", "test", "target", "train"): (0, 1),
        ("target", "test", "target", "valid"): (0, 1),
        ("target", "train", "source", "all"): (0, 1),
        ("target", "test", "source", "all"): (2, 0),
    }
    assert len(table) == 3 + 3 + 3
    assert not ((table["dataset"] == "source") & (table["other_dataset"] == "target")).any()


def test_a_lost_record_is_a_row_that_says_so(study: dict[str, Any], tmp_path: Path) -> None:
    results = tmp_path / "results"
    source = next(entry for entry in study["cells"] if entry["role"] == "source")
    origin_file(source["dataset_id"], results).unlink()
    table = leaks_table(study, results)
    (row,) = table[table["dataset"] != table["other_dataset"]].to_dict("records")
    assert row["flags"] == "no_record" and pd.isna(row["n_equal"])


def test_the_page_warns_of_images_that_were_learned_before(
    study: dict[str, Any], tmp_path: Path
) -> None:
    cells = pd.DataFrame(study["cells"]).assign(
        fold="all", status="finished", score=0.5, flags="", selection="best"
    )
    table = leaks_table(study, tmp_path / "results")
    found = {note.title: note.text for note in notes({}, {"cells": cells, "leaks": table}, {})}
    assert found["Images learned before"] == (
        "Networks that start from one data set have seen images of another: of 24 images of "
        "target, train, 0 are equal to one of source and 1 nearly so; of 15 images of target, "
        "test, 2 are equal to one of source and 0 nearly so. `transfergrid leaks` lists them."
    )
    table[["n_equal", "n_near"]] = 0
    again = notes({}, {"cells": cells, "leaks": table}, {})
    assert "Images learned before" not in {note.title for note in again}
