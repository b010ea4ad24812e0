from __future__ import annotations

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from datasets.csv.make import make

from transfergrid.data.manifest import validate
from transfergrid.data.table import read
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError

SPLIT = {"column": "part", "train": ["development"], "valid": ["tuning"], "test": ["holdout"]}
OPTIONS = {
    "table": "labels.csv",
    "image_column": "image",
    "label_columns": ["Mass", "Micro-Calcification"],
    "patient_column": "patient",
    "study_column": "study",
    "view_column": "view",
    "split": SPLIT,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("csv")
    make(root, np.random.default_rng(0))
    return root


@pytest.fixture
def copy(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "data")
    return tmp_path / "data"


def edited(root, change):
    frame = pd.read_csv(root / "labels.csv", dtype=str)
    change(frame).to_csv(root / "labels.csv", index=False)


def test_columns_become_a_manifest(folder):
    manifest = validate(read(OPTIONS, folder))
    written = pd.read_csv(folder / "labels.csv", dtype={"patient": str})
    table = manifest.table
    assert manifest.tasks == ("mass", "micro_calcification")
    assert table["image_id"].tolist() == written["image"].tolist()
    assert table["patient_id"].tolist() == written["patient"].tolist()
    assert table["patient_id"][0] == "000"
    assert table["study_id"].tolist() == (written["patient"] + "/" + written["study"]).tolist()
    assert table["view"].tolist() == written["view"].tolist()
    renamed = {"development": "train", "tuning": "valid", "holdout": "test"}
    assert table["split"].tolist() == written["part"].map(renamed).tolist()
    np.testing.assert_array_equal(table["mass"], written["Mass"])
    np.testing.assert_array_equal(table["micro_calcification"], written["Micro-Calcification"])
    assert np.isnan(table["micro_calcification"]).any()
    assert manifest.images.read(0).ndim == 2
    assert (manifest.patients_known, manifest.studies_known) == (True, True)


@pytest.mark.parametrize("name", ["labels.tsv", "labels.parquet"])
def test_other_forms_of_table_read_the_same(tmp_path, folder, name):
    make(tmp_path, np.random.default_rng(0), table=name)
    manifest = read({**OPTIONS, "table": name}, tmp_path)
    pd.testing.assert_frame_equal(manifest.table, read(OPTIONS, folder).table)


def test_numbers_and_truth_values_of_a_parquet_table_are_labels(copy):
    frame = pd.read_csv(copy / "labels.csv", dtype={"patient": int})
    frame["Mass"] = frame["Mass"] == 1
    frame.to_parquet(copy / "labels.parquet")
    table = read({**OPTIONS, "table": "labels.parquet"}, copy).table
    np.testing.assert_array_equal(table["mass"], frame["Mass"])
    np.testing.assert_array_equal(table["micro_calcification"], frame["Micro-Calcification"])
    assert table["patient_id"][0] == "0"
    frame.to_csv(copy / "labels.csv", index=False)
    assert "True" in (copy / "labels.csv").read_text()
    np.testing.assert_array_equal(read(OPTIONS, copy).table["mass"], frame["Mass"])


def test_a_class_column_becomes_one_hot(folder):
    options = {**OPTIONS, "task_kind": "multiclass", "label_columns": ["finding"]}
    manifest = validate(read({**options, "score_tasks": ["Not Sure"]}, folder))
    assert manifest.tasks == ("benign", "malignant", "not_sure")
    assert manifest.score_tasks == ("not_sure",)
    finding = pd.read_csv(folder / "labels.csv")["finding"]
    for task, name in zip(manifest.tasks, ("Benign", "Malignant", "Not Sure"), strict=True):
        np.testing.assert_array_equal(manifest.table[task], finding == name)
    with pytest.raises(UserError, match="label_columns names 2 columns"):
        read({**OPTIONS, "task_kind": "multiclass"}, folder)


def test_a_single_class_is_refused(copy):
    edited(copy, lambda frame: frame.assign(finding="same"))
    options = {**OPTIONS, "task_kind": "multiclass", "label_columns": ["finding"]}
    with pytest.raises(UserError, match="only one class in column 'finding'"):
        read(options, copy)


def test_without_people_each_image_stands_for_one(folder):
    bare = {key: OPTIONS[key] for key in ("table", "image_column", "label_columns", "split")}
    manifest = validate(read(bare, folder))
    table = manifest.table
    assert table["patient_id"].tolist() == table["study_id"].tolist() == table["image_id"].tolist()
    assert set(table["view"]) == {""}
    assert (manifest.patients_known, manifest.studies_known) == (False, False)
    assert any("Patients are unknown" in note for note in manifest.notes)


@pytest.mark.parametrize("known", [("patient",), ("patient", "study"), ("study",), ()])
def test_drawn_splits_keep_people_whole(copy, known):
    split = {"random": {"valid": 0.25, "test": 0.3}, "seed": 1}
    edited(copy, lambda frame: frame.assign(study=frame["patient"] + frame["study"]))
    people = {f"{key}_column": key if key in known else None for key in ("patient", "study")}
    options = {**OPTIONS, **people, "split": split, "label_columns": ["Mass"]}
    table = read(options, copy).table
    unit = f"{known[0]}_id" if known else "image_id"
    assert (table.groupby(unit)["split"].nunique() == 1).all()
    counts = table.drop_duplicates(unit)["split"].value_counts()
    total = counts.sum()
    expected = {"valid": round(0.25 * total), "test": round(0.3 * total)}
    assert {key: counts[key] for key in expected} == expected
    pd.testing.assert_frame_equal(table, read(options, copy).table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="Mass"), "no column 'Mass'.*its columns are image"),
        (lambda f: f.rename(columns={"image": "img"}), "no column 'image'"),
        (lambda f: f.assign(Mass="-1"), "'-1' in column 'Mass' of row 1; a label is 0, 1"),
        (lambda f: f.assign(Mass="abc"), "'abc' in column 'Mass' of row 1"),
        (lambda f: f.assign(Mass="7"), "'7' in column 'Mass' of row 1"),
        (lambda f: f.assign(Mass="NA"), "'NA' in column 'Mass' of row 1"),
        (lambda f: f.assign(patient=""), "nothing in column 'patient' of row 1"),
        (
            lambda f: f.assign(image="/a/" + f["image"]),
            "'/a/images/.*an absolute path; write it rel",
        ),
        (
            lambda f: f.assign(image="../" + f["image"]),
            r"'\.\./images/.*not in the data set's root",
        ),
        (lambda f: f.assign(image="images/../../a.png"), "not in the data set's root; move it"),
        (lambda f: f.assign(part="spare"), "'spare' in column 'part', which split gives"),
        (
            lambda f: f.assign(patient="000"),
            r"patient 000 \(.*\) is in more than one split",
        ),
        (lambda f: f.assign(part="tuning"), "split train has no image"),
        (lambda f: f.assign(Mass="1"), r"task mass has .* 0 negative\(s\) in valid"),
        (lambda f: f.assign(image="images/a.png"), "listed more than once: images/a.png"),
    ],
)
def test_faults_of_the_table_are_named(copy, change, message):
    edited(copy, change)
    with pytest.raises(UserError, match=message):
        validate(read(OPTIONS, copy))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "none.csv"}, r"none\.csv does not exist"),
        ({"table": "images/000a_CC.png"}, r"ends in '\.png'; write it as"),
        ({"task_kind": "ordinal"}, "task_kind is 'ordinal'"),
        ({"label_columns": ["Mass", "Mass"]}, "makes a second task 'mass'"),
        ({"score_tasks": ["masses"]}, r"names 'masses' \(did you mean 'mass'"),
        ({"split": {"random": {"valid": 0.6, "test": 0.5}}}, "lower the shares"),
        ({"split": {"seed": 1}}, "needs column or random"),
        ({"split": {**SPLIT, "test": ["tuning"]}}, "gives 'tuning' to valid and test"),
    ],
)
def test_options_out_of_range_are_named(folder, options, message):
    with pytest.raises(UserError, match=message):
        read({**OPTIONS, **options}, folder)


def test_a_root_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match=r"data folder .*nowhere does not exist"):
        read(OPTIONS, tmp_path / "nowhere")


def test_studies_without_patients_are_patients_of_their_own(copy):
    edited(copy, lambda frame: frame.assign(study=frame["patient"] + frame["study"]))
    manifest = validate(read({**OPTIONS, "patient_column": None}, copy))
    table = manifest.table
    assert table["patient_id"].equals(table["study_id"].rename("patient_id"))
    assert table["study_id"].nunique() < len(table)
    assert (manifest.patients_known, manifest.studies_known) == (False, True)
    assert any("each study counts as its own patient" in note for note in manifest.notes)


def test_a_patient_is_one_however_a_number_is_written(copy):
    def numbered(frame):
        spelled = frame.index.to_series().map(lambda row: ".0" if row % 2 else "")
        return frame.assign(patient=frame["patient"].astype(int).astype(str) + spelled)

    edited(copy, numbered)
    assert read(OPTIONS, copy).table["patient_id"].nunique() == 18
    edited(copy, lambda frame: frame.assign(patient=["7", "007"] * (len(frame) // 2)))
    with pytest.raises(
        UserError, match=r"column 'patient': '007' and '7' may be the same value or not"
    ):
        read(OPTIONS, copy)


def test_values_of_a_split_are_numbers_too(copy):
    places = {"development": "0.0", "tuning": "1", "holdout": "2.00"}
    edited(copy, lambda frame: frame.assign(part=frame["part"].map(places)))
    split = {"column": "part", "train": [0], "valid": ["1.0"], "test": [2]}
    assert set(read({**OPTIONS, "split": split}, copy).table["split"]) == {"train", "valid", "test"}


def test_images_lie_in_one_of_several_folders(copy):
    edited(copy, lambda frame: frame.assign(image=frame["image"].str.removeprefix("images/")))
    one = read({**OPTIONS, "image_folders": ["images"]}, copy)
    more = copy / "more images"
    more.mkdir()
    moved = one.table["image_id"][3]
    (copy / "images" / moved).rename(more / moved)
    manifest = validate(read({**OPTIONS, "image_folders": ["images", "more images"]}, copy))
    assert manifest.table["image_id"].equals(one.table["image_id"])
    assert manifest.images.read(3).size and manifest.images.read(4).size
    shutil.copy(more / moved, copy / "images" / moved)
    with pytest.raises(UserError, match=rf"{moved} is in images, more images of .*keep one"):
        read({**OPTIONS, "image_folders": ["images", "more images"]}, copy)
    for folder in ("images", "more images"):
        (copy / folder / moved).unlink()
    with pytest.raises(UserError, match=rf"1 image\(s\) are in none of images, more .*: {moved}"):
        read({**OPTIONS, "image_folders": ["images", "more images"]}, copy)
    with pytest.raises(UserError, match="image_folders names pictures, but .* has no such folder"):
        read({**OPTIONS, "image_folders": ["pictures"]}, copy)


def test_the_published_table_of_chestxray14_is_read_as_it_is():
    """All parts of one cell become tasks, as counted by splitting the published text."""
    root = PROJECT.parent / "shared" / "data" / "classification" / "nih14_mini"
    if not root.is_dir():
        pytest.skip(f"real films are absent: {root}")
    options = {
        "table": "Data_Entry_2017_v2020.csv",
        "image_column": "Image Index",
        "image_folders": ["images"],
        "label_columns": ["Finding Labels"],
        "label_separator": "|",
        "no_label": "No Finding",
        "patient_column": "Patient ID",
        "view_column": "View Position",
        "score_tasks": ["Pneumonia"],
        "split": {"random": {"valid": 0.2, "test": 0.3}, "seed": 0},
    }
    manifest = validate(read(options, root))
    lines = (root / options["table"]).read_text().splitlines()[1:]
    cells = [line.split(",")[1].split("|") for line in lines]
    assert len(manifest.table) == len(cells) == 1000
    assert len(manifest.tasks) == 14 and "no_finding" not in manifest.tasks
    for task in ("Pneumonia", "Pleural_Thickening", "Effusion"):
        expected = [float(task in cell) for cell in cells]
        assert manifest.table[task.lower()].tolist() == expected
    assert manifest.table["patient_id"].nunique() == 682
    assert manifest.images.read(0).shape == (160, 160)
    with pytest.raises(UserError, match=r"is several labels .*label_separator: \"\|\""):
        read({**options, "label_separator": None, "task_kind": "multiclass"}, root)


def test_slices_of_ct_are_read_as_the_documentation_says(tmp_path, monkeypatch):
    text = (PROJECT / "docs" / "data.md").read_text(encoding="utf-8").split("#### Slices of CT")[1]
    program, declared = re.findall(r"```(?:python|yaml)\n(.*?)```", text, re.DOTALL)[:2]
    rows = [f"st{n // 6},se{n // 6},sl{n},{int(n % 6 > 3)}" for n in range(60)]
    head = "StudyInstanceUID,SeriesInstanceUID,SOPInstanceUID,pe_present_on_image"
    (tmp_path / "train.csv").write_text("\n".join([head, *rows]))
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    options = yaml.safe_load(declared)["datasets"]["embolism"]
    (tmp_path / "train").mkdir()
    manifest = validate(read(options, tmp_path))
    assert manifest.images.name(7) == "train/st1/se1/sl7.png"
    table = manifest.table
    assert table["pe_present_on_image"].tolist() == [int(n % 6 > 3) for n in range(60)]
    assert table["study_id"].nunique() == 60 and table["patient_id"].nunique() == 10
    assert table.groupby("patient_id")["split"].nunique().eq(1).all()
