"""BUSI's published layout, and what an image without a lesion is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets.busi.make import FOLDER, make

from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError

KIND = {"kind": "busi", "validation_share": 0.2, "test_share": 0.25}


@pytest.fixture()
def root(tmp_path: Path) -> Path:
    make(tmp_path, np.random.default_rng(0))
    return tmp_path


@pytest.mark.parametrize("below", ["", FOLDER])
def test_normal_images_count_as_benign_and_masks_are_no_images(root: Path, below: str) -> None:
    manifest = read_manifest(KIND, root / below)
    table = manifest.table
    assert manifest.tasks == ("malignant",) and manifest.task_kind == "multilabel"
    assert len(table) == 20 + 12 + 8 and table["malignant"].sum() == 12
    assert table["image_id"][:2].tolist() == ["benign/benign (1).png", "benign/benign (2).png"]
    assert (table["malignant"] == table["image_id"].str.startswith("malignant")).all()
    assert "Images without a lesion (normal) count as benign." in manifest.notes
    assert any(note.startswith("Patients are unknown: each image") for note in manifest.notes)
    assert all(not manifest.images.missing(i) for i in range(len(table)))  # type: ignore[attr-defined]


def test_normal_images_may_be_a_class_or_left_out(root: Path) -> None:
    manifest = read_manifest({**KIND, "normals": "class"}, root)
    assert manifest.task_kind == "multiclass"
    assert manifest.table[list(manifest.tasks)].sum().tolist() == [20, 12, 8]
    left = read_manifest({**KIND, "normals": "leave_out"}, root)
    assert len(left.table) == 32 and not left.table["image_id"].str.startswith("normal").any()
    with pytest.raises(UserError, match="normals is 'malignant'; allowed are benign, leave_out"):
        read_manifest({**KIND, "normals": "malignant"}, root)


def test_every_part_has_its_share_of_each_class(root: Path) -> None:
    table = read_manifest(KIND, root).table
    classes = table["image_id"].str.split("/").str[0]
    counts = table.groupby([classes, "split"]).size().unstack()
    assert counts.sum().to_dict() == {"test": 10, "train": 22, "valid": 8}
    for name, images in (("benign", 20), ("malignant", 12), ("normal", 8)):
        assert abs(counts.loc[name, "test"] - 0.25 * images) <= 1
        assert abs(counts.loc[name, "valid"] - 0.2 * images) <= 1
    assert read_manifest(KIND, root).table["split"].equals(table["split"])
    assert not read_manifest({**KIND, "seed": 1}, root).table["split"].equals(table["split"])


def test_folds_are_dealt_out_by_class(root: Path) -> None:
    folds = {"k": 4, "seed": 0, "valid": "next"}
    manifest = read_manifest({"kind": "busi", "folds": folds}, root)
    counts = manifest.table.groupby("split")["malignant"].sum()
    assert counts.tolist() == [3, 3, 3, 3]


def test_a_file_that_is_neither_image_nor_mask_is_named(root: Path) -> None:
    benign = root / FOLDER / "benign"
    for name in ("malignant (1).png", "benign 1.png", "benign (1) mask.png"):
        (benign / name).touch()
        with pytest.raises(UserError, match=r"benign holds .*, but an image there is named"):
            read_manifest(KIND, root)
        (benign / name).unlink()
    for name in (".DS_Store", "._benign (1).png", "Thumbs.db"):
        (benign / name).touch()
    read_manifest(KIND, root)


def test_what_is_missing_is_named(root: Path) -> None:
    (root / FOLDER / "benign" / "benign (7).png").unlink()
    with pytest.raises(UserError, match=r"a mask, but no image 'benign \(7\)\.png'; restore it"):
        read_manifest(KIND, root)
    with pytest.raises(UserError, match=r"has no folder benign; point root at Dataset_BUSI"):
        read_manifest(KIND, root / FOLDER / "normal")


def test_the_published_numbers_of_images_give_the_published_classes(tmp_path: Path) -> None:
    for name, count in (("benign", 437), ("malignant", 210), ("normal", 133)):
        (tmp_path / name).mkdir()
        for number in range(1, count + 1):
            (tmp_path / name / f"{name} ({number}).png").touch()
    table = read_manifest({"kind": "busi"}, tmp_path).table
    # Juodelyte et al., arXiv 2302.08272: 210 malignant, 570 benign.
    assert (len(table), int(table["malignant"].sum())) == (780, 210)
    assert len(read_manifest({"kind": "busi", "normals": "leave_out"}, tmp_path).table) == 647
