"""Tables as programs of other countries and other languages write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.commands.made_films import assert_refused, film, hospital, save, study_of, text_of

from transfergrid.commands.main import main
from transfergrid.data.kinds import read_manifest
from transfergrid.data.manifest import IDS


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table_of(here: Path, form: dict[str, Any], **columns: Any) -> None:
    """Write a folder `clinic` with films of 60 patients, and a table of them."""
    names = [f"films/f{n}.png" for n in range(60)]
    for number, name in enumerate(names):
        save(here / "clinic" / name, film(number, 16))
    table = pd.DataFrame({"film": names, "patient": [f"p{n:02d}" for n in range(60)]})
    table = table.assign(**columns)
    table.to_csv(here / "clinic" / "films.csv", index=False, **form)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_that_is_not_divided_by_commas(here: Path, separator: str) -> None:
    labels = {"edema ": ["0", "1"] * 30}
    table_of(here, {"sep": separator, "encoding": "utf-8-sig"}, **labels)
    assert main(["init", "clinic"]) == 0
    found = study_of(here / "clinic_study", "clinic")
    assert found["separator"] == separator and found["label_columns"] == ["edema"]
    assert len(read_manifest(found, here / "clinic").table) == 60


def test_a_table_that_is_written_anew_has_commas_again(here: Path) -> None:
    hospital(here)
    path = here / "hospital" / "labels.csv"
    table = pd.read_csv(path)
    table["file"] = [name.removesuffix(".dcm") for name in table["file"]]
    table.to_csv(path, index=False, sep=";")
    assert main(["init", "hospital"]) == 0
    assert "separator" not in study_of(here / "hospital_study", "hospital")


@pytest.mark.parametrize("word", ["NA", "NaN", "n/a"])
def test_words_for_nothing_are_blank_labels(here: Path, word: str) -> None:
    labels = [word if n % 6 == 5 else str(n % 2) for n in range(60)]
    table_of(here, {}, edema=labels)
    assert main(["init", "clinic"]) == 0
    found = study_of(here / "clinic_study", "clinic")
    assert found["label_columns"] == ["edema"] and found["label_values"] == {word: None}
    truth = read_manifest(found, here / "clinic").table["edema"]
    assert (int(truth.isna().sum()), int((truth == 1).sum())) == (10, 20)


def test_patients_of_no_name_are_not_one_patient(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whose = ["NA" if n < 3 else f"p{n}" for n in range(60)]
    table_of(here, {}, edema=["0", "1"] * 30, patient=whose)
    assert_refused(
        "clinic", "'patient' looks like patients and is blank or NA in 3 of", here, capsys
    )


@pytest.mark.parametrize("kept", ["test", "val"])
@pytest.mark.parametrize("labels", ["columns", "words", "classes", "bars"])
def test_a_third_part_is_drawn_from_train(here: Path, kept: str, labels: str) -> None:
    words = {"columns": "01", "words": ["no", "yes"], "classes": "abc", "bars": ["a|b", "none"]}
    values = [words[labels][n % len(words[labels])] for n in range(60)]
    # Two films a patient, and a column that has the name of the one that is written.
    told = {"split": ["train"] * 40 + [kept] * 20, "part": ["hand"] * 60}
    whose = [f"p{n // 2}" for n in range(60)]
    table_of(here, {}, label=values, patient=whose, **told)
    assert main(["init", "clinic"]) == 0
    out = here / "clinic_study"
    found = study_of(out, "clinic")
    assert found["split"]["column"] == "drawn_part"
    drawn = {"test": "valid", "val": "test"}[kept]
    assert f"; {drawn} is drawn from train" in (out / "study.yaml").read_text()
    table = read_manifest(found, out).table
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    own = "test" if kept == "test" else "valid"
    assert ((table["split"] == own) == ([False] * 40 + [True] * 20)).all()
    for name in (drawn, "train"):
        rows = table[table["split"] == name]
        assert len(rows) >= 4 and rows.drop(columns=list(IDS)).nunique().min() == 2


def test_another_column_of_parts_comes_before_one_of_two(here: Path) -> None:
    two = ["train"] * 40 + ["test"] * 20
    three = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    table_of(here, {}, label=["0", "1"] * 30, official=two, split=three)
    assert main(["init", "clinic"]) == 0
    assert study_of(here / "clinic_study", "clinic")["split"]["column"] == "split"


def test_a_spreadsheet_is_not_passed_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table_of(here, {}, edema=["0", "1"] * 30)
    (here / "clinic" / "films.csv").rename(here / "clinic" / "films.xlsx")
    told = "films.xlsx, a spreadsheet, which is not read; if it has the labels, save it as CSV"
    assert_refused("clinic", told, here, capsys)
    assert_refused("clinic/films.xlsx", "is a spreadsheet, which is not read", here, capsys)
    for number in range(60):  # where folders tell classes, it is left alone
        save(here / "clinic" / "others" / f"f{number}.png", film(100 + number, 16))
    assert main(["init", "clinic"]) == 0


def test_paths_of_windows_are_told_as_such(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films = [f"films\\f{n}.png" for n in range(60)]
    table_of(here, {}, edema=["0", "1"] * 30, film=films)
    assert_refused(
        "clinic", r"column 'film' of .*films.csv has paths with \\; write /", here, capsys
    )


def test_labels_that_all_have_uncertain_ones_are_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table_of(here, {}, edema=["-1", "0", "1"] * 20)
    told = "looks like labels .*; edema have -1, whose meaning `label_values` of a study says"
    assert_refused("clinic", told, here, capsys)


def test_names_of_patients_are_told_not_to_be_taken(here: Path) -> None:
    names = [f"Doe {n // 2}" for n in range(60)]
    table_of(here, {}, edema=["0", "1"] * 30, patient=[""] * 60, **{"Patient Name": names})
    assert main(["init", "clinic"]) == 0
    assert study_of(here / "clinic_study", "clinic")["patient_column"] is None
    assert "'Patient Name' has names and no ids, and is not taken" in text_of(here / "clinic_study")
