"""`transfergrid init` guesses what was made here, says why, and its study plans as written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.made_dicom import dicom
from PIL import Image
from unit.commands.made_films import assert_refused, film, hospital, study_of

from transfergrid.commands.guesses import guess_columns
from transfergrid.commands.main import main
from transfergrid.data import kinds
from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_of_dicom_films(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hospital(here)
    assert main(["init", "hospital"]) == 0
    told = capsys.readouterr().out
    assert "120 images of 60 patients" in told
    found = study_of(here / "hospital_study", "hospital")
    assert found["label_columns"] == ["effusion"] and found["dicom"] is True
    assert found["folds"] == {"k": 5} and "split" not in found
    assert found["image_folders"] == ["images"] and found["image_px"] == 64
    assert (found["patient_column"], found["view_column"]) == ("PatientID", "ViewPosition")
    text = (here / "hospital_study" / "study.yaml").read_text()
    assert "left out rare, with fewer than 12 of 0 or of 1" in text
    for key in found.keys() - {"kind", "root"}:  # each guess has its reason above it
        assert re.search(rf"\n    # \S.*\n    {key}: ", text), key
    assert (here / "hospital_study" / "data_card.md").read_text() in told
    assert main(["plan", "hospital_study/study.yaml"]) == 0
    assert main(["init", "hospital"]) == 1
    assert "is there already; name another folder with --out" in capsys.readouterr().err


def test_nothing_is_written_beside_the_data(here: Path) -> None:
    folder = hospital(here)
    before = sorted(path.name for path in folder.rglob("*"))
    assert main(["init", str(folder / "labels.csv"), "--out", str(here / "new" / "one")]) == 0
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert (here / "new" / "one" / "study.yaml").is_file()


def test_columns_of_splits_and_patients_are_found(here: Path) -> None:
    parts = ["train"] * 60 + ["val"] * 30 + ["test"] * 30
    hospital(here, Subject=[f"s{n // 2}" for n in range(120)], split=parts)
    assert main(["init", "hospital"]) == 0
    found = study_of(here / "hospital_study", "hospital")
    assert found["patient_column"] == "Subject"
    assert found["split"] == {
        "column": "split",
        "train": ["train"],
        "valid": ["val"],
        "test": ["test"],
    }


@pytest.mark.parametrize("parted", [False, True])
def test_folders_of_classes(here: Path, parted: bool) -> None:
    for part in ("train", "val", "test") if parted else ("",):
        for number, name in enumerate(("benign", "malignant")):
            folder = here / "sorted" / part / name
            folder.mkdir(parents=True)
            for one in range(20 if parted else 40):
                picture = film(1000 * number + one + 7 * len(part))
                Image.fromarray(picture).save(folder / f"{one}.png")
    assert main(["init", "sorted"]) == 0
    out = here / "sorted_study"
    found = study_of(out, "sorted")
    assert found["task_kind"] == "multiclass" and "patient_column" in found
    manifest = read_manifest(found, out)
    names = [manifest.images.name(n) for n in range(len(manifest.table))]
    truth = manifest.table["malignant"].to_numpy() == 1
    assert [("malignant" in name) for name in names] == truth.tolist()
    if parted:
        assert [name.split("/")[1] for name in names] == manifest.table["split"].replace(
            {"valid": "val"}
        ).tolist()
    assert manifest.images.read(0).shape == (64, 64)


def test_an_npz_file(here: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_images": rng.integers(0, 256, (40, 28, 28), dtype=np.uint8) for part in PARTS
    }
    arrays |= {f"{part}_labels": np.arange(40)[:, None] % 3 for part in PARTS}
    np.savez(here / "Mine 2.npz", **arrays)
    assert main(["init", "Mine 2.npz"]) == 0
    found = study_of(here / "mine_2_study", "mine_2")
    assert (found["kind"], found["task_kind"], found["image_px"]) == ("medmnist", "multiclass", 64)


PARTS = ("train", "val", "test")


def test_what_nothing_can_be_guessed_of_is_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty").mkdir()
    (here / "text.md").write_text("#")
    (here / "broken.npz").write_text("#")
    np.savez(here / "films.npz", train_images=np.zeros((1, 2, 2)))
    (here / "loose").mkdir()
    (here / "loose" / "a.dcm").write_bytes(dicom(film(0)))
    (here / "two").mkdir()
    (here / "lost").mkdir()
    (here / "nih").mkdir()
    for name in ("two/a.csv", "two/b.csv", "lost/a.csv", "nih/Data_Entry_2017_v2020.csv"):
        (here / name).write_text("file,label\nnowhere.png,1\n")
    for data, sentence in {
        "nowhere": "nowhere does not exist; name a folder",
        "empty": "empty has no films in it or below",
        "text.md": "is no folder, no table",
        "broken.npz": "is not a readable .npz file; restore it",
        "films.npz": "has no val_images, test_images, train_labels.*docs/segmentation.md",
        "loose": "has 1 films and no labels: put them into a folder for each class",
        "two": "has several tables, a.csv, b.csv; name the one with the labels",
        "nih": "looks as if it were published data; write a study with kind: nih14",
        "lost": "no column of lost/a.csv names files in .*/lost",
    }.items():
        assert_refused(data, sentence, here, capsys)


def columns(**given: list[Any]) -> dict[str, Any]:
    rows = len(next(iter(given.values())))
    frame = pd.DataFrame({"file": [f"{n}.png" for n in range(rows)], **given}).astype(object)
    return {guess.key: guess.value for guess in guess_columns(frame, "file")}


def test_labels_in_one_column() -> None:
    many = ["A|B", "A", "No Finding", "B"] * 20
    found = columns(findings=many)
    assert found["label_separator"] == "|" and found["no_label"] == "No Finding"
    assert "score_tasks" not in found
    found = columns(findings=[*many, "Pleural Cyst|A"])
    assert found["score_tasks"] == ["a", "b"]
    found = columns(age=["50"] * 80, diagnosis=["x", "y", "z", "x"] * 20)
    assert (found["task_kind"], found["label_columns"]) == ("multiclass", ["diagnosis"])
    with pytest.raises(UserError, match="none of the columns age looks like labels"):
        columns(age=[str(n) for n in range(80)])


def test_an_age_is_no_patient() -> None:
    found = columns(finding=["0", "1"] * 20, patient_age=[str(n) for n in range(40)])
    assert found["patient_column"] is None


def test_patients_with_gaps_are_refused_and_not_passed_over() -> None:
    labels, ids = ["0", "1"] * 20, [str(n // 2) for n in range(40)]
    with pytest.raises(
        UserError, match=r"column 'patient' .* blank or NA in 1 of 40 rows \(row 3\)"
    ):
        columns(finding=labels, patient=[*ids[:2], None, *ids[3:]])
    # Another column tells them, or this one hardly ever does.
    found = columns(finding=labels, patient=[*ids[:2], None, *ids[3:]], subject=ids)
    assert found["patient_column"] == "subject"
    found = columns(finding=labels, patient=[*ids[:2], *[None] * 38])
    assert found["patient_column"] is None


def test_yes_and_no_are_one_label_and_other_words_two_classes() -> None:
    found = columns(label=["Yes", "No"] * 20)
    assert found["label_columns"] == ["label"] and "task_kind" not in found
    assert found["label_values"] == {"Yes": 1, "No": 0}
    for words in (["normal", "pneumonia"], ["yes", "y"], ["yes", "maybe"]):
        found = columns(label=words * 20)
        assert found["task_kind"] == "multiclass" and "label_values" not in found


def test_a_sex_is_not_learned_where_labels_are_too_few() -> None:
    with pytest.raises(UserError, match="none of the columns label, Patient_Sex, age looks like"):
        columns(label=["0"] * 40, Patient_Sex=["F", "M"] * 20, age=["40", "50"] * 20)
    assert columns(stage=["I", "II"] * 20)["label_columns"] == ["stage"]


TAGS = (
    *("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "PatientName", "PatientID"),
    *("PatientBirthDate", "PatientSex", "PatientAge", "PatientWeight", "PatientPosition"),
    *("StudyInstanceUID", "StudyID", "ImagePositionPatient"),
)
"""Columns of a table of headers as it comes: in the order of their tags."""


def test_neither_names_nor_dates_are_taken_for_ids() -> None:
    told = {name: [f"{name}{n}" for n in range(40)] for name in TAGS}
    found = columns(**told, finding=["0", "1"] * 20)
    assert found["patient_column"] == "PatientID" and found["study_column"] == "StudyInstanceUID"
    assert "view_column" not in found  # a patient lies on the back or not
    for one in ("PatientID", "StudyInstanceUID", "StudyID", "AccessionNumber"):
        del told[one]
    found = columns(**told, finding=["0", "1"] * 20)
    assert found["patient_column"] is None and "study_column" not in found
    for name in ("patient_name", "Patient Birth Date", "study date", "subject initials"):
        found = columns(**{name: [str(n) for n in range(40)]}, finding=["0", "1"] * 20)
        assert found["patient_column"] is None and "study_column" not in found, name


def test_without_patients_each_study_counts_as_one() -> None:
    frame = pd.DataFrame(
        {"file": map(str, range(40)), "finding": ["0", "1"] * 20, "exam_id": map(str, range(40))}
    ).astype(object)
    why = {guess.key: guess.why for guess in guess_columns(frame, "file")}
    assert "so each study counts as one" in why["patient_column"]
    why = {guess.key: guess.why for guess in guess_columns(frame.drop(columns="exam_id"), "file")}
    assert "so each image counts as one" in why["patient_column"]


def sorted_films(here: Path, *parts: str, dicom_files: bool = False) -> Path:
    """Folders of two classes in each part; of DICOM files, two of each patient."""
    for part in parts:
        for number, name in enumerate(("benign", "malignant")):
            folder = here / "sorted" / part / name
            folder.mkdir(parents=True)
            for one in range(20):
                picture = film(1000 * number + one + 7 * len(part))
                if dicom_files:
                    header = {"PatientID": f"{part}{name}{one // 2}"}
                    (folder / f"{one}.dcm").write_bytes(dicom(picture, **header))
                else:
                    Image.fromarray(picture).save(folder / f"{one}.png")
    return here / "sorted"


@pytest.mark.parametrize("dicom_files", [False, True])
def test_a_published_test_folder_stays_one(here: Path, dicom_files: bool) -> None:
    sorted_films(here, "train", "test", dicom_files=dicom_files)
    assert main(["init", "sorted"]) == 0
    out = here / "sorted_study"
    found = study_of(out, "sorted")
    table = read_manifest(found, out).table
    homes = table["image_id"].map(lambda name: name.split("/")[1])
    assert ((table["split"] == "test") == (homes == "test")).all()
    assert set(table["split"]) == {"train", "valid", "test"}
    assert table.groupby("split")["malignant"].nunique().min() == 2
    assert "no folder valid: drawn from train" in (out / "study.yaml").read_text()
    if dicom_files:
        assert found["patient_column"] == "PatientID"
        assert table.groupby("patient_id")["split"].nunique().max() == 1


def test_parts_that_cannot_be_kept_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sorted_films(here, "valid", "test")
    assert main(["init", "sorted"]) == 1
    assert "folders test, valid and none of films to train on" in capsys.readouterr().err
    sorted_films(here, "train", "more")
    assert main(["init", "sorted"]) == 1
    told = capsys.readouterr().err
    assert "the folders more, test, train, valid: sort the films into folders by class" in told
    hospital(here, split=["valid"] * 80 + ["test"] * 40)
    assert main(["init", "hospital"]) == 1
    told = capsys.readouterr().err
    assert "column 'split' has valid, test, which are not train, valid and test; give each" in told
    assert not list(here.glob("*_study"))


def test_films_beside_the_table_and_below_it_are_all_found(here: Path) -> None:
    folder = hospital(here)
    for number in range(0, 120, 3):
        (folder / "images" / f"f{number}.dcm").rename(folder / f"f{number}.dcm")
    assert main(["init", "hospital"]) == 0
    found = study_of(here / "hospital_study", "hospital")
    images = read_manifest(found, folder).images
    assert found["image_folders"] == [".", "images"]
    assert not any(images.missing(number) for number in range(120))


def test_absolute_paths_are_told_as_such(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = hospital(here)
    table = pd.read_csv(folder / "labels.csv")
    (here / "other").mkdir()
    table["file"] = [str(folder / "images" / name) for name in table["file"]]
    table.to_csv(here / "other" / "labels.csv", index=False)
    assert main(["init", "other"]) == 1
    told = capsys.readouterr().err
    assert "column 'file' of other/labels.csv has absolute paths; write them relative" in told


def test_a_dollar_in_a_folders_name_is_written_as_studies_take_it(here: Path) -> None:
    hospital(here).rename(here / "cost$1")
    assert main(["init", "cost$1"]) == 0
    assert study_of(here / "cost_1_study", "cost_1")["root"] == f"{here}/cost$$1"


def test_a_study_that_cannot_be_planned_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*given: object) -> None:
        raise UserError("no such network")

    hospital(here)
    monkeypatch.setattr("transfergrid.commands.init.plan_run", refuse)
    assert main(["init", "hospital"]) == 1
    assert [path.name for path in here.iterdir()] == ["hospital"]
    assert capsys.readouterr().out == ""


def test_a_fault_is_told_at_once_with_its_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = hospital(here)
    (folder / "images" / "f57.dcm").write_bytes(dicom(film(57), ViewPosition="AP"))
    read, readings = kinds.read_unchecked, []
    monkeypatch.setattr(kinds, "read_unchecked", lambda *given: readings.append(1) or read(*given))
    assert main(["init", "hospital"]) == 1
    told = capsys.readouterr().err
    assert re.search(r"image .*/images/f57.dcm says nothing under PatientID, which was", told)
    assert len(readings) == 1
