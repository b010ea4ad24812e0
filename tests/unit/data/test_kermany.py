from __future__ import annotations

import shutil

import numpy as np
import pytest
from datasets.kermany.make import FOLDER, KAGGLE, make

from transfergrid.data.kermany import read
from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError

KIND = {"kind": "kermany", "validation_share": 0.3}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("kermany")
    make(root, np.random.default_rng(0))
    return root


@pytest.mark.parametrize("inside", [True, False])
def test_films_are_labelled_by_their_folders(published, inside):
    manifest = read_manifest(KIND, published / FOLDER if inside else published)
    table = manifest.table
    written = [
        (f"{part}/{name}/{film}.jpeg", part, name)
        for part, classes in KAGGLE.items()
        for name, films in classes.items()
        for film in films
    ]
    assert sorted(table["image_id"]) == sorted(path for path, _, _ in written)
    rows = table.set_index("image_id")
    assert manifest.tasks == ("pneumonia",) and manifest.task_kind == "multilabel"
    for path, part, name in written:
        assert rows.loc[path, "pneumonia"] == (name == "PNEUMONIA")
        assert (rows.loc[path, "split"] == "test") == (part == "test")
    assert manifest.images.read(0).ndim == 2


def test_numbers_are_counted_within_a_series_and_a_part_is_of_other_people(published):
    # The names of the real list: by number alone, 264 people would be in two parts.
    table = read_manifest(KIND, published).table.set_index("image_id")
    person = table["patient_id"]
    assert person["train/PNEUMONIA/person9_bacteria_18.jpeg"] == "bacteria 9"
    assert person["train/PNEUMONIA/person9_bacteria_19.jpeg"] == "bacteria 9"
    assert person["train/PNEUMONIA/person9_virus_29.jpeg"] == "virus 9"
    assert person["train/PNEUMONIA/person15_virus_35_1.jpeg"] == "virus 15"
    assert person["train/NORMAL/IM-0115-0002.jpeg"] == "IM-0115"
    assert person["train/NORMAL/NORMAL2-IM-0115-0001-0002.jpeg"] == "NORMAL2-IM-0115"
    assert person["test/PNEUMONIA/person1_virus_2.jpeg"] == "virus 1"
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()


def test_the_few_films_of_val_are_training_films_and_validation_is_cut_by_patient(published):
    manifest = read_manifest(KIND, published)
    table = manifest.table
    learned = table[table["split"] != "test"]
    assert learned["image_id"].str.startswith("val/").sum() == 2
    people = learned.drop_duplicates("patient_id")["split"].value_counts()
    assert people["valid"] == round(0.3 * people.sum())
    assert any("2 films of the folder val are too few" in note for note in manifest.notes)
    drawn = read_manifest({**KIND, "split": "random", "test_share": 0.3}, published)
    assert not any("folder val" in note for note in drawn.notes)
    assert drawn.table.loc[drawn.table["split"] == "test", "image_id"].str[:5].nunique() > 1
    folds = {"k": 3, "seed": 0, "valid": "next"}
    parts = read_manifest({**KIND, "folds": folds}, published).table
    assert (parts.groupby("patient_id")["split"].nunique() == 1).all()


def test_the_first_publication_names_patients_by_number(tmp_path):
    make(tmp_path, np.random.default_rng(0), "mendeley")
    manifest = read_manifest(KIND, tmp_path)
    table = manifest.table.set_index("image_id")
    assert table.loc["train/PNEUMONIA/BACTERIA-2010-0002.jpeg", "patient_id"] == "2010"
    assert table.loc["train/NORMAL/NORMAL-1010-0001.jpeg", "patient_id"] == "1010"
    assert len(manifest.notes) == 1
    # A patient who is ill in one part and well in another is found.
    folder = tmp_path / FOLDER
    (folder / "test/NORMAL/NORMAL-4010-0001.jpeg").rename(
        folder / "test/NORMAL/NORMAL-2010-0003.jpeg"
    )
    with pytest.raises(UserError, match=r"patient 2010 \((train|valid) and test|test and"):
        read_manifest(KIND, tmp_path)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("train/NORMAL/IM-0115-0001.jpeg", "train/NORMAL/person1_bacteria_1.jpeg"),
        ("train/PNEUMONIA/person1_bacteria_2.jpeg", "train/PNEUMONIA/IM-0115-0009.jpeg"),
        ("test/PNEUMONIA/person1_virus_2.jpeg", "test/PNEUMONIA/person1_fungus_2.jpeg"),
        ("test/NORMAL/IM-0001-0001.jpeg", "test/NORMAL/IM-0001-0001.gif"),
        ("test/NORMAL/IM-0001-0001.jpeg", "test/NORMAL/Thumbs.db"),
    ],
)
def test_a_file_that_is_no_film_of_its_class_is_named(copy, name, wrong):
    (copy / FOLDER / name).rename(copy / FOLDER / wrong)
    with pytest.raises(UserError, match=rf"{wrong} is not named as films of .* rename or remove"):
        read({}, copy)


def test_a_missing_folder_is_named(copy, tmp_path):
    shutil.rmtree(copy / FOLDER / "val")
    assert len(read({}, copy).notes) == 1
    shutil.rmtree(copy / FOLDER / "test" / "NORMAL")
    with pytest.raises(UserError, match="has no folder test/NORMAL; restore it"):
        read({}, copy)
    with pytest.raises(UserError, match="has no folder train, nor does chest_xray in it; as the"):
        read({}, tmp_path)


def test_a_split_that_does_not_exist_is_named(published):
    with pytest.raises(UserError, match="split is 'drawn'.* allowed are official, random"):
        read({"split": "drawn"}, published)
