"""DDTI's published layout: grades of cases, cases without one, images with and without a mark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets.ddti.make import GRADES, images, make

from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError

KIND = {"kind": "ddti", "validation_share": 0.2, "test_share": 0.2}
CASES = range(1, 31)


def grade(case: int) -> str:
    return GRADES[(case - 1) % len(GRADES)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ddti")
    make(root, np.random.default_rng(0))
    return root


def test_grades_four_and_five_are_malignant_and_no_grade_is_no_label(published: Path) -> None:
    manifest = read_manifest(KIND, published)
    wanted = {
        f"{case}_{number}.jpg": float(grade(case)[0] in "45")
        for case in CASES
        for number in range(1, images(case) + 1)
        if grade(case)
    }
    found = manifest.table.set_index("image_id")["malignant"]
    assert found.to_dict() == wanted
    without = [case for case in CASES if not grade(case)]
    told = f"{sum(map(images, without))} images of {len(without)} cases without a grade are left"
    assert any(note.startswith(told) for note in manifest.notes)


def test_cases_without_a_grade_may_count_as_benign(published: Path) -> None:
    manifest = read_manifest({**KIND, "ungraded": "benign"}, published)
    table = manifest.table
    assert len(table) == sum(images(case) for case in CASES)
    malignant = sum(images(case) for case in CASES if grade(case).startswith(("4", "5")))
    assert table["malignant"].sum() == malignant
    assert any("count as benign" in note for note in manifest.notes)


def test_cases_are_whole_in_a_split_and_in_folds(published: Path) -> None:
    table = read_manifest(KIND, published).table
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    people = table.drop_duplicates("patient_id").groupby("split")
    assert people.size().to_dict() == {"test": 5, "train": 14, "valid": 5}
    malignant = people["malignant"].sum()
    assert abs(malignant["test"] - 2.4) <= 1 and abs(malignant["valid"] - 2.4) <= 1
    folds = read_manifest({"kind": "ddti", "folds": {"k": 3, "valid": "next"}}, published).table
    assert folds.groupby("patient_id")["split"].nunique().max() == 1


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("<tirads>4a<", "<tirads>6<", r"2\.xml has the TI-RADS grade '6'; allowed are 1, 2, 3"),
        ("<number>2<", "<number>3<", r"2\.xml says that it is case '3'; give it that name"),
        ("<image>1<", "<image>one<", r"2\.xml marks the image 'one', which is no number"),
        ("</case>", "", r"2\.xml is not readable XML \(.*\); restore it"),
        ("<case>", "<!DOCTYPE case><case>", r"2\.xml defines a document type"),
    ],
)
def test_a_fault_of_a_case_is_named(copy: Path, old: str, new: str, told: str) -> None:
    edit(copy / "2.xml", old, new)
    with pytest.raises(UserError, match=told):
        read_manifest(KIND, copy)


def test_a_marked_image_that_is_not_there_is_missing(copy: Path) -> None:
    (copy / "2_1.jpg").unlink()
    manifest = read_manifest(KIND, copy)
    place = manifest.table["image_id"].tolist().index("2_1.jpg")
    assert "2_1.jpg does not exist" in manifest.images.missing(place)  # type: ignore[attr-defined]


def test_cases_and_images_belong_together(copy: Path) -> None:
    for path in copy.glob("._*"):
        path.unlink()
    (copy / "._7_1.jpg").touch()  # as some archives leave beside a file
    read_manifest(KIND, copy)
    (copy / "thyroid.jpg").touch()
    with pytest.raises(UserError, match=r"thyroid\.jpg is not named after its case"):
        read_manifest(KIND, copy)
    (copy / "thyroid.jpg").rename(copy / "99_1.jpg")
    with pytest.raises(UserError, match=r"99_1\.jpg has no 99\.xml beside it"):
        read_manifest(KIND, copy)
    (copy / "99_1.jpg").unlink()
    (copy / "4_1.jpg").unlink()
    edit(copy / "4.xml", "<image>1</image>", "<image>2</image>")
    read_manifest(KIND, copy)  # the image without a mark counts
    (copy / "31.xml").write_text("<case><number>31</number><tirads>2</tirads></case>")
    with pytest.raises(UserError, match=r"has 31\.xml without an image \(1 such cases\)"):
        read_manifest(KIND, copy)
    (copy / "31.xml").rename(copy / "notes.xml")
    with pytest.raises(UserError, match=r"notes\.xml is not named after a case"):
        read_manifest(KIND, copy)
    with pytest.raises(UserError, match=r"has no XML file; point root at the folder with 1\.xml"):
        read_manifest(KIND, copy.parent)
