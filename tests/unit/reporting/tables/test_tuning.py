from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from unit.reporting import fabricate

from transfergrid.reporting.tables.files import read_table, write_table
from transfergrid.reporting.tables.tuning import tuning_table
from transfergrid.runtime.sealed import write_sealed

EMPTY = {**fabricate.study_json(), "tunings": []}


@pytest.fixture()
def tree(tree: fabricate.Tree, tmp_path: Path) -> fabricate.Tree:
    # Links would let a test change what others read.
    for name in ("tuning", "cells"):
        shutil.copytree(tree.results / name, tmp_path / name)
    return fabricate.Tree(tmp_path, tree.study)


def test_a_row_a_trial_as_tuning_json_has_it(tree: fabricate.Tree, tmp_path: Path) -> None:
    write_table(tuning_table(tree.study, tree.results), tmp_path / "tuning.csv")
    table = read_table(tmp_path / "tuning.csv")
    assert list(table.columns) == EMPTY["columns"]["tuning"]
    assert len(table) == 4  # two rates, from random weights and from shapes; seeds share them
    for folder in (tree.results / "tuning").iterdir():
        found = json.loads((folder / "tuning.json").read_text())
        rows = table[table["tuning"] == folder.name]
        assert list(rows["learning_rate"]) == [0.0003, 0.003]
        assert list(rows["cell"]) == [trial["cell"] for trial in found["trials"].values()]
        assert list(rows["valid_score"]) == [t["valid_score"] for t in found["trials"].values()]
        assert list(rows.loc[rows["chosen"], "learning_rate"]) == [found["learning_rate"]]
        assert rows["at_edge"].all()
        assert set(rows["pretraining"]) == {folder.name.split("-")[2]}


def test_before_the_choice_trials_stand_alone(tree: fabricate.Tree) -> None:
    tuning = tree.study["tunings"][0]
    (tree.results / "tuning" / tuning["id"] / "tuning.json").unlink()
    low, high = tuning["trials"].values()
    record = {"status": "diverged", "best_valid_score": None}
    write_sealed(tree.results / "cells" / low / "train.json", record)
    (tree.results / "cells" / high / "train.json").unlink()
    rows = tuning_table({**tree.study, "tunings": [tuning]}, tree.results)
    assert list(rows["status"]) == ["diverged", "missing"]
    assert rows["valid_score"].isna().all()
    assert not rows["chosen"].any() and not rows["at_edge"].any()


def test_a_study_that_tunes_nothing_has_the_header_alone(tmp_path: Path) -> None:
    write_table(tuning_table(EMPTY, tmp_path), tmp_path / "tuning.csv")
    table = read_table(tmp_path / "tuning.csv")
    assert isinstance(table, pd.DataFrame) and table.empty
    assert list(table.columns) == EMPTY["columns"]["tuning"]
