"""`transfergrid init` guesses what was made here, says why, and its study plans as written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from datasets.made_dicom import dicom
from PIL import Image

from transfergrid.commands.guesses import guess_columns
from transfergrid.commands.main import main
from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study_of(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "study.yaml").read_text())
    return dict(found["datasets"][name])


def film(number: int, side: int = 40) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)


def hospital(here: Path, **more: Any) -> Path:
    """A table of DICOM films in a folder below it, which does not say whose they are."""
    folder = here / "hospital" / "images"
    folder.mkdir(parents=True)
    for number in range(120):
        header = {"PatientID": f"P{number // 2}", "ViewPosition": ("AP", "PA")[number % 2]}
        (folder / f"f{number}.dcm").write_bytes(dicom(film(number), **header))
    table = pd.DataFrame({"file": [f"f{n}.dcm" for n in range(120)]})
    table["effusion"] = [int(n % 6 < 2) for n in range(120)]
    table["rare"] = [int(n == 3) for n in range(120)]
    table["age"] = [20 + n % 50 for n in range(120)]
    table.assign(**more).to_csv(here / "hospital" / "labels.csv", index=False)
    return here / "hospital"


def test_a_table_of_dicom_films(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hospital(here)
    assert main(["init", "hospital"]) == 0
    told = capsys.readouterr().out
    assert "120 images of 60 patients" in told
    found = study_of(here / "hospital_study", "hospital")
    assert found["label_columns"] == ["effusion"] and found["dicom"] is True
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
    np.savez(here / "masks.npz", train_images=np.zeros((1, 2, 2)), train_masks=np.zeros((1, 2, 2)))
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
        "masks.npz": "has no val_images, test_images, train_labels.* docs/segmentation.md",
        "loose": "has 1 films and no labels: put them into a folder for each class",
        "two": "has several tables, a.csv, b.csv; name the one with the labels",
        "nih": "looks as if it were published data; write a study with kind: nih14",
        "lost": "no column of lost/a.csv names files in .*/lost",
    }.items():
        assert main(["init", data]) == 1, data
        told = capsys.readouterr()
        assert told.out == ""
        assert len(told.err.splitlines()) == 1 and re.search(sentence, told.err), told.err
        assert not list(here.glob("*_study"))


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


def test_a_page_is_no_patient_and_a_blank_is_none() -> None:
    found = columns(finding=["0", "1"] * 20, patient_age=[str(n) for n in range(40)])
    assert found["patient_column"] is None
    found = columns(finding=["0", "1"] * 20, patient=[None, *(str(n) for n in range(39))])
    assert found["patient_column"] is None
