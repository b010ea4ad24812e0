"""Arrays of an .npz file that are neither images nor labels: names of classes, and groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.commands.made_films import film, study_of

from transfergrid.commands.main import main
from transfergrid.data.kinds import read_manifest

PARTS = ("train", "val", "test")


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def archive(here: Path, classes: int, **more: Any) -> Path:
    arrays: dict[str, Any] = dict(more)
    for part in PARTS:
        arrays[f"{part}_images"] = np.stack([film(n, 28) for n in range(40)])
        arrays[f"{part}_labels"] = np.arange(40)[:, None] % classes
    np.savez(here / "small.npz", **arrays)
    return here / "small.npz"


@pytest.mark.parametrize(
    ("classes", "told", "tasks"),
    [
        (3, ["Normal", "benign tumour", "malignant"], ["normal", "benign_tumour", "malignant"]),
        (2, ["normal", "Pneumonia"], ["pneumonia"]),
        (2, ["pneumonia"], ["pneumonia"]),
        (3, ["normal", "benign"], None),
        (3, ["a", "A", "b"], None),
        (3, ["a", "b", "c" * 65], None),
        (3, [1, 2, 3], None),
    ],
)
def test_an_array_names_the_classes(
    here: Path,
    classes: int,
    told: list[Any],
    tasks: list[str] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = archive(here, classes, class_names=np.array(told))
    assert main(["init", "small.npz"]) == 0
    found = study_of(here / "small_study", "small")
    assert found.get("task_names") == tasks
    assert ("also has class_names, which" in capsys.readouterr().out) == (tasks is None)
    if tasks:
        table = read_manifest(found, path).table
        assert (
            table[tasks[-1]].tolist() == [float(n % classes == classes - 1) for n in range(40)] * 3
        )


def test_labels_that_are_names_already_are_not_named_again(here: Path) -> None:
    texts = {f"{part}_labels": np.array([["b"], ["a"], ["c"]] * 40)[:40] for part in PARTS}
    path = archive(here, 3, class_names=np.array(["x", "y", "z"]))
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, **texts})
    assert main(["init", "small.npz"]) == 0
    assert "task_names" not in study_of(here / "small_study", "small")


@pytest.mark.parametrize(
    ("first", "sentence"),
    [(10, "each of its 30 values is in one part"), (9, "2 of its 28 values are in several parts")],
)
def test_groups_that_parts_tear_are_told(
    here: Path, first: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = {f"{p}_group_id": n * first + np.arange(40) % 10 for n, p in enumerate(PARTS)}
    archive(here, 2, **groups, train_where=np.arange(40))
    assert main(["init", "small.npz"]) == 0
    told = capsys.readouterr().out
    assert "small.npz has group_id of each image, which this kind of data set does not" in told
    assert f"read: {sentence}" in told
    assert "small.npz also has train_where, which this kind of" in told
