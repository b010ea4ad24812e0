from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from datasets.chexpert.make import BATCHES, LABELS, in_batches, make

from transfergrid.data.chexpert import COLUMN_OF, COMPETITION, read
from transfergrid.data.chexpert_places import find_base
from transfergrid.data.manifest import validate
from transfergrid.runtime.errors import UserError

FOLDER = "CheXpert-v1.0-small"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    make(root, np.random.default_rng(0))
    return root


@pytest.fixture
def copy(published, tmp_path):
    shutil.copytree(published, tmp_path / "data")
    return tmp_path / "data"


def source_table(root, name="train.csv"):
    return pd.read_csv(root / FOLDER / name)


def labels(manifest, split, task):
    return manifest.table.loc[manifest.table["split"] == split, task].to_numpy()


def test_ids_views_and_sources(published):
    manifest = validate(read({}, published))
    table = manifest.table
    source = pd.concat([source_table(published, f"{s}.csv") for s in ("train", "valid", "test")])
    assert table["image_id"].tolist() == source["Path"].str.removeprefix(f"{FOLDER}/").tolist()
    pieces = source["Path"].str.split("/")
    assert table["split"].tolist() == pieces.str[1].tolist()
    assert table["patient_id"].tolist() == pieces.str[2].tolist()
    assert table["study_id"].tolist() == (pieces.str[2] + "/" + pieces.str[3]).tolist()
    assert table["view"].tolist() == source["Frontal/Lateral"].str.lower().tolist()
    assert (manifest.patients_known, manifest.studies_known) == (True, True)
    assert [manifest.images.name(i) for i in range(3)] == table["image_id"].tolist()[:3]
    for index in (0, len(table) - 1):
        assert manifest.images.read(index).ndim == 2


def test_tasks_and_their_numbers(published):
    assert read({}, published).tasks == tuple(COLUMN_OF)
    assert list(COLUMN_OF.values()) == list(LABELS)
    five = read({"tasks": 5, "score_tasks": 5}, published)
    assert five.tasks == five.score_tasks == COMPETITION
    six = read({"tasks": 6}, published)
    assert six.tasks == ("no_finding", *COMPETITION)
    assert six.score_tasks == COMPETITION
    named = read({"tasks": ["Airspace Opacity", "edema"]}, published)
    assert named.tasks == ("lung_opacity", "edema")
    assert named.score_tasks == ("edema",)
    assert read({"tasks": ["fracture"]}, published).score_tasks == ("fracture",)


@pytest.mark.parametrize("blank", ["zero", "ignore"])
@pytest.mark.parametrize("uncertain", ["ignore", "zeros", "ones", "smooth"])
def test_policies(published, blank, uncertain):
    manifest = validate(read({"blank": blank, "uncertain": uncertain}, published))
    written = source_table(published)
    for task, column in COLUMN_OF.items():
        value = written[column].to_numpy()
        found = labels(manifest, "train", task)
        certain = (value == 0) | (value == 1)
        np.testing.assert_array_equal(found[certain], value[certain])
        blanks = found[np.isnan(value)]
        assert (blanks == 0).all() if blank == "zero" else np.isnan(blanks).all()
        unsure = found[value == -1]
        if uncertain == "ignore":
            assert np.isnan(unsure).all()
        elif uncertain == "smooth":
            assert ((unsure >= 0.55) & (unsure < 0.85)).all()
        else:
            assert (unsure == (uncertain == "ones")).all()
    assert (written[list(LABELS)] == -1).to_numpy().any()


def test_smoothing_is_uniform_seeded_and_independent_of_the_choice_of_tasks(published):
    options = {"uncertain": "smooth", "smooth_range": [0.2, 0.4], "score_tasks": ["edema"]}
    whole = read({**options, "seed": 3}, published)
    uncertain = (source_table(published)[list(LABELS)] == -1).to_numpy()
    drawn = whole.table.loc[whole.table["split"] == "train", list(COLUMN_OF)].to_numpy()[uncertain]
    assert len(np.unique(drawn)) == len(drawn)
    assert 0.2 <= drawn.min() < 0.23
    assert 0.37 < drawn.max() < 0.4
    few = read({**options, "seed": 3, "tasks": ["edema"], "views": "frontal"}, published)
    both = few.table.merge(whole.table, on="image_id")
    np.testing.assert_array_equal(both["edema_x"], both["edema_y"])
    other = read({**options, "seed": 4}, published)
    assert not whole.table["edema"].equals(other.table["edema"])


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("uncertain", ["zeros", "ones", "smooth"])
def test_an_uncertain_label_is_never_scored(copy, split, uncertain):
    table = source_table(copy, f"{split}.csv")
    study = table["Path"].str.contains("patient000" + ("13" if split == "valid" else "18"))
    table.loc[study, "Fracture"] = -1.0
    table.to_csv(copy / FOLDER / f"{split}.csv", index=False)
    found = labels(validate(read({"uncertain": uncertain}, copy)), split, "fracture")
    np.testing.assert_array_equal(np.isnan(found), study)


def test_views(published):
    both = read({}, published).table
    for view in ("frontal", "lateral"):
        manifest = read({"views": view}, published)
        pd.testing.assert_frame_equal(
            manifest.table, both[both["view"] == view].reset_index(drop=True)
        )
        assert len(manifest.images) == len(manifest.table)
        assert manifest.images.name(1) == manifest.table["image_id"][1]


@pytest.mark.parametrize("uncertain", ["ignore", "ones"])
def test_a_validation_part_is_cut_by_patient(published, uncertain):
    options = {"validation_share": 0.4, "uncertain": uncertain, "score_tasks": ["edema"]}
    manifest = validate(read({**options, "seed": 0}, published))
    table = manifest.table
    train = table[table["image_id"].str.startswith("train/")]
    assert set(train["split"]) == {"train", "valid"}
    assert train.loc[train["split"] == "valid", "patient_id"].nunique() == 5
    assert not table["image_id"].str.startswith("valid/").any()
    written = source_table(published)[list(LABELS)].to_numpy()
    cut = (train["split"] == "valid").to_numpy()[:, None] & (written == -1)
    assert cut.any()
    assert np.isnan(train[list(COLUMN_OF)].to_numpy()[cut]).all()
    assert any("part of the training patients" in note for note in manifest.notes)
    splits = [
        read({**options, "seed": seed}, published).table.set_index("image_id")["split"]
        for seed in (0, 0, 1)
    ]
    assert splits[0].equals(splits[1])
    assert not splits[0].equals(splits[2])


def test_the_official_validation_set_as_test(copy):
    (copy / FOLDER / "test.csv").unlink()
    options = {"validation_share": 0.4, "test_split": "valid", "score_tasks": ["edema"]}
    table = validate(read(options, copy)).table
    assert table.loc[table["split"] == "test", "image_id"].str.startswith("valid/").all()
    with pytest.raises(UserError, match="leaves nothing to choose checkpoints on"):
        read({"test_split": "valid"}, copy)


@pytest.mark.parametrize("name", ["test_labels.csv", "test/test.csv", "test/test_labels.csv"])
def test_the_test_tables_other_forms(tmp_path, name, published):
    make(tmp_path, np.random.default_rng(0), test_table=name)
    pd.testing.assert_frame_equal(read({}, tmp_path).table, read({}, published).table)


@pytest.mark.parametrize("folder", ["CheXpert-v1.0", "CheXpert-v1.0-small"])
def test_the_root_may_be_the_folder_or_its_parent(tmp_path, folder, published):
    make(tmp_path, np.random.default_rng(0), folder=folder)
    (tmp_path / folder / "test" / "notes.csv").touch()
    expected = read({}, published).table
    for root in (tmp_path, tmp_path / folder):
        pd.testing.assert_frame_equal(read({}, root).table, expected)
    (tmp_path / folder).rename(tmp_path / "archive")
    manifest = read({}, tmp_path / "archive")
    assert manifest.images.read(0).ndim == 2
    with pytest.raises(UserError, match=r"has no train\.csv"):
        find_base(tmp_path)


@pytest.mark.parametrize("beside", [True, False])
def test_the_batches_of_the_full_download_are_read_in_place(tmp_path, published, beside):
    whole = tmp_path / "whole"
    make(whole, np.random.default_rng(0), folder="CheXpert-v1.0")
    expected = read({"image_px": 16}, whole)
    batches = tmp_path / "batches"
    shutil.copytree(whole, batches)
    in_batches(batches, test_beside=beside)
    for root in (batches, batches / f"CheXpert-v1.0 batch {BATCHES[0]}"):
        manifest = validate(read({"image_px": 16}, root))
        pd.testing.assert_frame_equal(manifest.table, expected.table)
        for index in range(len(manifest.table)):
            np.testing.assert_array_equal(
                manifest.images.read(index), expected.images.read(index), str(index)
            )
    moved = batches / f"CheXpert-v1.0 batch {BATCHES[3]}"
    (moved / "train").mkdir()
    for patient in [entry for entry in moved.iterdir() if entry.name != "train"]:
        patient.rename(moved / "train" / patient.name)
    assert all(read({}, batches).images.read(index).size for index in range(len(expected.table)))
    shutil.rmtree(moved)
    lost = [i for i, name in enumerate(expected.table["image_id"]) if "patient00003/" in name]
    with pytest.raises(UserError, match=r"batches/train/patient00003/\S+ does not exist"):
        read({}, batches).images.read(lost[0])


def test_tables_may_lie_beside_the_batches(tmp_path):
    make(tmp_path, np.random.default_rng(0), folder="CheXpert-v1.0")
    in_batches(tmp_path, test_beside=True)
    first = tmp_path / f"CheXpert-v1.0 batch {BATCHES[0]}"
    for entry in sorted(first.iterdir()):
        entry.rename(tmp_path / entry.name)
    manifest = read({}, tmp_path)
    assert all(manifest.images.read(index).size for index in range(len(manifest.table)))


def test_two_published_folders_are_ambiguous(tmp_path):
    for folder in ("CheXpert-v1.0", "CheXpert-v1.0-small"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.csv").touch()
    with pytest.raises(UserError, match="contains both"):
        find_base(tmp_path)


def test_airspace_opacity_is_lung_opacity(copy, published):
    path = copy / FOLDER / "train.csv"
    path.write_text(path.read_text().replace("Lung Opacity", "Airspace Opacity", 1))
    pd.testing.assert_frame_equal(read({}, copy).table, read({}, published).table)


@pytest.mark.parametrize("value", ["7", "nan", "0.5", "yes", "-2"])
def test_a_foreign_label_is_named_by_row_and_column(copy, value):
    table = pd.read_csv(copy / FOLDER / "train.csv", dtype=str)
    table.loc[4, "Edema"] = value
    table.to_csv(copy / FOLDER / "train.csv", index=False)
    with pytest.raises(
        UserError,
        match=rf"train\.csv has '{value}' in column 'Edema' of row 5; a label is 1, 0, -1 or blank",
    ):
        read({}, copy)


def test_faults_of_the_tables_are_named(copy):
    path = copy / FOLDER / "train.csv"
    text = path.read_text()
    path.write_text(text.replace("Consolidation", "Consolidations", 1))
    with pytest.raises(
        UserError, match=r"no column 'Consolidation' \(did you mean 'Consolidations"
    ):
        read({}, copy)
    path.write_text(text.replace("train/patient00002/study1/view1_frontal", "train/odd", 1))
    with pytest.raises(UserError, match=r"has the path '.*train/odd\.jpg' in row \d+"):
        read({}, copy)
    path.write_text(text.replace("patient00002", "patient00013"))
    with pytest.raises(UserError, match=r"patient patient00013 \(train and valid\)"):
        validate(read({}, copy))
    path.write_text(text.splitlines()[0] + "\n")
    with pytest.raises(UserError, match="has a header but no rows"):
        validate(read({}, copy))
    path.write_text(text)
    (copy / FOLDER / "valid.csv").unlink()
    with pytest.raises(UserError, match=r"table .*valid\.csv does not exist"):
        read({}, copy)
    (copy / FOLDER / "test.csv").rename(copy / FOLDER / "test_labels.csv")
    read({"validation_share": 0.3}, copy)
    shutil.copy(copy / FOLDER / "test_labels.csv", copy / FOLDER / "test.csv")
    with pytest.raises(UserError, match="keep one of them"):
        read({"validation_share": 0.3}, copy)
    (copy / FOLDER / "test.csv").unlink()
    (copy / FOLDER / "test_labels.csv").unlink()
    with pytest.raises(UserError, match=r"neither test\.csv nor test_labels\.csv"):
        read({"validation_share": 0.3}, copy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": 7}, "tasks is 7; allowed are 5, 6, 14"),
        ({"tasks": ["edemas"]}, r"tasks names 'edemas' \(did you mean 'edema'\?\)"),
        ({"tasks": ["edema"], "score_tasks": 5}, "score_tasks names 'atelectasis'"),
        ({"uncertain": "maybe"}, "uncertain is 'maybe'; allowed are ignore"),
        ({"blank": "one"}, "blank is 'one'"),
        ({"views": "oblique"}, "views is 'oblique'"),
        ({"uncertain": "smooth", "smooth_range": [0.9, 0.1]}, "smooth_range is"),
        ({"validation_share": 1.5}, "share of valid is 1.5"),
    ],
)
def test_options_out_of_range_are_named(published, options, message):
    with pytest.raises(UserError, match=message):
        read(options, published)


def test_a_root_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match=r"data folder .*nowhere does not exist"):
        read({}, tmp_path / "nowhere")
