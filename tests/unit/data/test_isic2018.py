from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from datasets.isic2018.make import DIAGNOSES, make

from transfergrid.data.isic2018 import TASKS, read
from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError

KIND = {"kind": "isic2018"}
TRUTH = "ISIC2018_Task3_Training_GroundTruth"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("isic2018")
    make(root, np.random.default_rng(0))
    return root


def table_of(root):
    return root / TRUTH / f"{TRUTH}.csv"


def lesion_of(root):
    return pd.read_csv(root / LESIONS).set_index("image")["lesion_id"]


def test_diagnoses_are_classes_in_the_order_of_the_table(published):
    manifest = read_manifest(KIND, published)
    assert manifest.task_kind == "multiclass"
    assert manifest.tasks == manifest.score_tasks == tuple(name.lower() for name in DIAGNOSES)
    written = pd.read_csv(table_of(published))
    assert list(manifest.table["image_id"]) == list(written["image"])
    np.testing.assert_array_equal(manifest.table[list(TASKS)], written[list(DIAGNOSES)])
    assert manifest.images.read(0).shape == (45, 60, 3)
    assert any("Patients are unknown" in note for note in manifest.notes)


def test_images_of_a_lesion_stay_together_and_classes_are_balanced(published):
    table = read_manifest({**KIND, "test_share": 0.2, "validation_share": 0.2}, published).table
    lesion = table["image_id"].map(lesion_of(published))
    assert lesion.nunique() == len(table) / 2
    assert (table.groupby(lesion)["split"].nunique() == 1).all()
    by_class = table.groupby("split")[list(TASKS)].sum()
    assert (np.ptp(by_class.to_numpy(), axis=1) <= 2).all()  # a lesion of two images at most
    apart = read_manifest({**KIND, "lesions": "apart"}, published).table
    assert (apart.groupby(lesion)["split"].nunique() > 1).any()
    assert np.ptp(apart.groupby("split")[list(TASKS)].sum().to_numpy(), axis=1).max() <= 1


@pytest.mark.parametrize(("lesions", "torn"), [("together", False), ("apart", True)])
def test_folds_keep_lesions_whole_where_they_are_asked_to(published, lesions, torn):
    folds = {"k": 3, "seed": 0, "valid": "next"}
    table = read_manifest({**KIND, "folds": folds, "lesions": lesions}, published).table
    lesion = table["image_id"].map(lesion_of(published))
    assert (table.groupby(lesion)["split"].nunique() > 1).any() == torn


@pytest.mark.parametrize("inside", [True, False])
def test_the_parts_of_the_challenge_are_the_official_split(tmp_path, inside):
    make(tmp_path, np.random.default_rng(0), tables_in_folders=inside)
    (tmp_path / LESIONS).unlink()
    manifest = read_manifest({**KIND, "split": "official"}, tmp_path)
    assert manifest.table["split"].value_counts().to_dict() == {
        "train": 280,
        "test": 21,
        "valid": 14,
    }
    assert not any(manifest.images.missing(row) for row in range(len(manifest.table)))
    assert manifest.groups is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0.0,0.0,0.0,0.0,0.0,0.0,0.0", "has 0.0, 0.0, .* for image ISIC_0024306 in row 1; an"),
        ("1.0,1.0,0.0,0.0,0.0,0.0,0.0", "has 1.0, 1.0, .* exactly one of MEL, NV"),
        ("0.5,0.5,0.0,0.0,0.0,0.0,0.0", "has 0.5, 0.5"),
        (",1.0,0.0,0.0,0.0,0.0,0.0", "has None, 1.0"),
        ("yes,0.0,0.0,0.0,0.0,0.0,0.0", "has yes, 0.0"),
    ],
)
def test_an_image_without_one_diagnosis_is_named(copy, row, told):
    lines = table_of(copy).read_text().splitlines()
    lines[1] = f"ISIC_0024306,{row}"
    table_of(copy).write_text("\n".join(lines))
    with pytest.raises(UserError, match=told):
        read({}, copy)


def test_what_is_missing_is_named(copy):
    lesions = (copy / LESIONS).read_text().splitlines()
    (copy / LESIONS).write_text("\n".join(lines for lines in lesions if "0024307" not in lines))
    with pytest.raises(UserError, match=r"no row for 1 image\(s\), such as ISIC_0024307; restore"):
        read({}, copy)
    (copy / LESIONS).unlink()
    with pytest.raises(
        UserError, match=r"Groupings\.csv does not exist; add it, or .* lesions: ap"
    ):
        read({}, copy)
    apart = {"lesions": "apart"}
    (copy / "ISIC2018_Task3_Training_Input" / "ISIC_0024306.jpg").unlink()
    assert "ISIC_0024306.jpg does not exist" in read(apart, copy).images.missing(0)
    shutil.rmtree(copy / "ISIC2018_Task3_Test_GroundTruth")
    with pytest.raises(UserError, match=r"Test_GroundTruth\.csv does not exist; add it, or cut"):
        read({"split": "official"}, copy)
    table_of(copy).write_text(table_of(copy).read_text().replace("AKIEC", "AK"))
    with pytest.raises(UserError, match="has no column 'AKIEC'"):
        read(apart, copy)
    shutil.rmtree(copy / "ISIC2018_Task3_Training_Input")
    with pytest.raises(UserError, match="has no folder ISIC2018_Task3_Training_Input; unpack"):
        read(apart, copy)


@pytest.mark.parametrize(
    "wrong", [{"split": "patients"}, {"lesions": "both"}, {"score_tasks": ["melanoma"]}]
)
def test_a_setting_that_does_not_exist_is_named(published, wrong):
    (key,) = wrong
    with pytest.raises(UserError, match=f"{key} (is|names) '.*(allowed are|there are)"):
        read(wrong, published)
