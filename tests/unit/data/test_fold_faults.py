"""Faults of folds are told when a manifest is read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.csv.make import make as make_csv
from unit.data.test_fold_cache import CSV, edited

from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("films")
    make_csv(root, np.random.default_rng(0))
    return root


def faults() -> list[Any]:
    def fold(**changes: Any) -> dict[str, Any]:
        return {"folds": {**CSV["folds"], **changes}}

    same = lambda frame: frame  # noqa: E731
    return [
        (fold(k=19), same, "folds.k is 19, and there are 18 patients; choose a k from 2 to 18"),
        (
            {**fold(k=99), "patient_column": None},
            same,
            "folds.k is 99, and there are [0-9]+ images; choose",
        ),
        (
            fold(column="part"),
            same,
            "folds.k is 4, and the column 'part' of folds has 3 values .development, holdout",
        ),
        (
            fold(column="f", k=3),
            lambda frame: frame.assign(f=[str(row % 3) for row in range(len(frame))]),
            "patient 000 is in t[a-z]+ and in [a-z]+ of fold 0 .* belong in one part",
        ),
        (
            fold(column="f", k=3, group_column="g"),
            lambda frame: frame.assign(
                f=frame["part"],
                g=["7" if row in (0, len(frame) - 1) else "" for row in frame.index],
            ),
            "group 7 is in valid and in test of fold 0; all images of a group belong",
        ),
        (
            fold(),
            lambda frame: frame.assign(Mass="0"),
            r"task mass has 0 positive\(s\) and [0-9]+ negative\(s\) in all images, and a score "
            r"needs both; .*correct the labels\.$",
        ),
        (fold(), lambda frame: frame.assign(image="a.png"), "listed more than once: a.png"),
        (fold(group_column="h"), same, "no column 'h'"),
    ]


@pytest.mark.parametrize(("settings", "change", "message"), faults())
def test_faults_of_folds_are_named_before_anything_is_decoded(
    films: Path, tmp_path: Path, settings: Any, change: Any, message: str
) -> None:
    root = edited(films, tmp_path, change)
    shutil.rmtree(root / "images")
    with pytest.raises(UserError, match=message):
        read_manifest({**CSV, **settings}, root)


def test_an_empty_fold_file_is_told_of_the_data_set(films: Path, tmp_path: Path) -> None:
    root = edited(films, tmp_path, lambda frame: frame)
    frame = pd.read_csv(root / "labels.csv", dtype=str)
    number = frame["patient"].astype(int)
    rows = [
        (image, fold, "test" if n % 3 == fold else "valid" if n == (fold + 1) % 3 else "train")
        for image, n in zip(frame["image"], number, strict=True)
        for fold in range(3)
    ]
    given = pd.DataFrame(rows, columns=["image", "fold", "part"])
    given.to_csv(root / "folds.csv", index=False)
    declaration = {**CSV, "folds": {"k": 3, "file": "folds.csv"}, "label_columns": ["Mass"]}
    with pytest.raises(UserError, match="fold 0 has no scored task with both classes in its valid"):
        read_manifest(declaration, root)
    given.loc[(number.repeat(3).to_numpy() >= 15) & (given["part"] == "train"), "part"] = "valid"
    given.to_csv(root / "folds.csv", index=False)
    manifest = read_manifest(declaration, root)
    table, folds = manifest.table, manifest.folds
    assert folds is not None
    for image, fold, part in given.itertuples(index=False):
        assert folds.rows(part, fold)[(table["image_id"] == image).to_numpy()].all()
    torn = given.copy()
    torn.loc[1, "part"] = "valid"
    torn.to_csv(root / "folds.csv", index=False)
    with pytest.raises(
        UserError, match="patient 000 is in train and in valid of fold 1; all images"
    ):
        read_manifest(declaration, root)
