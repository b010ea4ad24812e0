"""`init` finds masks beside films, says what their numbers mean, and writes a study of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.made_dicom import dicom
from PIL import Image
from unit.commands.made_films import assert_refused, film, save, study_of, text_of

from transfergrid.commands.main import main
from transfergrid.commands.masks_beside import pairs
from transfergrid.data.kinds import read_manifest
from transfergrid.data.manifest import Manifest

COUNT, SIDE = 40, 64


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def marks(number: int) -> np.ndarray:
    """A mask of 0 and 1, another one for each film; every tenth is empty."""
    found = np.zeros((SIDE, SIDE), np.uint8)
    if number % 10 != 9:
        found[number % 30 : number % 30 + 12, 5 : 20 + number % 20] = 1
    return found


def made(here: Path, name: str = "films") -> tuple[Manifest, dict[str, Any]]:
    """Write a study of a folder, plan it, and read what its data set holds."""
    out = here / f"{name}_study"
    assert main(["init", name]) == 0
    assert main(["plan", str(out / "study.yaml")]) == 0
    found = study_of(out, name)
    text = (out / "study.yaml").read_text()
    for key in found.keys() - {"kind", "root"}:  # each guess has its reason above it
        assert re.search(rf"\n    # \S.*\n    {key}: ", text), key
    return read_manifest(found, Path(found["root"])), found


def number_of(manifest: Manifest, row: int) -> int:
    return int(re.findall(r"\d+", PurePosixPath(manifest.table["image_id"].iloc[row]).name)[0])


def assert_masks(manifest: Manifest, true: Callable[[int], np.ndarray] = marks) -> None:
    """Each row has the film and the mask of its number."""
    assert manifest.masks is not None and len(manifest.table) == COUNT
    for row in range(COUNT):
        number = number_of(manifest, row)
        assert np.array_equal(manifest.images.read(row), film(number, SIDE))
        want = np.atleast_3d(true(number).T).T  # a plane for each structure
        assert np.array_equal(manifest.masks.read(row), want), row


LAYOUTS = {
    "folders": ("images/f{0}.png", "masks/f{0}.png", "structure"),
    "named": ("imgs/f{0}.png", "lung_masks/f{0}.tif", "lung"),
    "endings": ("Images/f{0}.png", "Segmentation/f{0}_segmentation.png", "structure"),
    "one folder": ("f{0}.png", "f{0}_mask.png", "structure"),
    "before": ("f{0}.png", "mask-f{0}.png", "structure"),
    "below": ("images/f{0}.png", "masks/left lung/f{0}.png", "left_lung"),
    "camel": ("cxr_png/f{0}.png", "leftMask/f{0}.png", "left"),
    "patients": ("P{0}/image/f{0}.png", "P{0}/label/f{0}_liver.png", "liver"),
    "far apart": ("Task1_Input/f{0}.png", "Task1_GroundTruth/f{0}_segmentation.png", "structure"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_beside_films(here: Path, layout: str) -> None:
    image, mask, structure = LAYOUTS[layout]
    for number in range(COUNT):
        save(here / "films" / image.format(number), film(number, SIDE))
        save(here / "films" / mask.format(number), marks(number) * 255)
    before = sorted((here / "films").rglob("*"))
    manifest, found = made(here)
    assert sorted((here / "films").rglob("*")) == before
    assert found["kind"] == "mask_table" and found["channels"] == "grey"
    assert manifest.tasks == (structure,) and found["folds"] == {"k": 5}
    assert_masks(manifest)
    card = (here / "films_study" / "data_card.md").read_text()
    whose = f"of {COUNT} patients" if layout == "patients" else "whose patients are not known"
    assert f"{COUNT} images {whose}; segmentation, 1 task." in card
    shown = re.findall(r"(\d+) \(\d", next(line for line in card.splitlines() if structure in line))
    assert sum(map(int, shown)) == sum(marks(n).any() for n in range(COUNT))


def test_parts_of_a_structure_in_several_files_are_one_mask(here: Path) -> None:
    for number in range(COUNT):
        save(here / "films" / f"f{number}.png", film(number, SIDE))
        both = marks(number)
        both[40:50, 40:50] = 1
        save(here / "films" / f"f{number}_mask.png", marks(number) * 255)
        save(here / "films" / f"f{number}_mask_1.png", both * 255)
    manifest, found = made(here)
    assert found["layers"][0]["files"] == ["structure_mask", "structure_mask_2"]
    assert manifest.masks is not None
    assert all(manifest.masks.read(row)[0, 40:50, 40:50].all() for row in range(COUNT))


def test_structures_in_folders_and_as_numbers(here: Path) -> None:
    for number in range(COUNT):
        save(here / "films" / "images" / f"f{number}.png", film(number, SIDE))
        for name, mask in (("heart", marks(number)), ("lung", 1 - marks(number))):
            save(here / "films" / "masks" / name / f"f{number}.png", mask)
        save(here / "coded" / "images" / f"f{number}.png", film(number, SIDE))
        coded = np.where(marks(number), 2, 1).astype(np.uint8)
        coded[:2] = 0
        coded[-2:] = 255
        save(here / "coded" / "labels" / f"f{number}.png", coded)
    manifest, found = made(here)
    assert manifest.tasks == ("heart", "lung") and "exclusive" not in found
    assert_masks(manifest, lambda n: np.stack([marks(n), 1 - marks(n)]))
    manifest, found = made(here, "coded")
    assert found["layers"][0]["values"] == {"structure_1": 1, "structure_2": 2}
    assert found["layers"][0]["unknown_values"] == [255] and found["exclusive"] is True
    assert manifest.masks is not None
    for row in range(COUNT):
        masks, true = manifest.masks.read(row), marks(number_of(manifest, row))
        assert np.array_equal(masks[1, 2:-2], true[2:-2]) and (masks[:, -2:] == 255).all()
        assert np.array_equal(masks[0, 2:-2], 1 - true[2:-2]) and not masks[:, :2].any()


def test_masks_that_were_saved_as_jpeg_are_cut_at_their_middle(here: Path) -> None:
    for number in range(COUNT):
        save(here / "films" / "images" / f"f{number}.png", film(number, SIDE))
        home = here / "films" / "masks"
        home.mkdir(exist_ok=True)
        Image.fromarray(marks(number) * 255).save(home / f"f{number}.jpg", quality=95)
    manifest, found = made(here)
    assert found["layers"][0]["at_least"] == 128
    assert_masks(manifest)


def test_parts_that_folders_tell_are_kept_and_a_lacking_one_is_drawn(here: Path) -> None:
    for number in range(COUNT):
        part = "train" if number < 30 else "test"
        save(here / "films" / part / "images" / f"f{number}.png", film(number, SIDE))
        save(here / "films" / part / "masks" / f"f{number}.png", marks(number))
    manifest, found = made(here)
    assert found["split"]["column"] == "part" and "folds" not in found
    tested = [number_of(manifest, n) for n in np.flatnonzero(manifest.table["split"] == "test")]
    assert sorted(tested) == list(range(30, COUNT))
    assert (manifest.table["split"] == "valid").sum() == round(0.15 * 30)
    for number in range(COUNT):
        home = f"{'train' if number < 30 else 'test'}"
        save(here / "apart" / f"{home}_images" / f"f{number}.png", film(number, SIDE))
        save(here / "apart" / f"{home}_masks" / f"f{number}.png", marks(number))
    manifest, found = made(here, "apart")
    assert "split" in found and manifest.tasks == ("structure",)
    assert_masks(manifest)


def test_films_without_masks_and_masks_without_films_are_counted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(COUNT):
        save(here / "films" / "images" / f"f{number}.png", film(number, SIDE))
        if number >= 3:
            save(here / "films" / "masks" / f"f{number}.png", marks(number))
    save(here / "films" / "masks" / "other.png", marks(0))
    manifest, found = made(here)
    told = capsys.readouterr().out
    assert "3 of 40 films have no mask: what they show is unknown." in told
    assert "1 mask(s) are of no film, such as masks/other.png, and are left out." in told
    assert found["layers"][0]["blank"] == "unknown" and manifest.masks is not None
    for row in range(COUNT):
        unknown = (manifest.masks.read(row) == 255).all()
        assert unknown == (number_of(manifest, row) < 3)


def test_dicom_films_with_dicom_masks(here: Path) -> None:
    for number in range(COUNT):
        for name, pixels in (("images", film(number, SIDE)), ("masks", marks(number))):
            (here / "films" / name).mkdir(parents=True, exist_ok=True)
            data = dicom(pixels, PatientID=f"P{number // 2}")
            (here / "films" / name / f"f{number}.dcm").write_bytes(data)
    manifest, found = made(here)
    assert found["dicom"] is True and found["patient_column"] == "PatientID"
    assert manifest.table["patient_id"].nunique() == COUNT // 2
    assert_masks(manifest)


def table_of(here: Path, form: str = "{0}.png", **columns: Any) -> Path:
    for number in range(COUNT):
        save(here / "films" / "images" / f"{number}.png", film(number, SIDE))
        save(here / "films" / "annotations" / f"{number}.png", marks(number) * 255)
    table = pd.DataFrame({"image": [f"{n}.png" for n in range(COUNT)]})
    table["patient"] = [f"p{n // 2}" for n in range(COUNT)]
    if form:
        table["mask"] = [form.format(n) for n in range(COUNT)]
    table.assign(**columns).to_csv(here / "films" / "table.csv", index=False)
    return here / "films"


@pytest.mark.parametrize("mask", ["{0}.png", "annotations/{0}.png", ""])
def test_a_table_with_films_and_masks_of_the_same_names(here: Path, mask: str) -> None:
    table_of(here, mask)
    manifest, found = made(here)
    assert found["patient_column"] == "patient" and found["folds"] == {"k": 5}
    assert manifest.table["patient_id"].tolist() == [f"p{n // 2}" for n in range(COUNT)]
    assert_masks(manifest)


def test_a_table_with_whole_paths_is_read_where_it_lies(here: Path) -> None:
    table_of(here, "annotations/{0}.png", image=[f"images/{n}.png" for n in range(COUNT)])
    manifest, found = made(here)
    assert found["root"] == str(here / "films") and found["table"] == "table.csv"
    assert not (here / "films_study" / "films.csv").exists()
    assert_masks(manifest)


def test_a_published_split_and_labels_of_a_table_with_masks(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = ["train"] * 24 + ["val"] * 8 + ["test"] * 8
    table_of(here, split=parts, malignant=[n // 4 % 2 for n in range(COUNT)])
    manifest, found = made(here)
    assert "folds" not in found
    assert manifest.table["split"].replace("valid", "val").tolist() == parts
    assert "table.csv also has labels (malignant), which this study" in capsys.readouterr().out


def test_labels_of_a_table_are_not_given_up_for_masks_that_it_does_not_name(here: Path) -> None:
    table_of(here, "", malignant=[n // 4 % 2 for n in range(COUNT)])
    assert main(["init", "films"]) == 0
    found = study_of(here / "films_study", "films")
    assert (found["kind"], found["image_folders"]) == ("csv", ["images"])


def test_classes_that_are_called_after_masks_stay_classes(here: Path) -> None:
    for number in range(COUNT):
        home = ("with_mask", "without_mask")[number % 2]
        save(here / "films" / home / f"f{number}.png", film(number, SIDE))
    assert main(["init", "films"]) == 0
    assert study_of(here / "films_study", "films")["task_kind"] == "multiclass"
    assert pairs([PurePosixPath(f"label/{n}.png") for n in range(9)]) is None


def arrays_of(*parts: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in parts:
        found[f"{part}_images"] = np.stack([film(n, SIDE) for n in range(COUNT)])
        found[f"{part}_masks"] = np.stack([marks(n) for n in range(COUNT)])
        found[f"{part}_patient_id"] = np.array([f"{part}{n // 2}" for n in range(COUNT)])
    return found | more


def arrays_made(here: Path, **arrays: Any) -> tuple[Manifest, dict[str, Any]]:
    np.savez(here / "arrays.npz", **arrays)
    assert main(["init", "arrays.npz"]) == 0
    assert main(["plan", "arrays_study/study.yaml"]) == 0
    found = study_of(here / "arrays_study", "arrays")
    return read_manifest(found, Path(found["root"])), found


def test_an_npz_keeps_its_three_parts(here: Path) -> None:
    names = np.array(["background", "Left Lung"])
    more = {f"{p}_masks_observer2": np.ones((COUNT, SIDE, SIDE), np.uint8) for p in PARTS}
    manifest, found = arrays_made(here, class_names=names, **arrays_of(*PARTS), **more)
    assert found["kind"] == "mask_npz" and found["structures"] == ["left_lung"]
    assert found["observers"] == ["masks_observer2"]
    assert "folds" not in found and set(manifest.table["split"]) == {"train", "valid", "test"}
    assert manifest.masks is not None and np.array_equal(manifest.masks.read(3)[0], marks(3))


PARTS = ("train", "val", "test")


def test_an_npz_without_parts_is_cut_into_folds(here: Path) -> None:
    manifest, found = arrays_made(here, **arrays_of("train"))
    assert found["folds"] == {"k": 5} and found["structures"] == ["structure"]
    assert manifest.table.groupby("patient_id")["split"].nunique().max() == 1
    text = text_of(here / "arrays_study")
    assert "nothing says which of 20 patients are for tests" in text


def test_planes_and_numbers_of_an_npz(here: Path) -> None:
    planes = np.stack([[marks(n), 1 - marks(n)] for n in range(COUNT)])
    names = np.array(["cup", "disc"])
    manifest, found = arrays_made(
        here, classes=names, **{**arrays_of("train"), "train_masks": planes}
    )
    assert found["structures"] == ["cup", "disc"] and "exclusive" not in found
    assert manifest.masks is not None and np.array_equal(manifest.masks.read(1), planes[1])
    (here / "arrays_study").rename(here / "first")
    coded = np.stack([marks(n) + 1 for n in range(COUNT)])
    coded[:, :3] = 0
    _, found = arrays_made(here, classes=names, **{**arrays_of("train"), "train_masks": coded})
    assert found["structures"] == ["cup", "disc"] and found["exclusive"] is True
    assert found["values"] == {"cup": 1, "disc": 2}


def test_structures_that_few_show_are_not_scored(here: Path) -> None:
    for number in range(COUNT):
        save(here / "films" / "images" / f"f{number}.png", film(number, SIDE))
        save(here / "films" / "masks" / "often" / f"f{number}.png", marks(number))
        seldom = marks(number) * np.uint8(number < 3)
        save(here / "films" / "masks" / "seldom" / f"f{number}.png", seldom)
    manifest, found = made(here)
    assert manifest.tasks == ("often", "seldom") and found["score_tasks"] == ["often"]


def test_masks_that_are_none_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grey = np.tile(np.arange(SIDE, dtype=np.uint8) * 4, (SIDE, 1))
    for number in range(COUNT):
        for name, mask in {
            "greys": grey,
            "empty": np.zeros((SIDE, SIDE), np.uint8),
            "small": marks(number)[:32] if number == 7 else marks(number),
            "colours": np.dstack([marks(number) * 255, grey, grey]),
        }.items():
            save(here / name / "images" / f"f{number}.png", film(number, SIDE))
            save(here / name / "masks" / f"f{number}.png", mask)
        save(here / "twice" / "images" / f"f{number}.png", film(number, SIDE))
        save(here / "twice" / "images" / f"f{number}.bmp", film(number, SIDE))
        save(here / "twice" / "masks" / f"f{number}.png", marks(number))
        save(here / "DRIVE" / "training" / "1st_manual" / f"f{number}.png", marks(number))
    np.savez(here / "two.npz", **arrays_of("train", "test"))
    np.savez(here / "bare.npz", train_masks=np.zeros((3, 4, 4)), val_images=np.zeros((3, 4, 4)))
    reals = {**arrays_of("train"), "train_masks": np.zeros((COUNT, SIDE, SIDE))}
    np.savez(here / "reals.npz", **reals)
    table_of(here, mask=[f"{n}.png" for n in range(COUNT - 1)] + ["gone.png"])
    for data, sentence in {
        "greys": r"masks of .*greys have 63 numbers from 4 to 252, which are no structures",
        "empty": r"no mask of .*empty marks a pixel",
        "small": r"masks of 1 of 40 films cannot be used, .*f7.png; the first says: .*32 x 64",
        "colours": r"40 masks cannot be read, and no study was written; .* has colours",
        "twice": r"films images/f\d+.bmp and images/f\d+.png would both have the mask",
        "DRIVE": "looks as if it were published data; write a study with kind: drive",
        "two.npz": r"has train, test images and no val_images, val_masks; add them",
        "bare.npz": "has val images and no train_images, train_masks, test_images",
        "reals.npz": r"masks of reals.npz are float64 .*; they are whole numbers",
        "films": r"1 of the 40 files that .*table.csv names are not in .*gone.png",
    }.items():
        assert_refused(data, sentence, here, capsys)
