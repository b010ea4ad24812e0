"""Tasks that a study itself tells, and what is refused of them before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.planning.made_up_plan import grid, planned

from transfergrid.data import manifest
from transfergrid.planning.declared_tasks import declared_tasks
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.task_names import Tasks
from transfergrid.runtime.errors import UserError

SPLIT = {"column": "part", "train": ["a"], "valid": ["b"], "test": ["c"]}


def table(folder: Path, name: str, *labels: str, **more: Any) -> dict[str, Any]:
    """Write the table of a data set, of which planning opens the head alone."""
    columns = ["image", "part", "sort", *labels]
    rows = [
        [f"{name}/{part}{n}.png", part, f"s{n}", *[n] * len(labels)]
        for part in "abc"
        for n in (0, 1)
    ]
    pd.DataFrame(rows, columns=columns).to_csv(folder / f"{name}.csv", index=False)
    return {
        "kind": "csv",
        "root": str(folder),
        "table": f"{name}.csv",
        "image_column": "image",
        "label_columns": list(labels),
        "split": SPLIT,
        **more,
    }


def asked(folder: Path, datasets: dict[str, Any], **sections: Any) -> PlannedStudy:
    axes = grid(datasets=["own"], pretrainings=["random"], truncations=[0], seeds=[0])
    return planned(folder, {"datasets": datasets, **axes, **sections})


@given(st.text(max_size=30))
def test_a_task_is_called_as_readers_call_it(name: str) -> None:
    settings = {"kind": "csv", "task_kind": "multilabel", "label_columns": [name]}
    found = declared_tasks("own", {**settings, "label_separator": None, "score_tasks": None})
    assert found is not None and found.tasks == (manifest.identifier(name),)


def test_the_study_tells_the_tasks_of_columns_alone(tmp_path: Path) -> None:
    def known(**more: Any) -> Tasks | None:
        data = {"own": table(tmp_path, "own", "Pleural Effusion", "Mass", **more)}
        return declared_tasks("own", asked(tmp_path, data).study.config["datasets"]["own"])

    both = ("pleural_effusion", "mass")
    assert known() == Tasks("own", "multilabel", both, both)
    assert known(score_tasks=["Mass"]) == Tasks("own", "multilabel", both, ("mass",))
    one = {"label_columns": ["sort"]}
    assert known(**one, label_separator="|") is None
    assert known(**one, task_kind="multiclass") is None
    assert declared_tasks("films", {"kind": "phantom", "set": "chest"}) is None


@pytest.mark.parametrize(
    ("own", "other", "tasks", "sentence"),
    [
        (
            ["Mass"],
            ["Mass"],
            ["mas"],
            r"external\[0\]: external names the task 'mas' \(did you mean 'mass'\?\), which 'own' "
            "and 'other' do not share; they share mass",
        ),
        (["Mass", "Node"], ["Mass"], ["node"], "names the task 'node', which 'own' and 'other' do"),
        (["Mass"], ["Node"], None, "'other' has none of the scored tasks of 'own', mass; it has n"),
    ],
)
def test_tasks_that_two_tables_do_not_share_are_refused_in_the_plan(
    tmp_path: Path, own: list[str], other: list[str], tasks: Any, sentence: str
) -> None:
    datasets = {"own": table(tmp_path, "own", *own), "other": table(tmp_path, "other", *other)}
    with pytest.raises(UserError, match=sentence):
        asked(tmp_path, datasets, external=[{"tested_on": ["other"], "tasks": tasks}])


def test_tasks_that_two_tables_share_are_planned(tmp_path: Path) -> None:
    datasets = {"own": table(tmp_path, "own", "Mass"), "other": table(tmp_path, "other", "mass")}
    block = {"tested_on": ["other"], "tasks": ["mass"]}
    assert len(asked(tmp_path, datasets, external=[block]).external) == 1


def test_some_of_several_classes_are_refused_in_the_plan(tmp_path: Path) -> None:
    classes = {"task_kind": "multiclass", "label_columns": ["sort"]}
    datasets = {name: table(tmp_path, name, "Mass", **classes) for name in ("own", "other")}
    block = {"tested_on": ["other"], "tasks": ["s0"]}
    with pytest.raises(UserError, match=r"external\[0\] names the tasks s0, but one class of sev"):
        asked(tmp_path, datasets, external=[block])
    block["tasks"] = None
    assert len(asked(tmp_path, datasets, external=[block]).external) == 1


def test_maps_of_a_task_that_is_not_there_are_refused_in_the_plan(tmp_path: Path) -> None:
    datasets = {"own": table(tmp_path, "own", "Mass"), "other": table(tmp_path, "other", "Node")}
    told = r"cams\.tasks names 'mas' \(did you mean 'mass'\?\), which data set 'own' does not have"
    with pytest.raises(UserError, match=told):
        asked(tmp_path, datasets, cams={"tasks": ["mas"]})
    assert asked(tmp_path, datasets, cams={"tasks": ["mass"]}).cam_cells
    # A data set of which no maps are made may have other tasks.
    both = grid(datasets=["own", "other"], pretrainings=["random"], truncations=[0], seeds=[0])
    maps = {"tasks": ["mass"], "where": {"dataset": "own"}}
    assert planned(tmp_path, {"datasets": datasets, **both, "cams": maps}).cam_cells
