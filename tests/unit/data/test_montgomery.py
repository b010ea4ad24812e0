"""The Montgomery set: films, and masks of both lungs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets.montgomery.make import COUNT, FOLDER, make
from PIL import Image

from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.store import open_split
from transfergrid.runtime.errors import UserError

KIND = {"kind": "montgomery"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("montgomery")
    make(root, np.random.default_rng(0))
    return root


def drawn(root: Path, side: str, name: str) -> np.ndarray:
    with Image.open(root / FOLDER / "ManualMask" / f"{side}Mask" / name) as image:
        return np.asarray(image.convert("L")) > 0


def test_a_lung_is_in_the_mask_of_either_side(published: Path) -> None:
    together = read_manifest(KIND, published)
    apart = read_manifest({**KIND, "lungs": "apart"}, published / FOLDER)
    assert together.tasks == ("lung",) and apart.tasks == ("left_lung", "right_lung")
    assert together.masks is not None and apart.masks is not None
    for row, name in enumerate(together.table["image_id"]):
        left, right = (drawn(published, side, name) for side in ("left", "right"))
        assert left.any() and right.any() and not (left & right).any()
        np.testing.assert_array_equal(together.masks.read(row)[0], left | right)
        np.testing.assert_array_equal(apart.masks.read(row), [left, right])
    assert together.patients_known and together.table["patient_id"].nunique() == COUNT


def test_a_drawn_split_has_the_same_share_of_tuberculosis(published: Path) -> None:
    shares = {"validation_share": 0.2, "test_share": 0.2}
    table = read_manifest({**KIND, **shares}, published).table
    ill = table["image_id"].str.endswith("_1.png").groupby(table["split"]).agg(["size", "sum"])
    assert ill["size"].to_dict() == {"test": 4, "train": 12, "valid": 4}
    assert (ill["sum"] * 2 == ill["size"]).all()


def test_masks_lie_in_the_cache(published: Path, tmp_path: Path) -> None:
    declaration = {"id": "lungs-0", **KIND, "image_px": 16, "resize": "stretch"}
    build_cache(declaration, published, tmp_path / "cache", 1)
    train = open_split(tmp_path / "cache", "train")
    assert train.masks is not None and train.masks.shape[1:] == (1, 16, 16)
    for film, mask in zip(train.images[:], train.masks[:, 0], strict=True):
        assert film[mask == 1].mean() < film[mask == 0].mean() - 50  # lungs are dark


def test_what_is_lost_or_strange_is_named(copy: Path) -> None:
    base = copy / FOLDER
    name = "MCUCXR_0003_0.png"
    declaration = {"id": "lungs-0", **KIND, "image_px": 16, "resize": "stretch"}
    (base / "ManualMask" / "leftMask" / name).unlink()
    with pytest.raises(UserError, match=rf"1 masks are missing .* ManualMask/leftMask/{name}"):
        build_cache(declaration, copy, copy / "cache", 1)
    (base / "CXR_png" / name).unlink()
    with pytest.raises(UserError, match=rf"rightMask/{name} is a mask of no film; add the film"):
        read_manifest(KIND, copy)
    for wrong, told in (
        ("MCUCXR_0001_1.png", r"MCUCXR_0001_0\.png and MCUCXR_0001_1\.png, which are one film"),
        ("CHNCXR_0001_0.png", r"CHNCXR_0001_0\.png is not named as films of the Montgomery set"),
    ):
        (base / "CXR_png" / wrong).touch()
        with pytest.raises(UserError, match=told):
            read_manifest(KIND, copy)
        (base / "CXR_png" / wrong).unlink()
    with pytest.raises(UserError, match="has no folder CXR_png, nor does MontgomerySet in it"):
        read_manifest(KIND, base / "ManualMask")
