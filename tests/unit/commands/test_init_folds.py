"""Where patients are few and nobody has said which are for tests, `init` writes folds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from unit.commands.made_films import film, save, study_of, table_of, text_of

from transfergrid.commands.divided import SHARES
from transfergrid.commands.main import main
from transfergrid.data.kinds import read_manifest
from transfergrid.data.manifest import Manifest
from transfergrid.data.splits import folds, random_split
from transfergrid.runtime.hashing import seeded


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(here: Path) -> Manifest:
    """Write a study of the table, plan it, and read what its data set holds."""
    assert main(["init", "clinic"]) == 0
    assert main(["plan", "clinic_study/study.yaml"]) == 0
    return read_manifest(study_of(here / "clinic_study", "clinic"), here / "clinic")


@pytest.mark.parametrize(("patients", "in_folds"), [(197, True), (198, False)])
def test_folds_where_a_quarter_would_be_fewer_than_fifty_patients(
    here: Path, patients: int, in_folds: bool
) -> None:
    table_of(here, 200, patient=[f"p{min(n, patients - 1)}" for n in range(200)])
    manifest = made(here)
    found = study_of(here / "clinic_study", "clinic")
    text = text_of(here / "clinic_study")
    assert ("folds" in found, "split" in found) == (in_folds, not in_folds)
    assert ("2 kinds of weights x 3 seeds x 5 folds are 30 trainings" in text) == in_folds
    if in_folds:
        assert found["folds"] == {"k": 5}
        assert f"which of {patients} patients are for tests, and a quarter, 49, would be" in text
        people = manifest.table.groupby("patient_id")["split"].nunique()
        assert people.max() == 1 and set(manifest.table["split"]) == {f"part{n}" for n in range(5)}
    else:
        tested = manifest.table.loc[manifest.table["split"] == "test", "patient_id"].nunique()
        assert tested == 50


def test_images_count_where_patients_are_unknown(here: Path) -> None:
    table_of(here, 60)
    made(here)
    text = text_of(here / "clinic_study")
    assert "which of 60 images (each counts as a patient) are for tests" in text
    assert study_of(here / "clinic_study", "clinic")["folds"] == {"k": 5}


def test_a_split_or_folds_that_somebody_published_are_kept(here: Path) -> None:
    parts = ["train"] * 30 + ["val"] * 15 + ["test"] * 15
    table_of(here, 60, split=parts)
    made(here)
    found = study_of(here / "clinic_study", "clinic")
    assert found["split"]["column"] == "split" and "folds" not in found
    for name, first in (("fold", 0), ("Fold", 1)):
        column = [first + n // 4 % 3 for n in range(60)]
        table_of(here, 60, **{name: column})
        assert main(["init", "clinic", "--out", f"with_{name}"]) == 0
        found = study_of(here / f"with_{name}", "clinic")
        assert found["folds"] == {"k": 3, "column": name} and "split" not in found
        table = read_manifest(found, here / "clinic").table
        assert table["split"].tolist() == [f"part{number - first}" for number in column]


def test_numbers_that_are_no_folds_are_not_taken_for_such(here: Path) -> None:
    table_of(here, 60, manifold=[n % 3 for n in range(60)])
    made(here)
    assert study_of(here / "clinic_study", "clinic")["folds"] == {"k": 5}


def test_parts_of_an_npz_and_of_folders_are_kept(here: Path) -> None:
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = np.stack([film(n, 28) for n in range(20)])
        arrays[f"{part}_labels"] = np.arange(20)[:, None] % 2
        for number in range(20):
            home = here / "sorted" / part / ("benign", "malignant")[number % 2]
            save(home / f"{number}.png", film(number, 16))
    np.savez(here / "few.npz", **arrays)  # type: ignore[arg-type]
    assert main(["init", "few.npz"]) == 0
    assert "folds" not in study_of(here / "few_study", "few")
    assert main(["init", "sorted"]) == 0
    found = study_of(here / "sorted_study", "sorted")
    assert found["split"]["column"] == "part" and "folds" not in found


def test_folds_are_dealt_out_by_label_where_drawn_ones_lack_a_class(here: Path) -> None:
    whose = [f"p{n // 2}" for n in range(120)]
    drawn = folds(whose, 5, np.random.default_rng(seeded("folds", 0)))
    table_of(here, 120, patient=whose, nodule=[int(part < 2) for part in drawn])
    manifest = made(here)
    found = study_of(here / "clinic_study", "clinic")
    assert found["folds"] == {"k": 5, "by": "stratified"}
    assert manifest.table.groupby("split")["nodule"].sum().min() >= 2
    assert manifest.table.groupby("patient_id")["split"].nunique().max() == 1
    text = text_of(here / "clinic_study")
    assert "dealt out by label, as drawn at random a part lacked a class" in text


def test_a_class_of_few_patients_is_told(here: Path) -> None:
    few = [int(n < 12) for n in range(120)]  # of three patients, in five parts
    often = [int(n // 4 % 2) for n in range(120)]
    table_of(here, 120, patient=[f"p{n // 4}" for n in range(120)], nodule=few, mass=often)
    made(here)
    assert study_of(here / "clinic_study", "clinic")["folds"]["k"] == 5
    card = (here / "clinic_study" / "data_card.md").read_text()
    assert re.search(r"Fold \d tests no image that is positive for nodule", card)


def test_there_are_fewer_folds_where_the_only_class_has_fewer_patients(here: Path) -> None:
    few = [int(n < 12) for n in range(120)]
    table_of(here, 120, patient=[f"p{n // 4}" for n in range(120)], nodule=few)
    manifest = made(here)
    assert study_of(here / "clinic_study", "clinic")["folds"] == {"k": 3, "by": "stratified"}
    assert manifest.table.groupby("split")["nodule"].nunique().min() == 2


@pytest.mark.parametrize(("patients", "k"), [(2, None), (4, 4)])
def test_fewer_patients_than_folds(
    here: Path, patients: int, k: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = [n // patients % 2 for n in range(60)]
    table_of(here, 60, patient=[f"p{n % patients}" for n in range(60)], nodule=labels)
    if k is None:
        assert main(["init", "clinic"]) == 1
        assert "there are 2 patient(s), too few to train, validate" in capsys.readouterr().err
        assert not (here / "clinic_study").exists()
    else:
        made(here)
        assert study_of(here / "clinic_study", "clinic")["folds"] == {"k": k}


def test_the_first_seed_is_taken_that_leaves_each_class_in_each_part(here: Path) -> None:
    whose = [f"p{n}" for n in range(210)]
    parts = random_split(whose, SHARES, "train", np.random.default_rng(seeded("split", 0)))
    positive = np.flatnonzero(parts == "train")[:40]
    table_of(here, 210, patient=whose, nodule=[int(n in positive) for n in range(210)])
    manifest = made(here)
    assert study_of(here / "clinic_study", "clinic")["split"]["seed"] > 0
    assert manifest.table.groupby("split")["nodule"].nunique().min() == 2
    assert "with seeds 0 to" in text_of(here / "clinic_study")
