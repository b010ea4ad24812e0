from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pandas as pd
import pytest
from datasets.pcam.make import COUNTS, NAME, make, make_files

from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.pcam import read
from transfergrid.data.store import open_split
from transfergrid.runtime.errors import UserError

KIND = {"kind": "pcam"}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("pcam")
    make(root, np.random.default_rng(0))
    return root


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("patches")
    make_files(root, np.random.default_rng(0))
    return root


def rewrite(path, key, array):
    with h5py.File(path, "w") as file:
        file[key] = array


def test_patches_labels_and_slides_are_those_of_their_rows(published):
    manifest = read_manifest(KIND, published)
    table = manifest.table
    assert manifest.tasks == ("tumour",) and manifest.patients_known
    assert table["split"].value_counts().to_dict() == COUNTS
    with ThreadPoolExecutor(4) as executor:
        images = list(executor.map(manifest.images.read, reversed(range(len(table)))))[::-1]
    start = 0
    for split, count in COUNTS.items():
        rows = slice(start, start + count)
        with h5py.File(published / NAME.format(split, "x.h5")) as file:
            np.testing.assert_array_equal(np.stack(images[rows]), file["x"][:])
        slides = pd.read_csv(published / NAME.format(split, "meta.csv"))
        assert list(table["patient_id"][rows]) == list(slides["wsi"])
        np.testing.assert_array_equal(table["tumour"][rows], slides["center_tumor_patch"])
        start += count
    assert manifest.images.name(41) == "camelyonpatch_level_2_split_valid_x.h5, row 2"
    with pytest.raises(IndexError):
        manifest.images.read(start)


def test_the_cache_holds_the_patches_in_colour(published, tmp_path):
    form = {"image_px": 96, "resize": "stretch", "channels": "rgb"}
    build_cache({**KIND, **form}, published, tmp_path / "cache", 2)
    split = open_split(tmp_path / "cache", "test")
    with h5py.File(published / NAME.format("test", "x.h5")) as file:
        order = np.argsort(split.image_id)
        np.testing.assert_array_equal(np.asarray(split.images)[order], file["x"][:])


def test_folds_keep_slides_whole(published):
    folds = {"k": 3, "seed": 0, "valid": "next"}
    manifest = read_manifest({**KIND, "folds": folds}, published)
    assert (manifest.table.groupby("patient_id")["split"].nunique() == 1).all()
    assert "The published parts were pooled." in manifest.notes


def test_without_tables_slides_are_unknown(copy):
    for split in COUNTS:
        (copy / NAME.format(split, "meta.csv")).rename(copy / f"{split}.csv")
    manifest = read_manifest(KIND, copy)
    assert not manifest.patients_known
    assert any("patches of one slide count as apart" in note for note in manifest.notes)
    (copy / "valid.csv").rename(copy / NAME.format("valid", "meta.csv"))
    with pytest.raises(UserError, match="slides for some parts and none for train; download"):
        read({}, copy)


def test_a_slide_in_two_parts_is_named(copy):
    path = copy / NAME.format("test", "meta.csv")
    path.write_text(path.read_text().replace("camelyon16_test_014", "camelyon16_train_tumor_001"))
    with pytest.raises(UserError, match=r"patient camelyon16_train_tumor_001 \(train and test\)"):
        read_manifest(KIND, copy)


def test_png_files_are_cut_with_equal_classes(files):
    manifest = read_manifest(KIND, files)
    table = manifest.table
    assert len(table) == 50 and not manifest.patients_known
    assert {"3_label=0.png", "3_label=1.png"} <= set(table["image_id"])
    for row in (0, 17, 49):
        assert table["tumour"][row] == int(table["image_id"][row].split("=")[1][0])
    assert table["split"].value_counts().to_dict() == {"train": 35, "test": 10, "valid": 5}
    shares = table.groupby("split")["tumour"].mean()
    assert shares["test"] == 0.5 and abs(shares["valid"] - 0.5) < 0.11
    assert manifest.images.read(0).shape == (96, 96, 3)
    assert read(KIND, files / "png_images").table["split"].equals(table["split"])


def test_a_file_that_is_no_patch_is_named(files, tmp_path):
    copy = shutil.copytree(files, tmp_path / "copy")
    (copy / "png_images" / "7.png").touch()
    with pytest.raises(UserError, match=r"7\.png is not named as a patch, such as 157778_label=0"):
        read({}, copy)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds neither camelyonpatch_.*_train_x\.h5 nor patches"):
        read({}, tmp_path / "empty")


def test_files_that_are_missing_or_packed_are_named(copy):
    labels = copy / NAME.format("valid", "y.h5")
    labels.rename(f"{labels}.gz")
    with pytest.raises(UserError, match=r"valid_y\.h5 does not exist; unpack camelyon.*y\.h5\.gz"):
        read({}, copy)
    (copy / f"{labels.name}.gz").unlink()
    with pytest.raises(UserError, match=r"valid_y\.h5 does not exist; download it"):
        read({}, copy)
    labels.write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(
        UserError, match=r"valid_y\.h5 cannot be read as HDF5 .*; download it again"
    ):
        read({}, copy)


@pytest.mark.parametrize(
    ("part", "key", "array", "told"),
    [
        ("valid_y", "y", np.full((12, 1, 1, 1), 2), r"one 0 or 1 a patch \(row 1 has \[2\]\)"),
        ("valid_y", "y", np.zeros((12, 2), int), r"one 0 or 1 a patch \(several\)"),
        ("valid_y", "y", np.zeros((11, 1, 1, 1), int), "beside 11 labels; patches are uint8"),
        ("valid_y", "labels", np.zeros((12, 1, 1, 1)), "has no array 'y'; it has labels; downl"),
        ("valid_x", "x", np.zeros((12, 8, 8, 3)), r"array 'x' of .* is float64 \(12, 8, 8, 3\)"),
        ("valid_x", "x", np.zeros((12, 8, 8), np.uint8), r"is uint8 \(12, 8, 8\) beside 12"),
    ],
)
def test_arrays_that_are_not_those_of_the_set_are_named(copy, part, key, array, told):
    split, _, what = part.partition("_")
    rewrite(copy / NAME.format(split, f"{what}.h5"), key, array)
    with pytest.raises(UserError, match=told):
        read({}, copy)


def test_a_table_of_other_patches_is_named(copy):
    path = copy / NAME.format("train", "meta.csv")
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(UserError, match=r"train_meta\.csv has 39 rows for 40 patches; download"):
        read({}, copy)
