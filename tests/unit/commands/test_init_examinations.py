"""Tables with a row for each examination: `init` finds its films by their headers or folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets.made_dicom import dicom
from unit.commands.made_films import assert_refused, film, save, study_of, text_of
from unit.commands.test_init_names import broken

from transfergrid.commands.main import main
from transfergrid.data.kinds import read_manifest

EXAMS, SIDE = 40, 64
Number = Callable[[int], str]


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def uid(exam: int) -> str:
    return f"1.2.826.0.1.{exam + 7}"


def accession(exam: int) -> str:
    return f"A{1000 + exam}"


def patient(exam: int) -> str:
    return f"P{exam // 2}"


def label(exam: int) -> str:
    return str(int(exam % 4 < 2))


def ward(
    here: Path, exams: Sequence[int] = range(EXAMS), whose: Number = patient, **header: Any
) -> Path:
    """Two films of each of some examinations, as a disc has them; no path tells which is which."""
    for place, exam in enumerate(exams):
        told = {"StudyInstanceUID": uid(exam), "PatientID": whose(exam)}
        told |= {"AccessionNumber": accession(exam), "PatientName": "Doe^Jane"}
        told |= {word: value(exam) for word, value in header.items()}
        for view in (0, 1):
            told["ViewPosition"] = ("PA", "LL")[view]
            path = here / "ward" / f"D{place // 10}" / f"{2 * place + view:08X}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(dicom(film(2 * exam + view, SIDE), **told))
    return here / "ward"


def labels(here: Path, exams: Sequence[int] = range(EXAMS), **columns: Number) -> None:
    """A table of some examinations, in another order than that of the films."""
    table = pd.DataFrame({name: [cell(exam) for exam in exams] for name, cell in columns.items()})
    table["nodule"] = [label(exam) for exam in exams]
    (here / "ward").mkdir(exist_ok=True)
    table[::-1].to_csv(here / "ward" / "labels.csv", index=False)


def truth_of(here: Path) -> pd.DataFrame:
    """Return the table of the data set, and in `exam` which pixels a film has."""
    found = study_of(here / "ward_study", "ward")
    manifest = read_manifest(
        {"split": {"random": {"valid": 0.2, "test": 0.2}}, **found}, here / "ward_study"
    )
    known = {hash(film(number, SIDE).tobytes()): number // 2 for number in range(2 * EXAMS)}
    images = [manifest.images.read(row) for row in range(len(manifest.table))]
    return manifest.table.assign(exam=[known[hash(image.tobytes())] for image in images])


@pytest.mark.parametrize(
    ("keyword", "cell"), [("StudyInstanceUID", uid), ("AccessionNumber", accession)]
)
def test_films_get_the_row_of_their_examination(
    here: Path, keyword: str, cell: Number, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ward(here)
    labels(here, key=cell, rank=lambda exam: str(exam * 7 % EXAMS))
    before = sorted(folder.rglob("*"))
    assert main(["init", "ward"]) == 0
    assert main(["plan", "ward_study/study.yaml"]) == 0
    assert sorted(folder.rglob("*")) == before
    told = f"80 films are those of 40 of its rows by column 'key', which has the {keyword} of"
    assert told in capsys.readouterr().out
    assert f"found by column 'key', which has the {keyword} of" in text_of(here / "ward_study")
    found = study_of(here / "ward_study", "ward")
    assert (found["study_column"], found["patient_column"]) == ("key", "PatientID")
    table = truth_of(here)
    assert len(table) == 2 * EXAMS and table["nodule"].tolist() == [
        int(label(exam)) for exam in table["exam"]
    ]
    assert table["study_id"].tolist() == [f"{patient(e)}/{cell(e)}" for e in table["exam"]]
    assert table.groupby("patient_id")["split"].nunique().max() == 1


def test_what_has_no_row_or_no_film_is_counted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = lambda exam: "" if exam == 3 else accession(exam)  # noqa: E731
    folder = ward(here, range(30), AccessionNumber=number)
    (folder / "report").write_bytes(broken(film(0, 16), "report"))
    save(folder / "scan.png", film(0, 16))
    labels(here, range(5, EXAMS), accession=lambda exam: "" if exam == 39 else accession(exam))
    assert main(["init", "ward"]) == 0
    told = capsys.readouterr().out
    for sentence in (
        "50 films are those of 25 of its rows",
        "8 film(s) of 4 examination(s) that no row of labels.csv has are left out.",
        "2 film(s) whose headers have no AccessionNumber are left out.",
        "10 row(s) of labels.csv that have no film are left out.",
        "1 DICOM file(s) without an image, such as reports, are left out.",
        "1 film(s) that are no DICOM files are left out.",
    ):
        assert sentence in told
        assert sentence in (here / "ward_study" / "data_card.md").read_text()
    assert set(truth_of(here)["exam"]) == set(range(5, 30))


def test_names_and_dates_are_not_copied(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ward(here)
    names: dict[str, Number] = {"Patient Name": lambda exam: "Doe^Jane"}
    names |= {"BirthDate": lambda exam: "1960-01-01", "sex": lambda exam: "FM"[exam // 2 % 2]}
    names |= {"candidate": lambda exam: str(exam // 20)}
    labels(here, acc=accession, **names)
    assert main(["init", "ward"]) == 0
    assert "films.csv is without Patient Name, BirthDate: columns" in capsys.readouterr().out
    written = {path.name: path.read_text() for path in (here / "ward_study").glob("*.*")}
    assert not any("Jane" in text or "1960" in text for text in written.values())
    assert written["films.csv"].startswith("acc,sex,candidate,nodule,film\n")


def test_patients_of_the_table_come_before_those_of_headers(here: Path) -> None:
    ward(here)
    labels(here, acc=accession, pseudonym_of_patient=lambda exam: f"X{exam // 4}")
    assert main(["init", "ward"]) == 0
    found = study_of(here / "ward_study", "ward")
    assert found["patient_column"] == "pseudonym_of_patient"


def test_a_row_a_patient_speaks_of_films_of_one_examination(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here, whose=lambda exam: f"P{exam}")
    labels(here, mrn=lambda exam: f"P{exam}")
    assert main(["init", "ward"]) == 0
    assert "has a row for each patient: 80 films are those of 40" in capsys.readouterr().out
    found = study_of(here / "ward_study", "ward")
    assert (found["patient_column"], found["study_column"]) == ("mrn", "StudyInstanceUID")
    table = truth_of(here)
    assert table["nodule"].tolist() == [int(label(exam)) for exam in table["exam"]]


def test_a_patient_of_several_examinations_is_not_guessed_from(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here)
    labels(here, range(0, EXAMS, 2), patient=patient)
    told = "'patient' of ward/labels.csv has the PatientID of films, and 20 of these patients have"
    assert_refused("ward", told, here, capsys)
    labels(here, patient=patient)
    told = (
        "'patient' .* PatientID of films, and 20 of these are in several rows, .* one row for each"
    )
    assert_refused("ward", told, here, capsys)


def test_an_examination_in_two_rows_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here)
    labels(here, [*range(EXAMS), 5, 9], uid=uid)
    told = "column 'uid' of .* StudyInstanceUID of films, and 2 of these are in several rows"
    assert_refused("ward", told, here, capsys)


def test_columns_that_lead_to_the_same_rows_do_not_harm(here: Path) -> None:
    ward(here)
    labels(here, accession=accession, uid=uid)
    assert main(["init", "ward"]) == 0
    assert study_of(here / "ward_study", "ward")["study_column"] == "uid"


def test_columns_that_lead_to_other_rows_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here)
    labels(here, uid=uid, accession=lambda exam: accession({5: 6, 6: 5}.get(exam, exam)))
    told = (
        "column 'uid' .* StudyInstanceUID of films and 'accession' the AccessionNumber, and 4 film"
    )
    assert_refused("ward", told, here, capsys)


def test_a_column_that_fits_two_headers_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here, whose=lambda exam: accession((exam + 1) % EXAMS))
    labels(here, exam_id=accession)
    told = "'exam_id' .* has the AccessionNumber of films and 'exam_id' the PatientID, and 80 film"
    assert_refused("ward", told, here, capsys)


def test_accession_numbers_of_two_hospitals_are_not_mixed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here, AccessionNumber=lambda exam: accession(exam % 38))
    labels(here, range(38), accession=accession)
    told = "'accession' .* has the AccessionNumber of films, and 2 of these are of films of several"
    assert_refused("ward", told, here, capsys)


def test_numbers_of_rows_and_ages_are_no_accession_numbers(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here, AccessionNumber=str)
    labels(here, number=lambda exam: str(EXAMS - 1 - exam), age=lambda exam: str(exam))
    told = "no column of .*labels.csv names files .* or each examination by their StudyInstanceUID"
    assert_refused("ward", told, here, capsys)


def test_a_table_of_other_examinations_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ward(here, range(20))
    labels(here, range(12, 40), uid=uid)
    told = "only 8 of its 28 StudyInstanceUIDs are among the 20 of the films beside it; put the"
    assert_refused("ward", f"column 'uid' of .*, but {told}", here, capsys)


def test_numbers_that_a_spreadsheet_has_rewritten_are_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ward(here, AccessionNumber=lambda exam: f"00{exam + 100}")
    labels(here, Accession_No=lambda exam: str(exam + 100))
    told = "column 'Accession_No' of .* only 0 of its 40 AccessionNumbers are among the 40 of the"
    assert_refused("ward", f"{told} .* such as '100', and headers such as '00100'; w", here, capsys)
    for path in folder.glob("D*/*"):
        path.write_bytes(dicom(film(0, SIDE)))
    told = (
        "only 0 of its 40 AccessionNumbers are among the 0 of the films beside it; name each film"
    )
    assert_refused("ward", told, here, capsys)


def test_a_third_part_is_drawn_from_examinations_of_train(here: Path) -> None:
    ward(here)
    labels(here, acc=accession, split=lambda exam: "test" if exam >= 20 else "train")
    assert main(["init", "ward"]) == 0
    assert "valid is drawn from train" in text_of(here / "ward_study")
    assert study_of(here / "ward_study", "ward")["study_column"] == "acc"
    table = truth_of(here)
    assert set(table["split"]) == {"train", "valid", "test"}
    assert ((table["split"] == "test") == (table["exam"] >= 20)).all()
    assert table.groupby("patient_id")["split"].nunique().max() == 1


def chexpert_like(here: Path, home: str) -> None:
    for exam in range(EXAMS):
        for view in ("frontal", "lateral"):
            number = 2 * exam + (view == "lateral")
            path = here / "ward" / home.format(exam // 2, exam % 2) / f"{view}.png"
            save(path, film(number, SIDE))


@pytest.mark.parametrize(
    "cell", ["patient{}/study{}", "/patient{}/study{}/", "images/patient{}/study{}"]
)
def test_films_are_found_by_the_folders_of_examinations(here: Path, cell: str) -> None:
    chexpert_like(here, "images/patient{}/study{}")
    labels(here, study=lambda exam: cell.format(exam // 2, exam % 2))
    assert main(["init", "ward"]) == 0
    found = study_of(here / "ward_study", "ward")
    assert (found["study_column"], found["patient_column"]) == ("study", "patient")
    text = text_of(here / "ward_study")
    assert "films in folders of one name count as one patient, 20 in all" in text
    assert "column 'study', which names their folders" in text
    table = truth_of(here)
    assert table["nodule"].tolist() == [int(label(exam)) for exam in table["exam"]]
    assert table["patient_id"].tolist() == [f"patient{exam // 2}" for exam in table["exam"]]


def test_a_name_of_several_folders_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chexpert_like(here, "patient{}/study{}")
    labels(here, [0, 1], study=lambda exam: f"study{exam % 2}")
    told = "'study1' in column 'study' of ward/labels.csv is the name of several folders of films"
    assert_refused("ward", told, here, capsys)
    labels(here, study=lambda exam: f"patient{exam // 2}/study{exam % 2}" if exam else "study0")
    assert_refused("ward", "'study0' in column 'study' .* name of several folders", here, capsys)


def test_films_that_lie_in_no_folder_of_an_examination_are_counted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chexpert_like(here, "patient{}/study{}")
    save(here / "ward" / "patient0" / "map.png", film(0, SIDE))
    labels(here, range(38), study=lambda exam: f"patient{exam // 2}/study{exam % 2}")
    assert main(["init", "ward"]) == 0
    told = capsys.readouterr().out
    assert "1 film(s) beside folders of films, and in none of an examination, are left" in told
    assert "4 film(s) of 2 examination(s) that no row of labels.csv has are left out" in told


def test_a_folder_of_a_patient_is_a_row_of_one(here: Path) -> None:
    chexpert_like(here, "images/patient{}_{}")
    labels(here, patient=lambda exam: f"patient{exam // 2}_{exam % 2}")
    assert main(["init", "ward"]) == 0
    found = study_of(here / "ward_study", "ward")
    assert found["patient_column"] == "patient" and "study_column" not in found


def test_folders_of_examinations_alone_tell_no_patients(here: Path) -> None:
    chexpert_like(here, "{}_{}")
    labels(here, exam=lambda exam: f"{exam // 2}_{exam % 2}")
    assert main(["init", "ward"]) == 0
    found = study_of(here / "ward_study", "ward")
    assert (found["study_column"], found["patient_column"]) == ("exam", None)
    assert "so each study counts as one" in text_of(here / "ward_study")
