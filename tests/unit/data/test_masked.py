"""Data sets with masks, from what a study declares to what training opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from unit.data.discs import discs

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.commands.images import of_mask_archive
from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.store import image_files, open_split, read_card, verify_pixels
from transfergrid.planning.label_tables import of_archive, of_mask_table
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.training.subsets import split_off

SETS = Path(__file__).resolve().parents[3].parent / "shared/data/segmentation"
NPZ = {"kind": "mask_npz", "structures": ["disc"], "image_px": 8, "resize": "stretch"}
FOLDS = {"k": 3, "by": None, "seed": 0, "valid": "next"}
TABLE = {
    "kind": "mask_table",
    "image_px": 8,
    "table": "films.csv",
    "image_column": "film",
    "patient_column": "who",
    "split": {"column": "part", "train": ["train"], "valid": ["valid"], "test": ["test"]},
    "layers": [{"structures": ["lung"], "files": ["left", "right"]}],
}


def lungs(folder: Path) -> Path:
    """Write films in a table, each with a mask of the left and of the right lung."""
    rng = np.random.default_rng(1)
    rows = []
    for number, part in enumerate(["train"] * 4 + ["valid"] * 2 + ["test"] * 2):
        own = {"film": f"{number}.png", "who": f"p{number}", "part": part}
        Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(folder / own["film"])
        for side, columns in (("left", slice(0, 4)), ("right", slice(10, 16))):
            mask = np.zeros((16, 16), np.uint8)
            mask[4:12, columns] = 255
            own[side] = f"{number}-{side}.png"
            Image.fromarray(mask).save(folder / own[side])
        rows.append(own)
    pd.DataFrame(rows).to_csv(folder / "films.csv", index=False)
    return folder


def test_masks_lie_in_the_cache_beside_their_films(tmp_path: Path) -> None:
    root = discs(tmp_path / "discs.npz", {"train": 6, "val": 4, "test": 2}, empty=(1, 4))
    cache = tmp_path / "discs-0"
    made = build_cache(NPZ, root, cache, 2)
    card = read_card(cache)
    assert (card.task_kind, card.tasks, card.masks) == ("segmentation", ("disc",), "overlapping")
    assert made["splits"]["train"]["positives"] == {"disc": 4} and card.patients == "known"
    assert list(image_files(cache)) == ["test.npy", "train.npy", "valid.npy"]
    train = open_split(cache, "train")
    assert train.labels[:, 0].tolist() == [1, 0, 1, 1, 0, 1]
    assert train.study_id.tolist() == train.image_id.tolist()
    assert train.masks is not None and train.masks.shape == (6, 1, 8, 8)
    # Bright where the mask is, film by film.
    for image, mask in zip(train.images[:], train.masks[:], strict=True):
        assert not mask.any() or image[mask[0] == 1].mean() > image[mask[0] == 0].mean() + 50
    held = split_off(train, np.array([0, 0, 1, 0, 1, 0], np.bool_))
    assert held.masks is not None and np.array_equal(held.masks[0:2], train.masks[[2, 4]])
    verify_pixels(cache, train).wait()
    with open(cache / "train.masks.npy", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x02")
    with pytest.raises(UserError, match=r"train.masks.npy"):
        verify_pixels(cache, train).wait()


def test_another_mask_is_another_content(tmp_path: Path) -> None:
    root = discs(tmp_path / "discs.npz", {"train": 4, "val": 2, "test": 2})
    before = build_cache(NPZ, root, tmp_path / "discs-0", 1)["content_sha256"]
    arrays = dict(np.load(root))
    arrays["train_masks"][0, 8, 8] ^= 1
    arrays["train_masks"][0, 9, 8] ^= 1
    arrays["train_masks"][0, 8, 9] ^= 1
    np.savez(root, **arrays)
    assert build_cache(NPZ, root, tmp_path / "discs-1", 1)["content_sha256"] != before


def test_folds_deal_masks_out_with_their_films(tmp_path: Path) -> None:
    root = discs(tmp_path / "discs.npz", {"train": 8, "test": 4})
    cache = tmp_path / "discs-0"
    build_cache(NPZ | {"folds": FOLDS}, root, cache, 1)
    seen = []
    for fold in range(3):
        card = read_card(cache, fold)
        assert card.ranked_tasks == ("disc",)  # every film shows it, which no label could
        for split in ("train", "valid", "test"):
            found = open_split(cache, split, fold)
            assert found.masks is not None and len(found.masks) == len(found.images)
            for image, mask in zip(found.images[:], found.masks[:], strict=True):
                assert image[mask[0] == 1].mean() > image[mask[0] == 0].mean() + 50
        seen += found.image_id.tolist()
    assert len(seen) == len(set(seen)) == 12


def test_a_table_names_films_and_masks(tmp_path: Path) -> None:
    cache = tmp_path / "lungs-0"
    declaration = TABLE | {"split": TABLE["split"], "resize": "stretch"}
    manifest = read_manifest(declaration, lungs(tmp_path))
    assert manifest.unread and manifest.tasks == ("lung",)
    build_cache(declaration, tmp_path, cache, 1)
    masks = open_split(cache, "train").masks
    assert masks is not None and masks.shape == (4, 1, 8, 8)
    expected = np.zeros((8, 8), np.uint8)
    expected[2:6, :2] = expected[2:6, 5:] = 1
    assert (masks[:] == expected).all()


def test_what_is_wrong_with_masks_is_told_before_anything_is_written(tmp_path: Path) -> None:
    folder, cache = lungs(tmp_path), tmp_path / "lungs-0"
    (folder / "3-left.png").unlink()
    with pytest.raises(UserError, match="1 masks are missing and nothing was written: 3-left.png"):
        build_cache(TABLE, folder, cache, 1)
    Image.fromarray(np.zeros((9, 16), np.uint8)).save(folder / "3-left.png")
    with pytest.raises(UserError, match="masks of 1 of 8 films are broken"):
        build_cache(TABLE, folder, cache, 1)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / "3-left.png")
    for number in (6, 7):
        for side in ("left", "right"):
            Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / f"{number}-{side}.png")
    with pytest.raises(UserError, match=r"no mask of test has a pixel of lung \(2 films\)"):
        build_cache(TABLE, folder, cache, 1)
    assert not cache.exists()


def test_planning_counts_films_and_hashes_what_masks_are_written_in(tmp_path: Path) -> None:
    root = discs(tmp_path / "discs.npz", {"train": 6, "test": 2})
    found = of_mask_archive(NPZ, root)
    assert (found.train, found.valid, found.test, found.tasks) == (6, 0, 2, 1)
    before = of_archive("discs", root, NPZ, sha256_file)
    assert {"train_masks.npy", "test_masks.npy"} < before.keys()
    layers: list[dict[str, Any]] = [
        {"structures": ["lung"], "observers": [{"files": ["left"]}, {"coco": {"file": "a.json"}}]},
        {"structures": ["heart"], "runs": {"table": "runs.csv"}},
    ]
    view = {"runs": {"table": "view.csv"}}
    for name in ("films.csv", "a.json", "runs.csv", "view.csv"):
        (tmp_path / name).write_text(name)
    settings = {"table": "films.csv", "layers": layers, "field_of_view": view}
    hashed = of_mask_table("lungs", tmp_path, settings, sha256_file)
    assert set(hashed) == {"films.csv", "a.json", "runs.csv", "view.csv"}
    (tmp_path / "runs.csv").write_text("other")
    again = of_mask_table("lungs", tmp_path, settings, sha256_file)
    assert {name for name in hashed if hashed[name] != again[name]} == {"runs.csv"}
    # Of several that are missing, the one that is named first is told.
    for name, key in (("view.csv", "field_of_view"), ("a.json", "layers"), ("films.csv", "table")):
        (tmp_path / name).unlink()
        told = rf"lacks the label table .*{name}.*; correct datasets\.lungs\.{key},"
        with pytest.raises(UserError, match=told):
            of_mask_table("lungs", tmp_path, settings, sha256_file)


@pytest.mark.skipif(not SETS.is_dir(), reason="needs the masks of shared/data")
def test_real_sets_are_read(tmp_path: Path) -> None:
    brain = NPZ | {"structures": ["tumour"], "image_px": 64, "channels": "grey"}
    card = build_cache(brain, SETS / "brain_tumor_progression_256px.npz", tmp_path / "brain-0", 2)
    shown = [card["splits"][split]["positives"]["tumour"] for split in ("train", "valid", "test")]
    assert shown == [106, 14, 47]  # 167 films with a tumour and 44 without
    masks = open_split(tmp_path / "brain-0", "train").masks
    assert masks is not None and not (masks[:] == UNKNOWN).any()
