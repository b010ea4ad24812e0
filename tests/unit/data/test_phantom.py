from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from transfergrid.data.kinds import read_manifest
from transfergrid.data.phantom import NOTE
from transfergrid.data.phantom_cohort import DRAWN, TEXTBOOK, patient_films, truth
from transfergrid.data.phantom_labels import labels
from transfergrid.data.phantom_layout import first_numbers, write_chexpert
from transfergrid.runtime.errors import UserError

HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
COMPETITION = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
COUNTS = {"train": 40, "valid": 14, "test": 20}
OPTIONS = {
    "kind": "phantom",
    "set": "chest",
    "patients": 24,
    "valid_patients": 10,
    "test_patients": 12,
    "image_px": 32,
    "seed": 4,
}
SCRIPT = Path(__file__).parents[3] / "workflow/scripts/phantom.py"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_chexpert(tmp_path_factory.mktemp("phantom"), COUNTS, seed=0, native_px=64)


def rows(base, split):
    with open(base / f"{split}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cohort(split, people, seed=0):
    films = [film for person in range(people) for film in patient_films(seed, split, person)]
    table = pd.DataFrame([labels(seed, film) for film in films])
    return films, table


def test_layout_is_the_published_one(base):
    assert base.name == "CheXpert-v1.0-small"
    assert {path.name for path in base.iterdir()} >= {"train", "valid", "test"}
    for split in COUNTS:
        text = (base / f"{split}.csv").read_bytes().decode("utf-8")
        assert text.split("\n")[0] == HEADER
        assert "\r" not in text
        form = (
            rf"CheXpert-v1\.0-small/{split}/patient\d{{5}}/study\d+/view\d+_(frontal|lateral)\.jpg"
        )
        for row in rows(base, split):
            match = re.fullmatch(form, row["Path"])
            assert match, row["Path"]
            assert row["Frontal/Lateral"].lower() == match[1]
            assert (row["AP/PA"] in ("AP", "PA")) == (match[1] == "frontal")
            assert row["Sex"] in ("Male", "Female")
            assert 18 <= int(row["Age"]) <= 90
            assert {row[name] for name in HEADER.split(",")[5:]} <= {"1.0", "0.0", "-1.0", ""}
        beams = {row["AP/PA"] for row in rows(base, split)}
        assert beams >= {"AP", "PA"}
        on_disk = {str(p.relative_to(base.parent)) for p in (base / split).rglob("*.jpg")}
        assert on_disk == {row["Path"] for row in rows(base, split)}


def test_films_are_grey_jpegs_of_the_size_asked_for(base):
    shapes = set()
    for row in rows(base, "valid"):
        with Image.open(base.parent / row["Path"]) as image:
            assert image.format == "JPEG"
            assert image.mode == "L"
            shapes.add(image.size)
    assert min(min(size) for size in shapes) == max(min(size) for size in shapes) == 64
    assert len(shapes) > 1


def test_numbers_are_the_published_ones_and_never_overlap(base):
    assert first_numbers(COUNTS) == {"train": 1, "valid": 64541, "test": 64741}
    first = first_numbers({"train": 70000, "valid": 500, "test": 1})
    assert first == {"train": 1, "valid": 70001, "test": 70501}
    people = {s: {row["Path"].split("/")[2] for row in rows(base, s)} for s in COUNTS}
    assert {s: len(names) for s, names in people.items()} == COUNTS
    assert not people["train"] & people["valid"]
    assert not (people["train"] | people["valid"]) & people["test"]


def test_a_larger_set_begins_with_the_smaller_one(tmp_path):
    small = write_chexpert(tmp_path / "a", {"train": 3, "valid": 1, "test": 1}, 0, 48)
    large = write_chexpert(tmp_path / "b", {"train": 5, "valid": 2, "test": 2}, 0, 48)
    for path in (p for p in small.rglob("*.jpg")):
        assert path.read_bytes() == (large / path.relative_to(small)).read_bytes()
    few, many = ((b / "train.csv").read_text().splitlines() for b in (small, large))
    assert few == many[: len(few)]
    other = write_chexpert(tmp_path / "c", {"train": 3, "valid": 1, "test": 1}, 1, 48)
    assert (other / "train.csv").read_text() != (small / "train.csv").read_text()


def test_blanks_and_uncertain_labels_are_in_train_alone():
    _, train = cohort("train", 300)
    assert (train == -1).any().drop("No Finding").sum() >= 11
    assert not (train["No Finding"] == -1).any()
    assert train.isna().any().all()
    for split in ("valid", "test"):
        _, table = cohort(split, 60)
        assert table.isin([0.0, 1.0]).all().all()


def test_rates_of_labels_are_like_the_published_ones():
    _, train = cohort("train", 1000)
    _, test = cohort("test", 600)
    positive, uncertain = (train == 1).mean(), (train == -1).mean()
    for name in COMPETITION:
        assert 0.14 < positive[name] < 0.40
        assert 0.015 < uncertain[name] < 0.16
        assert 0.40 < train[name].isna().mean() < 0.75
        assert 0.17 < test[name].mean() < 0.42
    assert uncertain[["Atelectasis", "Consolidation"]].min() > 2 * uncertain["Cardiomegaly"]
    assert 0.05 < positive["No Finding"] < 0.15
    assert 0.4 < positive["Lung Opacity"] < 0.65
    for name in DRAWN:
        assert 0.02 < test[name].mean() < 0.5


def test_training_labels_are_noisy_and_those_of_the_test_are_true():
    films, train = cohort("train", 800)
    true = pd.DataFrame([truth(film) for film in films])
    for name in COMPETITION:
        known = train[name] != -1
        wrong = (train[name].fillna(0)[known] != true[name][known]).mean()
        assert 0.02 < wrong < 0.12
    films, test = cohort("test", 100)
    true = pd.DataFrame([truth(film) for film in films])
    assert (test[true.columns] == true).all().all()


def test_truth_obeys_the_hierarchy():
    films, _ = cohort("train", 300)
    for film in films:
        true = truth(film)
        children = ("Edema", "Consolidation", "Pneumonia", "Atelectasis", "Lung Lesion")
        assert true["Lung Opacity"] == max(true[name] for name in children)
        assert true["Enlarged Cardiomediastinum"] >= true["Cardiomegaly"]
        assert true["Consolidation"] >= true["Pneumonia"]
        others = [v for k, v in true.items() if k not in ("No Finding", "Support Devices")]
        assert true["No Finding"] == 1 - max(others)


def test_studies_have_several_views_with_one_report():
    films, table = cohort("train", 400)
    keys = pd.Series([(film.patient, film.study) for film in films])
    views = keys.value_counts()
    assert 0.1 < (views > 1).mean() < 0.4
    assert 0.1 < np.mean([film.lateral for film in films]) < 0.3
    distinct = table.fillna(9).groupby(keys.astype(str).to_numpy()).nunique()
    assert (distinct == 1).all().all()
    studies = pd.Series([k[0] for k in views.index]).value_counts()
    assert 0.15 < (studies > 1).mean() < 0.4
    assert studies.max() == 3
    assert {film.study for person in range(50) for film in patient_films(0, "test", person)} == {0}


def test_sides_places_and_severities_vary():
    films, _ = cohort("train", 300)
    for name in ("Consolidation", "Atelectasis", "Pleural Effusion", "Pneumothorax"):
        found = [film.signs[name] for film in films if name in film.signs]
        sides = {side: np.mean([f.side == side for f in found]) for side in (-1, 0, 1)}
        assert min(sides[-1], sides[1]) > 0.15
        assert (sides[0] > 0.05) == (name in ("Atelectasis", "Pleural Effusion"))
        severities = [f.severity for f in found]
        assert np.quantile(severities, 0.1) < 0.2
        assert np.quantile(severities, 0.9) > 0.7
    heights = [f.signs["Consolidation"].y for f in films if "Consolidation" in f.signs]
    assert min(heights) < -0.3
    assert max(heights) > 0.2


def test_findings_stay_with_a_patient():
    stayed, appeared = [], []
    for person in range(400):
        films = patient_films(0, "train", person)
        first = next(set(film.signs) for film in films if film.study == 0)
        for film in films:
            if film.study == 1 and film.view == 0:
                stayed += [name in film.signs for name in first]
                appeared += [name not in first for name in film.signs]
                assert film.sex == films[0].sex
                assert film.body.chest_width == films[0].body.chest_width
                assert film.hospital == films[0].hospital
    assert 0.8 < np.mean(stayed) < 0.97
    assert 0 < np.mean(appeared) < 0.25


@pytest.mark.parametrize("split", COUNTS)
def test_the_first_patients_are_textbook_cases(split):
    for person, name in enumerate(TEXTBOOK):
        found = set(patient_films(9, split, person)[0].signs)
        expected = {name} - {None}
        if name == "Pneumonia":
            expected.add("Consolidation")
        assert found == expected


def test_the_reader_returns_the_drawn_set(tmp_path):
    manifest = read_manifest(OPTIONS, tmp_path)
    assert NOTE in manifest.notes
    assert manifest.patients_known
    assert manifest.studies_known
    assert len(manifest.tasks) == 14
    assert set(manifest.score_tasks) == {"_".join(name.lower().split()) for name in COMPETITION}
    people = manifest.table.groupby("split")["patient_id"].nunique().to_dict()
    assert people == {"train": 24, "valid": 10, "test": 12}
    assert len(manifest.images) == len(manifest.table)
    pixels = manifest.images.read(0)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 2
    # Every row's labels, by a second way: straight from the cohort.
    films = [film for person in range(12) for film in patient_films(4, "test", person)]
    test = manifest.table[manifest.table["split"] == "test"]
    expected = [[labels(4, film)[name] for name in COMPETITION] for film in films]
    found = test[["_".join(name.lower().split()) for name in COMPETITION]].to_numpy()
    assert np.array_equal(found, np.array(expected, dtype=np.float32))


def test_label_options_reach_the_reader(tmp_path):
    changes = {"uncertain": "ones", "views": "frontal", "tasks": 5, "patients": 60}
    manifest = read_manifest(OPTIONS | changes, tmp_path / "a")
    assert set(manifest.table["view"]) == {"frontal"}
    assert len(manifest.tasks) == 5
    train = manifest.table[manifest.table["split"] == "train"]
    assert not train[list(manifest.tasks)].isna().any().any()
    ignored = read_manifest(OPTIONS | changes | {"uncertain": "ignore"}, tmp_path / "b")
    unknown = ignored.table[list(manifest.tasks)].isna().any(axis=1)
    assert set(ignored.table.loc[unknown, "split"]) == {"train"}


def test_large_images_are_drawn_large(tmp_path):
    changes = {"patients": 5, "valid_patients": 5, "test_patients": 5, "image_px": 160, "tasks": 5}
    read_manifest(OPTIONS | changes, tmp_path)
    for path in tmp_path.rglob("*.jpg"):
        with Image.open(path) as image:
            assert min(image.size) == 160


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"set": "chests"}, "did you mean 'chest'"),
        ({"patients": 0}, "patients is '0'; give a whole number, at least 1"),
        ({"test_patients": 2.5}, "test_patients is '2.5'"),
        ({"seed": -1}, "seed is '-1'; give a whole number, at least 0"),
        ({"image_px": True}, "image_px is 'True'"),
    ],
)
def test_options_out_of_range_are_told(tmp_path, changes, words):
    with pytest.raises(UserError, match=re.escape(words)):
        read_manifest(OPTIONS | changes, tmp_path)
    assert list(tmp_path.iterdir()) == []


def run_script(*words):
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_draws_sets_and_a_sheet(tmp_path):
    counts = ("--train", 2, "--valid", 1, "--test", 1, "--px", 48)
    run = run_script(tmp_path / "chest", *counts, "--sheet", tmp_path / "sheet.png")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "chest/CheXpert-v1.0-small/train/patient00002/study1").is_dir()
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 250
    counts = ("--train", 9, "--valid", 1, "--test", 1, "--px", 48)
    run = run_script(tmp_path / "shapes", "--set", "shapes", *counts)
    assert run.returncode == 0, run.stderr
    names = {path.name for path in (tmp_path / "shapes/train/horizontal_bars").iterdir()}
    assert names == {"shape00001.png", "shape00009.png"}


def test_the_script_refuses_a_folder_in_use(tmp_path):
    (tmp_path / "kept").write_text("mine")
    run = run_script(tmp_path, "--train", 1)
    assert run.returncode == 1
    assert "not empty" in run.stderr
    assert "Traceback" not in run.stderr
    assert (tmp_path / "kept").read_text() == "mine"
    assert run_script().returncode == 2
    assert "contact sheet" in run_script("--help").stdout
