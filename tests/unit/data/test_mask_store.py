"""Masks in a cache's files, and in an .npz, with the real sets where these are present."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.data.mask_coverage import resize_masks
from transfergrid.data.mask_layers import ArrayLayer
from transfergrid.data.mask_maps import open_masks
from transfergrid.data.mask_npz import ArrayImages, read_npz
from transfergrid.data.mask_set import MaskSet, check_shown
from transfergrid.data.mask_store import deal, write_undealt
from transfergrid.data.mask_table import observed
from transfergrid.data.mask_values import Coding
from transfergrid.metrics.overlap import count_overlap
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file

SETS = Path(__file__).resolve().parents[3].parent / "shared/data/segmentation"
REAL = pytest.mark.skipif(not SETS.is_dir(), reason="needs the masks of shared/data")


def made(count: int = 11, side: int = 40) -> tuple[MaskSet, np.ndarray]:
    rng = np.random.default_rng(0)
    array = rng.choice(np.uint8([0, 1, UNKNOWN]), (count, 2, side, side + 3), p=[0.6, 0.3, 0.1])
    array[0, 0], array[1, 1] = 0, UNKNOWN
    names = [f"film{number}" for number in range(count)]
    coding = Coding(("plane",), unknown=frozenset({UNKNOWN}))
    layer = ArrayLayer(array, coding, names, ("lung", "heart"))
    films = ArrayImages(np.zeros((count, side, side + 3), np.uint8), names)
    return MaskSet(films, (layer,)), array


def parts(**rows: list[int]) -> tuple[list[str], list[np.ndarray]]:
    return [f"{name}.npy" for name in rows], [np.array(row) for row in rows.values()]


def test_masks_lie_beside_the_films_of_their_part(tmp_path: Path) -> None:
    masks, array = made()
    shown = write_undealt(masks, 8, "crop", tmp_path, 2, "made")
    want = np.ones((11, 2))
    want[0, 0], want[1, 1] = 0, np.nan
    assert np.array_equal(shown, want, equal_nan=True)
    rows = {"train": np.array([3, 0, 7]), "test": np.array([1, 2, 10, 4])}
    files = deal(tmp_path, rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.masks.npy", "train.masks.npy"]
    assert files == {name: sha256_file(tmp_path / name) for name in files}
    for name, places in rows.items():
        stored = np.load(tmp_path / f"{name}.masks.npy")
        assert np.array_equal(stored, [resize_masks(array[row], 8, "crop") for row in places])
    opened = open_masks(tmp_path, *parts(test=[3, 0], train=[2]), (2, 8, 8))
    assert np.array_equal(opened[:], [resize_masks(array[row], 8, "crop") for row in (4, 1, 7)])
    whole = open_masks(tmp_path, *parts(train=[0, 1, 2]), (2, 8, 8))
    assert isinstance(whole, np.memmap)


def test_files_that_do_not_fit_their_films_are_refused(tmp_path: Path) -> None:
    masks, _ = made()
    write_undealt(masks, 8, "crop", tmp_path, 1, "made")
    deal(tmp_path, {"train": np.arange(3)})
    for row, shape in ((0, (2, 9, 9)), (0, (1, 8, 8)), (3, (2, 8, 8))):
        with pytest.raises(ValueError, match=r"train.masks.npy is uint8 \(3, 2, 8, 8\) and"):
            open_masks(tmp_path, *parts(train=[row]), shape)
    with pytest.raises(ValueError, match="valid.masks.npy cannot be read"):
        open_masks(tmp_path, *parts(valid=[0]), (2, 8, 8))


def test_all_broken_masks_are_named_together(tmp_path: Path) -> None:
    masks, array = made()
    array[4, 0, 0, 0], array[6, 1, 2, 2] = 9, 7
    with pytest.raises(UserError) as refused:
        write_undealt(masks, 8, "crop", tmp_path, 2, "made")
    told = str(refused.value)
    assert "masks of 2 of 11 films are broken and nothing was written: film4, film6;" in told
    assert "the first says: mask film4 has the values 9" in told


def test_a_structure_must_be_somewhere_in_every_split() -> None:
    split = ["train", "train", "test", "test"]
    shown = np.float32([[1, 0], [1, 1], [1, np.nan], [1, 1]])
    check_shown(shown, split, ["lung", "lesion"])  # that all films show a lung is no fault
    shown[3, 1] = 0
    with pytest.raises(UserError, match=r"no mask of test has a pixel of lesion \(2 films\)"):
        check_shown(shown, split, ["lung", "lesion"])


def npz(path: Path, **changes: Any) -> Path:
    _, array = made(4, 6)
    arrays = {
        "train_images": np.zeros((3, 6, 9), np.uint8),
        "train_masks": array[:3, 0] == 1,
        "train_image_id": np.array(["a", "b", "c"]),
        "train_study_id": np.array([1, 1, 2]),
        "train_patient_id": np.array(["x", "x", "y"]),
        "test_images": np.zeros((1, 6, 9), np.uint8),
        "test_masks": array[3:, 0] == 1,
        "test_image_id": np.array(["d"]),
        "test_study_id": np.array([1]),
        "test_patient_id": np.array(["z"]),
    }
    arrays |= changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def test_an_npz_tells_patients_and_studies(tmp_path: Path) -> None:
    _, array = made(4, 6)
    ids, masks = read_npz(npz(tmp_path / "a.npz"), {"structures": "Lesion"})
    assert masks.structures == ("lesion",)
    assert ids["image_id"].tolist() == ["a", "b", "c", "d"]
    assert ids["study_id"].tolist() == ["x/1", "x/1", "y/2", "z/1"]
    assert ids["patient_id"].tolist() == ["x", "x", "y", "z"]
    assert ids["split"].tolist() == ["train"] * 3 + ["test"]
    assert np.array_equal([masks.read(n)[0] for n in range(4)], array[:, 0] == 1)
    nobody = {
        f"{split}_{what}_id": None
        for split in ("train", "test")
        for what in ("image", "study", "patient")
    }
    ids, _ = read_npz(npz(tmp_path / "b.npz", **nobody), {})
    assert ids["patient_id"].tolist() == [f"train/00000{n}" for n in range(3)] + ["test/000000"]
    planes = {"train_masks": array[:3], "test_masks": array[3:]}
    options = {"structures": ["a", "b"], "unknown_values": 255}
    _, masks = read_npz(npz(tmp_path / "c.npz", **planes), options)
    assert np.array_equal([masks.read(n) for n in range(4)], array)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"test_masks": None}, "has no array 'test_masks'; it has"),
        ({"test_patient_id": None}, "has no array 'test_patient_id'"),
        ({"test_masks": np.zeros((2, 6, 9), bool)}, "they are whole numbers of (4, 6, 9)"),
        ({"test_masks": np.zeros((1, 9, 6), bool)}, "give every split images of one form"),
        ({"test_image_id": np.array(["a", "b"])}, "it is one id for each of 1 films"),
        ({"train_images": None, "test_images": None}, "has none of train_images, val_images"),
        ({"train_image_id": np.array(["a", None, "b"], object)}, "save it as plain values"),
        ({"train_images": np.zeros((3, 6, 9)), "test_images": np.zeros((1, 6, 9))}, "are float64"),
    ],
)
def test_an_npz_that_is_not_whole_is_refused(tmp_path: Path, changes: dict, match: str) -> None:
    path = npz(tmp_path / "a.npz", **changes)
    with pytest.raises(UserError) as refused:
        read_npz(path, {"structures": "lesion"})
    assert match in str(refused.value)


@REAL
def test_the_second_observer_of_chase_db1_is_as_near_to_the_first_as_published(
    tmp_path: Path,
) -> None:
    options = {"structures": "vessel", "masks": ["masks", "masks_observer2"]}
    ids, masks = read_npz(SETS / "chase_db1_256px.npz", options)
    assert ids["patient_id"].nunique() == 14
    px = 256
    first, second = (
        np.stack([own.resized(own.read(n), n, px, "crop") for n in range(len(own))])
        for own in (observed(masks, 0), observed(masks, 1))
    )
    counts = count_overlap(second == 1, first)
    dice = 2 * counts.true_positive / (counts.predicted + counts.true)
    assert dice.mean() == pytest.approx(0.786, abs=0.0005)


@REAL
def test_empty_masks_of_brain_tumours_are_counted_and_kept(tmp_path: Path) -> None:
    path = SETS / "brain_tumor_progression_256px.npz"
    ids, masks = read_npz(path, {"structures": "tumour"})
    shown = write_undealt(masks, 128, "crop", tmp_path, 2, "brain")
    assert (len(ids), ids["patient_id"].nunique()) == (211, 11)
    assert (shown == 0).sum() == 44
    check_shown(shown, ids["split"].to_numpy(), masks.structures)
    files = deal(tmp_path, {"train": np.flatnonzero(ids["split"] == "train")})
    stored = np.load(tmp_path / next(iter(files)))
    assert stored.shape == (134, 1, 128, 128)
    with np.load(path) as arrays:  # 2 x 2 pixels make one, and two of them are half
        blocks = arrays["train_masks"].reshape(134, 128, 2, 128, 2).sum(axis=(2, 4))
    assert np.array_equal(stored[:, 0], blocks >= 2)
