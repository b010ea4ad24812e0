"""What an archive must not tell: names of films and patients, and where data lie."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from transfergrid.catalog.figures import FIGURES
from transfergrid.commands import archive
from transfergrid.commands.archiving.declared import (
    LEFT_OUT,
    check_declared,
    text_without_places,
    without_places,
)
from transfergrid.commands.archiving.ids import Guard, Names
from transfergrid.commands.archiving.parts import is_open, without_pictures, without_remarks
from transfergrid.commands.main import main
from transfergrid.data.phantom import NOTE
from transfergrid.reporting.figures.files import Drawn, Shown
from transfergrid.runtime.errors import UserError

FILM = "data:image/png;base64,iVBOR"


def hidden(*patients: str) -> Names:
    names = Names(told=False)
    names.add("patient", patients)
    return names


@pytest.mark.parametrize("words", [("--licence", "CC BY 4.0"), ("--licence", "LicenseRef-mine")])
def test_a_licence_that_no_repository_knows_is_refused(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["archive", *words])
    assert f"'{words[1]}' is no identifier of spdx.org/licenses" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", " , Jane"])
def test_a_creator_without_a_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["archive", "--creator", name])
    assert "--creator: no name; write" in capsys.readouterr().err


def test_licences_are_written_as_spdx_does() -> None:
    parser = argparse.ArgumentParser()
    archive.add_arguments(parser)
    assert parser.parse_args(["--licence", "cc-by-4.0"]).licence == "CC-BY-4.0"


def test_remarks_that_may_name_films_are_left_out_and_counted() -> None:
    unknown = (
        "Patients are unknown: each image counts as its own patient, so intervals may be too "
        "narrow and a patient may be in two splits."
    )
    remarks = [
        "1 image has a single level throughout: images/PAT001234_1.png.",
        "Patients are unknown: Doe.",
        "1 image(s) are in train and test, equal byte for byte: a.png (train) = b.png (test).",
    ]
    card = without_remarks({"n": 3, "notes": [NOTE, unknown, *remarks]})
    assert card["n"] == 3 and card["notes"][:2] == [NOTE, unknown]
    (left,) = card["notes"][2:]
    assert left.startswith("Remarks on the images (3) are left out")
    assert without_remarks({"notes": [NOTE]}) == {"notes": [NOTE]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PAT001234_1.png", "see images/PAT001234_1.png."),
        ("hospital-77/a.png", "of hospital-77/a.png, once"),
        ("1.2.840.113619.2", "{1.2.840.113619.2}"),
        ("Doe, John (2)", "of Doe, John (2)."),
    ],
)
def test_a_text_that_has_a_name_is_refused_and_splits_are_not_looked_at(
    tmp_path: Path, name: str, text: str
) -> None:
    guard = Guard.of([hidden(name)])
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "films.csv").write_text(text)
    guard.check(tmp_path)
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        guard.check(tmp_path)
    assert str(refused.value).startswith(f"study.yaml would tell '{name}'")
    told = Names(told=True)
    told.add("patient", [name])
    Guard.of([told]).check(tmp_path)


def test_numbers_and_words_that_any_text_has_are_no_names(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text('<path fill="#333333" d="M 100000 0.123456"/> control')
    Guard.of([hidden("333333", "100000", "0.123456", "control")]).check(tmp_path)


def test_new_names_are_no_old_ones_and_in_an_order_of_their_own() -> None:
    old = [f"patient{number:06d}" for number in range(1, 30)]
    new = hidden().of("patient", old).tolist()
    assert set(new).isdisjoint(old) and len(set(new)) == len(old) and new != sorted(new)


SPLIT = {"column": "fold", "train": ["a", "b"], "valid": ["c"], "test": ["d"]}


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"split": {**SPLIT, "column": "PatientID"}}, "split"),
        ({"split": {**SPLIT, "train": ["p1", "x"]}}, "split"),
        ({"split": {**SPLIT, "train": [4711]}}, "split"),
        ({"split": {**SPLIT, "train": [f"s{n}" for n in range(40)]}}, "split"),
        ({"left_out": {"p1": True}}, "left_out"),
    ],
)
def test_a_declaration_that_names_patients_is_refused(change: dict[str, Any], setting: str) -> None:
    own: dict[str, Any] = {"kind": "csv", "patient_column": "PatientID", "study_column": None}
    patients = hidden("p1", "4711", "1", "2")
    check_declared({"films": {**own, "split": SPLIT}}, {"films": patients})
    numbers = {"column": "fold", "train": [1], "valid": [2], "test": [3]}
    check_declared({"films": {**own, "image_px": 4711, "split": numbers}}, {"films": patients})
    with pytest.raises(UserError) as refused:
        check_declared({"films": own | change}, {"films": patients})
    assert str(refused.value).startswith(f"datasets.films.{setting} holds names")
    assert "--ids films" in str(refused.value)
    check_declared({"films": own | change}, {"films": Names(told=True)})


def test_places_of_data_and_weights_are_left_out() -> None:
    text = """
    # root: /home/jane.doe/old films of ~/jane/here; see https://example.org/a/b, train/test
    datasets:
      films: {kind: csv, root: "/data/jane doe/films", regions: ../doe/boxes.csv}
      others: {kind: csv, root: "${DOE_FILMS}/x", table: labels/doe.csv}
    pretrainings:
      mine: {kind: file, path: doe.pt}
    """
    config = yaml.safe_load(text)
    told = yaml.safe_dump(without_places(config))
    assert "doe" not in told.replace("labels/doe.csv", "")
    written = text_without_places(text, config)
    assert yaml.safe_load(written)["datasets"]["films"]["root"] == LEFT_OUT
    left = re.sub(r"labels/doe\.csv|\$\{DOE_FILMS\}/x", "", written)
    assert "doe" not in left and "jane" not in left
    assert "https://example.org/a/b, train/test" in left
    assert "${DOE_FILMS}/x" in written  # a variable says nothing


def test_figures_of_films_are_left_out_and_pictures_of_weights_stay() -> None:
    def of(name: str, svg: str = f'<image href="{FILM}"/>') -> Drawn:
        return Drawn(Shown(name, name, ""), svg)

    assert [figure.name for figure in FIGURES if figure.shows_films] == ["cams"]
    assert is_open(of("filters"), hidden=True) and not is_open(of("cams"), hidden=False)
    assert is_open(of("own", "<svg/>"), hidden=False)
    assert not is_open(of("own"), hidden=False)
    assert not is_open(of("own", "<svg/>"), hidden=True)  # its code is handed patients' names
    page = f'<img src="{FILM}"><img src="{FILM}x">'
    assert without_pictures(page, {FILM}) == f'<img src="{FILM}"><img src="data:,">'
