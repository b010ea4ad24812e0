"""MRNet's published layout: tables without a header, slices by a rule, one label a knee."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets.mrnet.make import EXAMS, FOLDER, findings, make

from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError

KIND = {"kind": "mrnet", "validation_share": 0.25}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mrnet")
    make(root, np.random.default_rng(0))
    return root


@pytest.fixture()
def copy(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder / FOLDER, tmp_path / "data")
    return tmp_path / "data"


def test_the_first_line_of_a_table_is_an_examination(folder: Path) -> None:
    table = read_manifest(KIND, folder).table
    exams = table.drop_duplicates("study_id")
    assert sorted(exams["study_id"]) == [f"{n:04d}" for part in EXAMS.values() for n in part]
    for _, row in exams.iterrows():
        _, acl, meniscus = findings(int(row["study_id"]))
        wanted = "acl" if acl else "meniscus" if meniscus else "no_tear"
        assert row[["no_tear", "acl", "meniscus"]].astype(float).idxmax() == wanted


def test_the_published_validation_set_is_tested_on(folder: Path) -> None:
    manifest = read_manifest(KIND, folder)
    exams = manifest.table.drop_duplicates("study_id")
    tested = exams.loc[exams["split"] == "test", "study_id"]
    assert tested.tolist() == [f"{exam:04d}" for exam in EXAMS["valid"]]
    valid = exams[exams["split"] == "valid"]
    assert len(valid) == 11 and abs(valid["acl"].sum() - 0.25 * 15) <= 1
    assert any("validation set is tested on" in note for note in manifest.notes)
    assert any("each study counts as its own patient" in note for note in manifest.notes)


@pytest.mark.parametrize(("plane", "count"), [("sagittal", 1), ("coronal", 3), ("axial", 8)])
def test_slices_are_the_middle_ones_of_a_plane(folder: Path, plane: str, count: int) -> None:
    manifest = read_manifest({**KIND, "plane": plane, "slices": count}, folder / FOLDER)
    table = manifest.table
    for exam, rows in table.groupby("study_id"):
        part = "train" if int(str(exam)) < 1130 else "valid"
        volume = np.load(folder / FOLDER / part / plane / f"{exam}.npy")
        numbers = [int(name.rsplit("/", 1)[1]) for name in rows["image_id"]]
        assert len(numbers) == min(count, len(volume))
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        before, after = numbers[0], len(volume) - 1 - numbers[-1]
        assert after - before in (0, 1)
        first = manifest.images.read(int(rows.index[0]))
        np.testing.assert_array_equal(first, volume[numbers[0]])
    assert (table["view"] == plane).all()


def test_a_knee_with_both_tears_counts_as_acl_and_the_card_says_so(folder: Path) -> None:
    exams = [findings(exam) for part in EXAMS.values() for exam in part]
    both = sum(acl and meniscus for _, acl, meniscus in exams)
    other = sum(abnormal and not acl and not meniscus for abnormal, acl, meniscus in exams)
    whole = sum(not acl and not meniscus for _, acl, meniscus in exams)
    (told,) = (note for note in read_manifest(KIND, folder).notes if "count as acl" in note)
    assert told.startswith(f"{both} examinations") and f"{other} of the {whole} without" in told


def test_findings_may_be_three_tasks(folder: Path) -> None:
    manifest = read_manifest({**KIND, "task_kind": "multilabel"}, folder)
    assert (manifest.task_kind, manifest.tasks) == ("multilabel", ("abnormal", "acl", "meniscus"))
    exams = manifest.table.drop_duplicates("study_id").set_index("study_id")
    for exam, row in exams.iterrows():
        assert tuple(row[list(manifest.tasks)]) == findings(int(str(exam)))


def test_folds_keep_an_examination_whole(folder: Path) -> None:
    manifest = read_manifest({"kind": "mrnet", "folds": {"k": 3, "valid": "next"}}, folder)
    assert manifest.table.groupby("study_id")["split"].nunique().max() == 1
    assert manifest.table.drop_duplicates("study_id").groupby("split")["acl"].sum().min() >= 3


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("train-acl.csv", "id,label\n0000,1\n", r"has 'id,label' in line 1; .* without a header"),
        ("train-acl.csv", "0000,1\n1,0\n", r"has '1,0' in line 2; a line is an examination of fo"),
        ("train-acl.csv", "0000,2\n", r"has '0000,2' in line 1; .* and 0 or 1"),
        ("train-acl.csv", "0000,1\n0000,1\n", "has examination 0000 twice"),
        ("valid-meniscus.csv", "", "valid-meniscus.csv is empty"),
        ("valid-meniscus.csv", "1130,0\n", r"examination 1131 is in only one of valid-abnormal"),
    ],
)
def test_a_fault_of_a_table_is_named(copy: Path, file: str, content: str, told: str) -> None:
    (copy / file).write_text(content)
    with pytest.raises(UserError, match=told):
        read_manifest(KIND, copy)


def test_a_fault_of_a_volume_is_named(copy: Path) -> None:
    volume = copy / "train" / "sagittal" / "0003.npy"
    np.save(volume, np.zeros((4, 8, 8), np.float32))
    with pytest.raises(UserError, match=r"0003\.npy is float32 of shape \(4, 8, 8\); published"):
        read_manifest(KIND, copy)
    np.save(volume, np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"0003\.npy cannot be read"):
        read_manifest(KIND, copy)
    volume.unlink()
    with pytest.raises(UserError, match=r"0003\.npy does not exist; restore it"):
        read_manifest(KIND, copy)
    with pytest.raises(UserError, match=r"train-abnormal\.csv does not exist; point root at MRNet"):
        read_manifest(KIND, copy / "train")
