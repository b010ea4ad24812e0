"""What `init` must not take for something else, as no one would notice from the scores."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from unit.commands.made_films import film, save, study_of, table_of, text_of

from transfergrid.commands.guess import Guess
from transfergrid.commands.guesses import guess_columns
from transfergrid.commands.main import main
from transfergrid.commands.masks_beside import pairs, part_of
from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of_classes(data: Path, *below: str, films: int = 20) -> None:
    """Write folders of two classes, with films in them or in folders below."""
    for place in ("benign", "malignant"):
        for number in range(films):
            home = data / place / below[number % len(below)] if below else data / place
            save(home / f"{number}.png", film(number, 16))


def guessed(**columns: list[Any]) -> dict[str, Guess]:
    frame = pd.DataFrame(
        {"film": [f"f{n}" for n in range(60)], "nodule": [n % 2 for n in range(60)]}
    )
    frame = frame.assign(**columns).astype(object).map(str)
    return {guess.key: guess for guess in guess_columns(frame, "film")}


PARTS = ["train"] * 30 + ["val"] * 15 + ["test"] * 15


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("is_test", [n // 45 for n in range(60)]),
        ("train", [n // 45 for n in range(60)]),
        ("fold", [n // 45 for n in range(60)]),
        ("split", [n // 20 for n in range(60)]),
        ("subset", ["AB"[n // 45] for n in range(60)]),
        ("phase", ["train"] * 45 + ["test"] * 15),
    ],
)
def test_a_column_that_may_set_a_test_part_apart_is_not_ignored(
    name: str, values: list[Any]
) -> None:
    with pytest.raises(UserError, match=f"column '{name}' has .*, which are not train, valid and"):
        guessed(**{name: values})


def test_parts_are_found_in_a_column_of_any_name() -> None:
    split = guessed(phase=PARTS)["split"].value
    assert split == {"column": "phase", "train": ["train"], "valid": ["val"], "test": ["test"]}


def test_other_columns_of_parts_are_named_and_not_learned() -> None:
    others = {"split_official": ["train"] * 40 + ["test"] * 20, "fold": [n % 5 for n in range(60)]}
    is_test = [n // 45 for n in range(60)]
    found = guessed(split_patient=PARTS, **others, is_test=is_test)
    assert found["split"].value["column"] == "split_patient"
    assert found["split"].why.endswith(
        "; passed over: split_official, fold, is_test, which may say parts as well"
    )
    assert found["label_columns"].value == ["nodule"] and "folds" not in found
    assert "passed over" not in guessed(split_patient=PARTS)["split"].why


def test_labels_may_be_called_after_tests_and_sets() -> None:
    found = guessed(
        covid_test=[n // 30 for n in range(60)], data_set=["ab"[n % 2] for n in range(60)]
    )
    assert found["label_columns"].value == ["nodule", "covid_test"] and "split" not in found


def test_numbers_of_the_sexes_are_no_labels() -> None:
    found = guessed(PatientSex=[n // 30 for n in range(60)], male=[n // 30 for n in range(60)])
    assert found["label_columns"].value == ["nodule"]


def test_a_column_called_label_comes_before_other_columns_of_0_and_1() -> None:
    found = guessed(label=["abc"[n % 3] for n in range(60)])
    assert found["label_columns"].value == ["label"]
    assert found["task_kind"].why.endswith("columns of 0 and 1 are not learned: nodule")
    assert guessed(label=[n // 30 for n in range(60)])["label_columns"].value == ["nodule", "label"]


def test_columns_with_uncertain_labels_are_said_to_be_left_out() -> None:
    found = guessed(edema=[n % 3 - 1 for n in range(60)])["label_columns"]
    assert found.value == ["nodule"] and found.why.endswith("left out edema, with -1 as well")


@pytest.mark.parametrize("name", ["MRN", "case_id", "pat_id", "patient"])
def test_columns_of_patients(name: str) -> None:
    assert guessed(**{name: [n // 2 for n in range(60)]})["patient_column"].value == name


@pytest.mark.parametrize("name", ["inpatient", "outpatient_film", "subjective_quality"])
def test_columns_that_only_sound_like_patients(name: str) -> None:
    assert guessed(**{name: [n % 5 for n in range(60)]})["patient_column"].value is None


def test_a_text_that_is_too_long_for_a_path_is_no_film(here: Path) -> None:
    table_of(here, 60, a_report=["no change " * 100 + str(n) for n in range(60)])
    table = pd.read_csv(here / "clinic" / "films.csv")
    table[sorted(table.columns)].to_csv(here / "clinic" / "films.csv", index=False)
    assert main(["init", "clinic"]) == 0


def test_films_of_one_name_in_two_folders_are_not_told_apart_by_chance(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = table_of(here, 60)
    for name in ("raw", "overlays"):
        (folder / name).mkdir()
        for number in range(60):
            os.link(folder / f"f{number}.png", folder / name / f"f{number}.png")
    assert main(["init", "clinic"]) == 0  # beside the table: these are the paths that it has
    assert study_of(here / "clinic_study", "clinic").get("image_folders") is None
    for path in folder.glob("*.png"):
        path.unlink()
    assert main(["init", "clinic", "--out", "other"]) == 1
    assert "60 of the 60 files" in (told := capsys.readouterr().err)
    assert "in several folders, such as f0.png in overlays, raw; write their paths" in told
    assert not (here / "other").exists()


def test_two_columns_of_numbers_that_may_both_name_films(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(60):
        save(here / "numbered" / f"{number}.png", film(number, 16))
    numbers = list(range(60))
    table = pd.DataFrame({"row": numbers, "film": numbers[::-1]})
    table["nodule"] = [n % 2 for n in numbers]
    table.to_csv(here / "numbered" / "t.csv", index=False)
    assert main(["init", "numbered"]) == 1
    assert "the columns row, film of numbered/t.csv have names" in capsys.readouterr().err
    table.assign(row=table["film"]).to_csv(here / "numbered" / "t.csv", index=False)
    assert main(["init", "numbered"]) == 0


def test_copies_in_hidden_folders_are_no_films(here: Path) -> None:
    of_classes(here / "sorted")
    of_classes(here / "sorted", ".ipynb_checkpoints", "@eaDir")
    of_classes(here / "sorted" / "__MACOSX")
    assert main(["init", "sorted"]) == 0
    table = pd.read_csv(here / "sorted_study" / "films.csv")
    assert len(table) == 40 and set(table["class"]) == {"benign", "malignant"}


def test_a_path_that_is_no_text_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_classes(here / "sorted")
    os.rename(b"sorted/benign/3.png", b"sorted/benign/\xff.png")
    assert main(["init", "sorted"]) == 1
    assert "has 1 film(s) whose path is not UTF-8 text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "name"), [("NO", "data_no"), ("null", "data_null"), ("Größe 1", "gr_e_1")]
)
def test_a_folder_of_any_name(here: Path, folder: str, name: str) -> None:
    of_classes(here / folder)
    assert main(["init", folder]) == 0
    assert study_of(here / f"{name}_study", name)["kind"] == "csv"


def test_a_link_to_nothing_is_not_written_over(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_classes(here / "sorted")
    (here / "sorted_study").symlink_to(here / "elsewhere")
    assert main(["init", "sorted"]) == 1
    assert "is there already; name another folder" in capsys.readouterr().err


@pytest.mark.parametrize("masked", [False, True])
def test_folders_below_classes_and_of_masks_tell_patients(here: Path, masked: bool) -> None:
    whose = [f"p{n}" for n in range(12)]
    of_classes(here / "sorted", *whose, films=24)
    if masked:
        for path in sorted((here / "sorted").rglob("*.png")):
            save(path.with_name(f"{path.stem}_mask.png"), np.eye(16, dtype=np.uint8))
    assert main(["init", "sorted"]) == 0
    found = study_of(here / "sorted_study", "sorted")
    table = read_manifest(found, here / "sorted_study").table
    assert found["patient_column"] == "patient" and len(table) == 48
    assert table["patient_id"].nunique() == 12
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    # Archives have the study: it tells how many patients there are, and not which.
    text = text_of(here / "sorted_study")
    assert "count as one patient, 12 in all" in text and "p10" not in text


def test_folders_of_patients_are_no_classes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for patient in range(3):
        for number in range(14):
            save(here / "sorted" / f"patient{patient}" / f"{number}.png", film(number, 16))
    assert main(["init", "sorted"]) == 1
    assert "which are taken for patients and not for up to 20 classes" in capsys.readouterr().err


def test_parts_within_classes_are_not_mixed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_classes(here / "sorted", "train", "val", "test", films=45)
    assert main(["init", "sorted"]) == 1
    assert "sort the films into folders by class within train, valid" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("Training_set", "train"),
        ("imagesTr", "train"),
        ("labelsTs", "test"),
        ("testset", "test"),
        ("val images", "valid"),
        ("test_positive", ""),
        ("set", ""),
        ("", ""),
    ],
)
def test_parts_that_folders_are_named_for(folder: str, part: str) -> None:
    assert part_of(folder) == part


def test_folders_that_are_called_sets_are_parts_and_no_classes(here: Path) -> None:
    for name in ("training_set", "test_set"):
        of_classes(here / "sorted" / name)
    assert main(["init", "sorted"]) == 0
    table = pd.read_csv(here / "sorted_study" / "films.csv")
    assert set(table["class"]) == {"benign", "malignant"}
    tested = table["image"].str.contains("/test_set/")
    assert ((table["part"] == "test") == tested).all()


@pytest.mark.parametrize("other", ["imagesTs", "extra"])
def test_parts_of_films_with_masks_are_kept_or_refused(
    here: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for home in ("imagesTr", other):
        for number in range(20):
            save(here / "cut" / home / f"{home}{number}.png", film(number, 16))
            masks = here / "cut" / home.replace("images", "labels") / "masks"
            save(masks / f"{home}{number}.png", np.eye(16, dtype=np.uint8))
    assert main(["init", "cut"]) == (other == "extra")
    if other == "extra":
        assert "that are in none or in two, such as extra/extra0.png" in capsys.readouterr().err
        return
    table = pd.read_csv(here / "cut_study" / "films.csv")
    assert ((table["part"] == "test") == table["film"].str.contains("imagesTs")).all()


@pytest.mark.parametrize(
    ("home", "told"),
    [
        ("{}/f{}", "are in folders test, train, and no column says train, valid and test"),
        ("train/patient{1}/{0}", "add a column patient with these, or a patient's films would be"),
    ],
)
def test_a_table_says_no_less_than_the_folders_of_its_films(
    here: Path, home: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [home.format(("test", "train")[n % 2], n // 2) + ".png" for n in range(60)]
    for number, name in enumerate(names):
        save(here / "clinic" / name, film(number, 16))
    table = pd.DataFrame({"film": names, "nodule": [n // 2 % 2 for n in range(60)]})
    table.to_csv(here / "clinic" / "films.csv", index=False)
    assert main(["init", "clinic"]) == 1
    assert told in capsys.readouterr().err
    parts = [("test", "train", "valid")[n % 3] for n in range(60)]
    column = {"split": parts} if "patient" not in home else {"patient": [n // 2 for n in range(60)]}
    table.assign(**column).to_csv(here / "clinic" / "films.csv", index=False)
    assert main(["init", "clinic"]) == 0


def test_a_mask_of_a_lost_film_is_not_given_to_its_namesake() -> None:
    lost = PurePosixPath("masks/p1/1.png")
    files = [PurePosixPath(f"images/p{n}/{m}.png") for n in (2, 3) for m in (n, n + 2)]
    files.append(PurePosixPath("images/p9/1.png"))
    masks = [PurePosixPath("masks", *film.parts[1:]) for film in files]
    found = pairs([*files, *masks, lost])
    assert found is not None and found.lone == [lost]
    assert found.masks == {
        "structure": {film: [mask] for film, mask in zip(files, masks, strict=True)}
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("breast_composition", ["abcd"[n % 4] for n in range(60)]),
        ("reviewed", [str(n % 7) for n in range(60)]),
        ("patient_race", ["abcde"[n % 5] for n in range(60)]),
        ("PatientOrientation", ["AP"[n % 2] for n in range(60)]),
        ("example", [f"e{n % 5}" for n in range(60)]),
    ],
)
def test_columns_that_tell_neither_patients_nor_studies_nor_views(
    name: str, values: list[Any]
) -> None:
    found = guessed(**{name: values})
    assert [guess.value for guess in found.values()] == [["nodule"], None]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("laterality", ["LR"[n % 2] for n in range(60)]),
        ("findings", [f"text {n} | more {n}" for n in range(60)]),
        ("spacing", [f"0.{n}|0.{n}" for n in range(60)]),
    ],
)
def test_how_a_film_was_made_and_free_text_are_no_labels(name: str, values: list[str]) -> None:
    frame = pd.DataFrame({"film": [f"f{n}" for n in range(60)], name: values})
    with pytest.raises(UserError, match="looks like labels"):
        guess_columns(frame, "film")


@pytest.mark.parametrize("what", ["labels", "masks"])
def test_an_archive_with_broken_bytes_is_named(
    here: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    films = np.stack([film(n, 32) for n in range(30)])
    told = {"labels": np.arange(30)[:, None] % 2, "masks": films > 200}[what].astype(np.uint8)
    arrays = {f"{part}_images": films for part in ("train", "val", "test")}
    arrays |= {f"{part}_{what}": told for part in ("train", "val", "test")}
    np.savez_compressed(here / "films.npz", **arrays)  # type: ignore[arg-type]
    content = bytearray((here / "films.npz").read_bytes())
    content[5000:5100] = bytes(100)
    (here / "films.npz").write_bytes(content)
    assert main(["init", "films.npz"]) == 1
    assert "error: films.npz " in capsys.readouterr().err


def test_a_class_that_is_a_link_is_not_left_out_in_silence(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_classes(here / "sorted")
    assert main(["init", "sorted", "--out", "sorted/study"]) == 0
    assert main(["init", "sorted"]) == 0  # though the study in it has a link to all of them
    (here / "sorted_study").rename(here / "first")
    (here / "sorted" / "normal").symlink_to(here / "sorted" / "benign")
    assert main(["init", "sorted"]) == 1
    assert "links to folders, which are not followed: normal; put" in capsys.readouterr().err


def test_a_table_whose_column_of_masks_is_blank_in_places(here: Path) -> None:
    folder = table_of(here, 60)
    for number in range(0, 60, 2):
        save(folder / "masks" / f"m{number}.png", np.eye(16, dtype=np.uint8))
    table = pd.read_csv(folder / "films.csv").drop(columns="nodule")
    table["mask"] = ["" if n % 2 else f"m{n}.png" for n in range(60)]
    table.to_csv(folder / "films.csv", index=False)
    assert main(["init", "clinic"]) == 0
    layer = study_of(here / "clinic_study", "clinic")["layers"][0]
    assert layer["files"] == ["mask"] and layer["blank"] == "unknown"


def test_ids_that_differ_by_small_letters_only_are_refused() -> None:
    whose = [f"{'pP'[n % 2]}{n // 2}" for n in range(60)]
    with pytest.raises(UserError, match=r"letters only \(P0, P1, P10, P11, ... \(60 in all\)\)"):
        guessed(patient=whose)


@pytest.mark.parametrize("masked", [False, True])
def test_further_columns_of_films_are_told(
    here: Path, masked: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"f{n}.png" for n in range(60)]
    folder = table_of(here, 60, prior=names[::-1], **({"mask": "mask.png"} if masked else {}))
    save(folder / "mask.png", np.eye(16, dtype=np.uint8))
    assert main(["init", "clinic"]) == 0
    told = "has films in the columns film, prior, of which only those of 'film' are used. To use"
    assert told in capsys.readouterr().out
    if not masked:
        text = text_of(here / f"{folder.name}_study")
        assert "cells are files; so are those of prior, which are not used" in text
