"""`init` finds films that a table names otherwise than by paths, and names those that it cannot."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.made_dicom import dicom
from pydicom import dcmread
from pydicom.uid import BasicTextSRStorage, JPEGLosslessSV1
from unit.commands.made_films import assert_refused, film, save, study_of, text_of

from transfergrid.commands.main import main
from transfergrid.data.kinds import read_manifest


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


COUNT = 60


def uid(number: int) -> str:
    return f"1.2.826.0.1.99.{number}"


def disc(here: Path, name: str = "IM{0}", **column: list[str]) -> Path:
    """DICOM files as a disc has them, a folder a patient and a study, and a table of labels."""
    for number in range(COUNT):
        home = here / "disc" / f"P{number // 2}" / "study" / "series" / "films"
        home.mkdir(parents=True, exist_ok=True)
        header = {"PatientID": f"P{number // 2}", "SOPInstanceUID": uid(number)}
        (home / name.format(number)).write_bytes(dicom(film(number, 64), **header))
    (here / "disc" / "DICOMDIR").write_bytes(dicom(film(0)))
    table = pd.DataFrame(column).assign(nodule=[int(n % 4 == 0) for n in range(COUNT)])
    table.to_csv(here / "disc" / "labels.csv", index=False)
    return here / "disc"


@pytest.mark.parametrize(
    ("name", "column", "why"),
    [
        ("IM{0}", [uid(n) for n in range(COUNT)], "the SOPInstanceUID of their headers"),
        ("IM{0}.dcm", [f"IM{n}" for n in range(COUNT)], "names of films without their endings"),
        ("IM{0}.dcm", [f"IM{n}.dcm" for n in range(COUNT)], "names of films"),
        ("1.2.{0}", [f"1.2.{n}" for n in range(COUNT)], "names of films"),
    ],
)
def test_films_are_found_however_deep_by(
    here: Path, name: str, column: list[str], why: str
) -> None:
    folder = disc(here, name, key=column[::-1])
    before = sorted(folder.rglob("*"))
    assert main(["init", "disc"]) == 0
    assert main(["plan", "disc_study/study.yaml"]) == 0
    assert sorted(folder.rglob("*")) == before
    found = study_of(here / "disc_study", "disc")
    assert f"column 'key' has {why}; through" in text_of(here / "disc_study")
    assert found["patient_column"] == "PatientID"
    manifest = read_manifest(found, here / "disc_study")
    for row in range(COUNT):  # the table's rows are the other way round
        assert np.array_equal(manifest.images.read(row), film(COUNT - 1 - row, 64))
    assert manifest.table["nodule"].tolist() == [int(n % 4 == 0) for n in range(COUNT)]


def test_films_of_which_the_table_says_nothing_are_counted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = disc(here, key=[uid(n) for n in range(COUNT)])
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    table.iloc[3:].to_csv(folder / "labels.csv", index=False)
    assert main(["init", "disc"]) == 0
    told = r"3 film\(s\) in .*/disc are in no row of labels.csv, and are left out"
    assert re.search(told, capsys.readouterr().out)
    assert re.search(told, (here / "disc_study" / "data_card.md").read_text())


def test_labels_of_no_film_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disc(here, key=[*(uid(n) for n in range(COUNT - 2)), "1.2.3.4.5", "1.2.3.4.6"])
    assert main(["init", "disc"]) == 1
    told = capsys.readouterr().err
    assert "2 of 60 names in column 'key' of" in told
    assert "are those of no film: 1.2.3.4.5, 1.2.3.4.6; put the films there, or take" in told
    for number in range(COUNT):
        save(here / "flat" / f"{number}.png", film(number, 16))
    names = ["none.png", *(f"{n}.png" for n in range(1, COUNT - 1)), "lost.png"]
    table = pd.DataFrame({"film": names, "nodule": [int(n % 4 == 0) for n in range(COUNT)]})
    table.to_csv(here / "flat" / "labels.csv", index=False)
    assert main(["init", "flat"]) == 1
    told = capsys.readouterr().err
    assert re.search(r"2 of the 60 files that .*labels.csv names are not in", told)
    assert "none.png, lost.png; put them there, or take their rows out" in told


def test_a_name_of_two_films_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = disc(here, key=[uid(n) for n in range(COUNT)])
    (folder / "again.dcm").write_bytes(dicom(film(0), SOPInstanceUID=uid(7)))
    assert main(["init", "disc"]) == 1
    assert f"'{uid(7)}' in column 'key' of" in (told := capsys.readouterr().err)
    assert "is the name of several films, " in told and "again.dcm" in told


def test_an_age_is_no_name_of_a_film(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(COUNT):
        save(here / "flat" / f"{number}.png", film(number, 16))
    rows = pd.DataFrame({"age": [20 + n % 30 for n in range(COUNT)], "nodule": [0, 1] * 30})
    rows.to_csv(here / "flat" / "labels.csv", index=False)
    assert main(["init", "flat"]) == 1
    told = capsys.readouterr().err
    assert "no column of" in told and "or the SOPInstanceUID of its header" in told


def broken(pixels: Any, kind: str) -> bytes:
    if kind == "text":
        return b"Dear colleague,\n" * 40
    if kind == "nifti":
        return b"\0" * 344 + b"n+1\0" + b"\0" * 400
    if kind == "report":
        file = dcmread(BytesIO(dicom(pixels, PatientID="P1")))
        for name in ("PixelData", "Rows", "Columns", "PhotometricInterpretation"):
            delattr(file, name)
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
        file.save_as(out := BytesIO(), enforce_file_format=True)
        return out.getvalue()
    return dicom(pixels, PatientID="P1").replace(
        b"1.2.840.10008.1.2.1\0", str(JPEGLosslessSV1)[:19].encode() + b"\0", 1
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("text", r"cannot be read \(it is not one of JPEG, PNG"),
        ("nifti", r"cannot be read \(it is a NIfTI file\)"),
        ("report", "is a DICOM file without an image, Basic Text SR Storage"),
        ("lossless", "is a DICOM file compressed as"),
    ],
)
def test_files_that_are_no_films_are_all_named_wherever_they_stand(
    here: Path, kind: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = disc(here, "IM{0}.dcm", key=[f"IM{n}" for n in range(COUNT)])
    for number in (17, 43):
        path = folder / f"P{number // 2}/study/series/films/IM{number}.dcm"
        path.write_bytes(broken(film(number), kind))
    assert main(["init", "disc"]) == 1
    error = capsys.readouterr().err
    assert "2 of 60 films cannot be read, and no study was written: IM17.dcm, IM43.dcm" in error
    assert re.search(rf"the first says: image .*IM17.dcm {told}", error)
    assert not (here / "disc_study").exists()


@pytest.mark.parametrize("form", ["table", "folders"])
def test_volumes_are_refused_with_the_way_to_read_their_slices(
    here: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        home = here / "head" / ("benign", "malignant")[number % 2]
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number}.nii.gz").write_bytes(b"")
    if form == "table":
        names = [str(path.relative_to(here / "head")) for path in here.rglob("*.nii.gz")]
        table = pd.DataFrame({"volume": names, "slice": 3, "finding": [0, 1] * 2})
        table.to_csv(here / "head" / "labels.csv", index=False)
    what = "labels.csv" if form == "table" else "head"
    told = rf"{what} has 4 NIfTI volume\(s\), such as .*\.nii\.gz, and nobody says which of their "
    assert_refused("head", told, here, capsys)
    assert_refused("head", r"a row for each slice .*`nifti: \{ slice: COLUMN, axis", here, capsys)


@pytest.mark.parametrize(
    ("whose", "told"),
    [
        (lambda n: "ANON", "all headers have the same PatientID"),
        (lambda n: f"P{n}" if n < 20 else "", "40 of the films have no PatientID in their headers"),
    ],
)
def test_headers_that_do_not_tell_patients_are_not_believed(
    here: Path, whose: Any, told: str
) -> None:
    for number in range(COUNT):
        home = here / "sorted" / ("benign", "malignant")[number % 2]
        home.mkdir(parents=True, exist_ok=True)
        data = dicom(film(number), PatientID=whose(number))
        (home / f"{number}.dcm").write_bytes(data)
    assert main(["init", "sorted"]) == 0
    assert study_of(here / "sorted_study", "sorted")["patient_column"] is None
    assert told in text_of(here / "sorted_study")
