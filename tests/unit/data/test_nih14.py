from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets.nih14.make import COLUMNS, LISTED, make, make_lists

from transfergrid.data.boxes import Boxes
from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.nih14 import read
from transfergrid.data.regions import true_regions
from transfergrid.data.store import open_split, read_card
from transfergrid.runtime.errors import UserError

REAL = Path(__file__).resolve().parents[4] / "shared/data/classification/nih14_mini"
needs_films = pytest.mark.skipif(not REAL.is_dir(), reason="needs nih14_mini of shared/data")
SCORED = {"validation_share": 0.4, "score_tasks": ["effusion"]}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("nih14")
    make(root, np.random.default_rng(0))
    return root


def table_of(root):
    return root / "Data_Entry_2017_v2020.csv"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("release", ["2017", "2017_v2020"])
@pytest.mark.parametrize("folders", [("images",), ("images_001/images", "images_012/images")])
def test_both_releases_tell_the_same_films(tmp_path, published, release, folders):
    make(tmp_path, np.random.default_rng(0), release, folders)
    manifest = read_manifest({"kind": "nih14", **SCORED}, tmp_path)
    expected = read_manifest({"kind": "nih14", **SCORED}, published)
    pd.testing.assert_frame_equal(
        manifest.table.drop(columns="view"), expected.table.drop(columns="view")
    )
    assert manifest.patients_known and not manifest.studies_known
    assert not any(manifest.images.missing(row) for row in range(len(manifest.images)))
    assert manifest.images.read(0).shape == (32, 32)


def test_labels_are_those_between_the_bars(published):
    manifest = read({"tasks": ["Effusion", "Pleural_Thickening", "No Finding"]}, published)
    assert manifest.tasks == ("effusion", "pleural_thickening", "no_finding")
    written = pd.read_csv(table_of(published))["Finding Labels"].str.get_dummies("|")
    written_as = ("Effusion", "Pleural_Thickening", "No Finding")
    for task, name in zip(manifest.tasks, written_as, strict=True):
        np.testing.assert_array_equal(manifest.table[task], written[name])
    whole = read({}, published)
    assert len(whole.tasks) == 14 and "no_finding" not in whole.tasks
    assert whole.table["hernia"].sum() == 0


def test_the_official_lists_decide_and_validation_is_cut_by_patient(published):
    table = read_manifest({"kind": "nih14", **SCORED}, published).table
    listed = (published / "test_list.txt").read_text().split()
    assert sorted(table.loc[table["split"] == "test", "image_id"]) == sorted(listed)
    learned = table[table["split"] != "test"]
    people = learned.groupby("split")["patient_id"].unique()
    assert not set(people["train"]) & set(people["valid"]) and len(people["valid"]) == 11
    more = read({"validation_share": 0.5}, published).table
    assert more.loc[more["split"] == "valid", "patient_id"].nunique() == 14
    assert (more["split"] == "test").equals(table["split"] == "test")
    other = read({"validation_share": 0.5, "seed": 1}, published).table
    assert not other["split"].equals(more["split"])


def test_lists_of_a_benchmark_decide_about_validation_too(copy):
    make_lists(copy)
    manifest = read_manifest({"kind": "nih14", "score_tasks": ["effusion"], "lists": LISTED}, copy)
    table = manifest.table.set_index("image_id")
    for part, name in LISTED.items():
        lines = [line.split() for line in (copy / name).read_text().splitlines()]
        assert sorted(table.index[table["split"] == part]) == sorted(line[0] for line in lines)
        # Labels are those of the table, which are those of the lists.
        written = np.array([line[1:] for line in lines], dtype=int)
        tasks = [column.lower() for column in COLUMNS]
        np.testing.assert_array_equal(table.loc[[line[0] for line in lines], tasks], written)
    assert "The three parts are those of lists that the study names." in manifest.notes
    official = read_manifest({"kind": "nih14", **SCORED}, copy).table.set_index("image_id")
    assert ((official["split"] == "test") == (table["split"] == "test")).all()


def test_a_patient_in_two_lists_is_named(copy):
    make_lists(copy)
    lines = (copy / LISTED["valid"]).read_text().splitlines(keepends=True)
    people = [line[:8] for line in lines]
    torn = next(place for place, name in enumerate(people) if people.count(name) > 1)
    (copy / LISTED["valid"]).write_text("".join([*lines[:torn], *lines[torn + 1 :]]))
    with open(copy / LISTED["train"], "a") as file:
        file.write(lines[torn])
    with pytest.raises(UserError, match=rf"patient {int(people[torn])} \(train and valid\) is in"):
        read_manifest({"kind": "nih14", "score_tasks": ["effusion"], "lists": LISTED}, copy)


def test_a_random_cut_needs_no_lists_and_its_test_part_keeps_to_itself(copy):
    for name in ("train_val", "test"):
        (copy / f"{name}_list.txt").unlink()
    options = {"kind": "nih14", "split": "random", "test_share": 0.3, "score_tasks": ["effusion"]}
    one, other = (
        read_manifest({**options, "validation_share": share}, copy).table for share in (0.2, 0.3)
    )
    assert one.groupby("split")["patient_id"].nunique().to_dict() == {
        "test": 12,
        "train": 20,
        "valid": 8,
    }
    assert (one["split"] == "test").equals(other["split"] == "test")
    folds = {"k": 4, "seed": 0, "valid": "next"}
    assert read_manifest({"kind": "nih14", "folds": folds, **SCORED}, copy).folds.k == 4
    with pytest.raises(UserError, match=r"train_val_list\.txt does not exist; add the official"):
        read({}, copy)


def test_a_list_or_table_that_does_not_fit_is_named(copy):
    lists = {name: copy / f"{name}_list.txt" for name in ("train_val", "test")}
    test = lists["test"].read_text()
    first = test.split()[0]
    for text, told in (
        (
            test.replace(f"{first}\n", ""),
            rf"film {first}, which is in none of the lists train_val_list\.txt, test",
        ),
        (f"{test}\n00000001_000.png", r"test_list\.txt lists the film 00000001_000\.png, which is"),
        (f"{test}\n00000099_000.png", r"name 1 film\(s\) that .* lacks, such as 00000099_000\.png"),
    ):
        lists["test"].write_text(text)
        with pytest.raises(UserError, match=told):
            read({}, copy)
    # A table of the first release beside the other: which one is meant?
    shutil.copy(table_of(copy), copy / "Data_Entry_2017.csv")
    with pytest.raises(UserError, match=r"has the tables Data_Entry_2017\.csv, Data_Entry_2017_v2"):
        read({}, copy)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            ",No Finding,",
            ",Infiltrate,",
            r"label 'Infiltrate' \(did you mean 'Infiltration'\?\) in row .* joined by",
        ),
        (",No Finding,", ",No Finding|Mass,", r"'No Finding\|Mass' in row .* beside a label"),
        (",No Finding,", ",,", "nothing in column 'Finding Labels' of row"),
        ("Patient ID", "Patient", "has no column 'Patient ID'"),
        ("00000001_000.png", "../1.png", "is not in the data set's root"),
    ],
)
def test_a_fault_of_the_table_is_named(copy, old, new, told):
    edit(table_of(copy), old, new)
    with pytest.raises(UserError, match=told):
        read({"split": "random"}, copy)


def test_what_is_missing_is_named(copy, tmp_path):
    manifest = read({}, copy)
    (copy / "images" / "00000001_000.png").unlink()
    assert "00000001_000.png does not exist; restore it" in manifest.images.missing(0)
    with pytest.raises(
        UserError, match=r"1 of 83 images are missing and nothing was written: images/00000001_000"
    ):
        build_cache({"kind": "nih14", "image_px": 16, **SCORED}, copy, tmp_path / "cache", 1)
    for change, told in (
        ({"tasks": ["Hernias"]}, r"tasks names 'Hernias' \(did you mean 'hernia'\?\)"),
        ({"split": "patients"}, "split is 'patients'.* allowed are official, random"),
        ({"validation_share": 1}, "the share of valid is 1; choose one above 0"),
    ):
        with pytest.raises(UserError, match=told):
            read(change, copy)
    shutil.rmtree(copy / "images")
    with pytest.raises(UserError, match="has neither images nor images_001/images; unpack"):
        read({}, copy)
    table_of(copy).unlink()
    with pytest.raises(UserError, match=r"has no table Data_Entry_2017\*\.csv; as the root"):
        read({}, copy)


def region(root, px=64, **more):
    declaration = {"id": "nih-0", "kind": "nih14", "image_px": px, "resize": "crop", **more}
    regions = true_regions(declaration, root / "BBox_List_2017.csv")
    assert isinstance(regions, Boxes)
    return regions


@pytest.mark.parametrize("release", ["2017", "2017_v2020"])
@pytest.mark.parametrize("rule", ["crop", "pad", "stretch"])
def test_a_box_is_where_1024_pixels_say_it_is(tmp_path, release, rule):
    make(tmp_path, np.random.default_rng(0), release)
    film = (tmp_path / "test_list.txt").read_text().split()[0]
    regions = region(tmp_path, px=512, resize=rule)
    found = regions.find(film, "infiltration")  # which the table calls Infiltrate
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    expected = np.array([300, 400.2, 225.5, 430.25]) / 2
    edges = [rows[0], rows[-1] + 1, columns[0], columns[-1] + 1]
    np.testing.assert_allclose(edges, expected, atol=1)
    assert 0 <= len(rows) * len(columns) - found.sum() <= 4  # its corners
    assert regions.find(film, "effusion") is None and regions.find("no.png", "pneumonia") is None
    regions.check([film, "00000001_000.png"])
    with pytest.raises(UserError, match=r"a box for none of the test films of nih-0 .*00000001"):
        regions.check(["00000001_000.png"])


def test_two_boxes_of_a_finding_are_one_region(copy):
    boxes = copy / "BBox_List_2017.csv"
    film = (copy / "test_list.txt").read_text().split()[0]
    boxes.write_text(boxes.read_text() + f"{film},Pneumonia,512,512,256,256,,,\r\n")
    found = region(copy).find(film, "pneumonia")
    assert found[32:48, 32:48].all() and found[2, 1] and not found[40, 20]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "Infiltrate",
            "Infiltrates",
            r"box of 'Infiltrates' \(did you mean 'Infiltrate'\?\) in row 1",
        ),
        ("225.5", "about", r"'about' in column 'Bbox \[x' of row 1, which is no number"),
        ("204.75", "nan", "'nan' in column 'w' of row 1"),
        (
            "204.75",
            "-3",
            r"a box of -3 x 100.2 pixels at \(225.5, 300\) in row 1, nothing of which",
        ),
        ("225.5", "1024", "nothing of which is in a film of 1024 x 1024"),
        ("Bbox [x", "x", r"has no column 'Bbox \[x'"),
    ],
)
def test_a_row_that_is_no_box_is_named(copy, old, new, told):
    edit(copy / "BBox_List_2017.csv", old, new)
    with pytest.raises(UserError, match=told):
        region(copy).find("any", "pneumonia")


@needs_films
def test_real_films_are_cut_as_their_lists_say_and_by_patient():
    manifest = read_manifest({"kind": "nih14", "score_tasks": ["Effusion"]}, REAL)
    table = manifest.table.set_index("image_id")
    published = pd.read_csv(REAL / "splits.csv", dtype=str).set_index("image").loc[table.index]
    learned = published["split_official"] != "test"
    assert len(table) == 1000 and table["patient_id"].nunique() == 682
    assert ((table["split"] != "test") == learned).all()
    assert (table["patient_id"] == published["patient_id"]).all()
    assert (table["pneumonia"] == published["pneumonia"].astype(int)).all()
    assert (table["view"] == published["view"]).all()
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    assert not any(manifest.images.missing(row) for row in range(len(table)))
    # Every test film of the set has pneumonia.
    with pytest.raises(UserError, match=r"pneumonia has 153 positive\(s\) and 0 negative\(s\) in "):
        read_manifest({"kind": "nih14", "score_tasks": ["Pneumonia"]}, REAL)
    cut = {"kind": "nih14", "split": "random", "score_tasks": ["Pneumonia"]}
    parts = read_manifest(cut, REAL).table.groupby("split")["patient_id"].nunique()
    assert parts.to_dict() == {"test": 136, "train": 478, "valid": 68}


@needs_films
def test_real_boxes_lie_in_the_cached_films(tmp_path):
    # Of the whole set, the films with boxes: all of them are tested on.
    boxes = pd.read_csv(REAL / "BBox_List_2017.csv")
    kept = sorted(set(boxes["Image Index"]))[:12]
    entries = pd.read_csv(table_of(REAL))
    others = [name for name in entries["Image Index"] if name not in set(boxes["Image Index"])][:30]
    rows = entries[entries["Image Index"].isin([*kept, *others])]
    rows.to_csv(tmp_path / "Data_Entry_2017.csv", index=False)
    (tmp_path / "images").symlink_to(REAL / "images")
    declaration = {"id": "nih-0", "kind": "nih14", "image_px": 160, "split": "random"}
    declaration |= {"score_tasks": ["infiltration"], "resize": "crop"}
    build_cache(declaration | {"test_share": 0.5, "seed": 4}, tmp_path, tmp_path / "cache", 1)
    split, tasks = open_split(tmp_path / "cache", "test"), read_card(tmp_path / "cache").tasks
    regions = region(REAL, px=160)
    regions.check(split.image_id)
    labels = pd.DataFrame(split.labels, index=split.image_id, columns=list(tasks))
    names = {"Infiltrate": "infiltration"}
    seen = 0
    for row in boxes[boxes["Image Index"].isin(split.image_id)].to_dict("records"):
        film, task = (
            row["Image Index"],
            names.get(row["Finding Label"], row["Finding Label"].lower()),
        )
        assert labels.loc[film, task] == 1
        found = regions.find(film, task)
        assert found.shape == split.images.shape[1:]
        x, y, w, h = (row[side] * 160 / 1024 for side in ("Bbox [x", "y", "w", "h]"))
        assert found[int(y + h / 2), int(x + w / 2)]
        assert found.sum() >= (w - 1) * (h - 1)
        seen += 1
    assert seen >= 3


@needs_films
def test_every_real_box_has_its_area():
    boxes = pd.read_csv(REAL / "BBox_List_2017.csv")
    area = (boxes["w"] * boxes["h]"]).groupby([boxes["Image Index"], boxes["Finding Label"]]).sum()
    regions = region(REAL, px=1024)
    for (film, finding), expected in area.items():
        task = {"Infiltrate": "infiltration"}.get(finding, finding.lower())
        found = regions.find(film, task)
        assert found.sum() == pytest.approx(expected, rel=0.03)  # boxes of one film may overlap
