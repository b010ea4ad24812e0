"""DRIVE: its own two parts, its fields of view, and its second observer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets.drive.make import HEIGHT, TEST, TRAINING, WIDTH, make
from PIL import Image

from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.mask_coverage import UNKNOWN
from transfergrid.data.mask_table import observed
from transfergrid.data.store import open_split
from transfergrid.planning.observers import observers_of
from transfergrid.runtime.errors import UserError

KIND = {"kind": "drive"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drive")
    make(root, np.random.default_rng(0))
    return root


def stored(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 0


def test_the_published_parts_are_kept_and_validation_is_cut_from_training(published: Path) -> None:
    table = read_manifest({**KIND, "validation_share": 0.2}, published).table
    counts = table["split"].value_counts().to_dict()
    assert counts == {"train": len(TRAINING) - 2, "valid": 2, "test": len(TEST)}
    tested = table["image_id"].str.endswith("_test.tif")
    assert ((table["split"] == "test") == tested).all()
    pooled = read_manifest({**KIND, "folds": {"k": 3}}, published)
    assert pooled.folds is not None and len(pooled.table) == len(TRAINING) + len(TEST)


def test_nothing_is_known_outside_of_the_field_of_view(published: Path) -> None:
    manifest = read_manifest(KIND, published)
    assert manifest.masks is not None and manifest.tasks == ("vessel",)
    for row, name in enumerate(manifest.table["image_id"]):
        number, part = name.removesuffix(".tif").split("_")
        seen = stored(published / part / "mask" / f"{number}_{part}_mask.gif")
        first = stored(published / part / "1st_manual" / f"{number}_manual1.gif")
        (mask,) = manifest.masks.read(row)
        np.testing.assert_array_equal(mask == UNKNOWN, ~seen)
        np.testing.assert_array_equal(mask == 1, first & seen)
        assert mask.shape == (HEIGHT, WIDTH)


def test_the_second_observer_saw_the_test_part(published: Path) -> None:
    manifest = read_manifest(KIND, published)
    assert manifest.masks is not None
    other = observed(manifest.masks, 1)
    for row, name in enumerate(manifest.table["image_id"]):
        (one,), (two,) = manifest.masks.read(row), other.read(row)
        if name.endswith("_training.tif"):
            assert (two == UNKNOWN).all()
        else:
            assert (two == 1).sum() > (one == 1).sum() > 0 and not ((one == 1) & (two == 0)).any()


def test_masks_lie_in_the_cache_of_colours(published: Path, tmp_path: Path) -> None:
    declaration = {"id": "eyes-0", **KIND, "image_px": 24, "resize": "pad", "channels": "rgb"}
    build_cache(declaration, published, tmp_path / "cache", 1)
    test = open_split(tmp_path / "cache", "test")
    assert test.images.shape == (len(TEST), 24, 24, 3) and test.masks is not None
    for photograph, mask in zip(test.images[:], test.masks[:, 0], strict=True):
        bright = photograph.mean(axis=2)
        assert bright[mask == 1].mean() > bright[mask == 0].mean() + 50


def test_without_vessels_of_the_test_part_the_other_is_cut(copy: Path) -> None:
    settings = {**KIND, "root": str(copy)}
    assert observers_of(settings) == {}  # as it is, its reader gives observers apart
    shutil.rmtree(copy / "test" / "2nd_manual")
    assert observers_of(settings) is None
    alone = read_manifest(KIND, copy)
    with pytest.raises(UserError, match="no observer 2"):
        observed(alone.masks, 1)  # type: ignore[arg-type]
    shutil.rmtree(copy / "test" / "1st_manual")
    with pytest.raises(UserError, match=r"has no folder test/1st_manual; restore it, or cut"):
        read_manifest(KIND, copy)
    for cut in ({"split": "random"}, {"folds": {"k": 3}}):
        manifest = read_manifest({**KIND, **cut}, copy)
        assert len(manifest.table) == len(TRAINING)
        assert "The test photographs are left out" in " ".join(manifest.notes)
    (copy / "training" / "images" / "1_training.tif").touch()
    with pytest.raises(UserError, match=r"1_training\.tif is not named as photographs of DRIVE's"):
        read_manifest({**KIND, "split": "random"}, copy)
    shutil.rmtree(copy / "training" / "images")
    with pytest.raises(UserError, match="has no folder training/images, nor does DRIVE in it"):
        read_manifest(KIND, copy)
