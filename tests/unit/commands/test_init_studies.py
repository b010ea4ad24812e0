"""Studies, and views of these, that DICOM headers tell and a table or folders do not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from datasets.made_dicom import dicom
from unit.commands.made_films import film, study_of, text_of

from transfergrid.commands.main import main
from transfergrid.data.kinds import read_manifest


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def films_of(here: Path, form: str, by: int, whose: int = 4) -> Path:
    """Films of two classes; two of each study, of which each view is one, and four of a patient."""
    for number in range(80):
        header = {
            "StudyInstanceUID": f"1.2.3.{number // 2}",
            "ViewPosition": ("PA", "LL")[number % 2],
        }
        header |= {"PatientID": f"P{number // whose}"} if whose else {}
        name = ("benign", "malignant")[number // by % 2] if form != "table" else "all"
        name = f"{('train', 'test')[number // 8 % 2]}/{name}" if form == "parted" else name
        (here / "sorted" / name).mkdir(parents=True, exist_ok=True)
        (here / "sorted" / name / f"f{number}.dcm").write_bytes(dicom(film(number, 16), **header))
    if form == "table":
        table = pd.DataFrame({"film": [f"f{n}.dcm" for n in range(80)]})
        table["nodule"] = [n // by % 2 for n in range(80)]
        table.to_csv(here / "sorted" / "labels.csv", index=False)
    return here / "sorted"


@pytest.mark.parametrize("form", ["table", "folders"])
def test_headers_tell_studies_and_views(
    here: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = films_of(here, form, by=4)
    assert main(["init", "sorted"]) == 0
    assert "Views: " in (told := capsys.readouterr().out) and "| studies" in told
    found = study_of(here / "sorted_study", "sorted")
    assert (found["patient_column"], found["study_column"], found["view_column"]) == (
        "PatientID",
        "StudyInstanceUID",
        "ViewPosition",
    )
    assert "headers tell 40 studies" in text_of(here / "sorted_study")
    table = read_manifest(found, data if form == "table" else here / "sorted_study").table
    assert table["study_id"].nunique() == 40 and set(table["view"]) == {"PA", "LL"}


@pytest.mark.parametrize("form", ["table", "folders"])
def test_a_study_whose_films_have_different_labels_is_not_scored_as_one(
    here: Path, form: str
) -> None:
    films_of(here, form, by=1)
    assert main(["init", "sorted"]) == 0
    assert "study_column" not in study_of(here / "sorted_study", "sorted")
    assert "would keep the films" not in text_of(here / "sorted_study")
    films_of(here, form, by=1, whose=0)
    assert main(["init", "sorted", "--out", "unknown"]) == 0
    assert "so each image counts as one" in (text := text_of(here / "unknown"))
    assert "StudyInstanceUID, which all headers have, would keep the films of a study in" in text


@pytest.mark.parametrize("form", ["table", "folders", "parted"])
def test_without_patients_a_study_that_headers_tell_is_not_torn(here: Path, form: str) -> None:
    data = films_of(here, form, by=4, whose=0)
    assert main(["init", "sorted"]) == 0
    found = study_of(here / "sorted_study", "sorted")
    assert found["patient_column"] is None
    assert "so each study counts as one" in text_of(here / "sorted_study")
    table = read_manifest(found, data if form == "table" else here / "sorted_study").table
    if form == "parted":  # valid was drawn from train
        assert set(table["split"]) == {"train", "valid", "test"}
        assert table.groupby("study_id")["split"].nunique().max() == 1
    assert table["patient_id"].nunique() == 40


def test_a_tables_own_column_is_read_and_no_header_even_with_blanks(here: Path) -> None:
    path = films_of(here, "table", by=4) / "labels.csv"
    table = pd.read_csv(path)
    table["StudyInstanceUID"] = ["" if n < 2 else f"1.2.{n // 2}" for n in range(80)]
    table.to_csv(path, index=False)
    assert main(["init", "sorted"]) == 0  # reading the column would be refused
    assert "study_column" not in study_of(here / "sorted_study", "sorted")
