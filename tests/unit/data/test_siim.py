"""SIIM-ACR's films: a table of run lengths, and films in folders of studies and series."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets.made_dicom import dicom
from datasets.siim.make import COUNT, FOLDER, PX, WITH, make, mask_of, name_of
from PIL import Image

from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.store import open_split
from transfergrid.runtime.errors import UserError

KIND = {"kind": "siim"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("siim")
    make(root, np.random.default_rng(0))
    return root


def test_masks_are_those_of_the_table(published: Path) -> None:
    manifest = read_manifest(KIND, published)
    assert manifest.masks is not None and manifest.tasks == ("pneumothorax",)
    assert manifest.table["image_id"].tolist() == [name_of(number) for number in range(COUNT)]
    for number in range(COUNT):
        (mask,) = manifest.masks.read(number)
        np.testing.assert_array_equal(mask, mask_of(number))
    assert not manifest.patients_known
    told = " ".join(manifest.notes)
    assert "1 films of the folder have no row" in told and "are films of ChestX-ray14" in told


def test_a_drawn_split_has_the_same_share_with_a_pneumothorax(published: Path) -> None:
    shares = {"validation_share": 0.2, "test_share": 0.4}
    table = read_manifest({**KIND, **shares}, published).table
    shown = table["image_id"].isin([name_of(number) for number in range(WITH)])
    found = shown.groupby(table["split"]).agg(["size", "sum"])
    assert found["size"].to_dict() == {"test": 12, "train": 12, "valid": 6}
    assert found["sum"].to_dict() == {"test": 4, "train": 4, "valid": 2}


def test_films_are_read_as_they_were_released(copy: Path) -> None:
    png = next((copy / FOLDER).rglob(f"{name_of(2)}.png"))
    with Image.open(png) as image:
        pixels = np.asarray(image)
    png.with_suffix(".dcm").write_bytes(dicom(pixels))
    png.unlink()
    manifest = read_manifest({**KIND, "dicom": True}, copy)
    assert manifest.table["image_id"].iloc[2] == name_of(2) and manifest.masks is not None
    np.testing.assert_array_equal(manifest.images.read(2), pixels)
    np.testing.assert_array_equal(manifest.masks.read(2)[0], mask_of(2))
    with pytest.raises(UserError, match="is a DICOM file; write `dicom: true`"):
        read_manifest({**KIND, "dicom": False}, copy).images.read(2)


def test_lists_divide_the_films(published: Path, copy: Path) -> None:
    order = [name_of(number) for number in range(COUNT)]
    parts = {"train": order[::3], "valid": order[1::3], "test": order[2::3]}
    lists = {part: f"{part}.txt" for part in parts}
    for part, names in parts.items():
        (copy / lists[part]).write_text("\n".join(names))
    table = read_manifest({**KIND, "lists": lists}, copy).table
    for part, names in parts.items():
        assert set(table.loc[table["split"] == part, "image_id"]) == set(names)
    (copy / "test.txt").write_text("\n".join(parts["test"][1:]))
    with pytest.raises(UserError, match="which is in none of the lists"):
        read_manifest({**KIND, "lists": lists}, copy)


def test_films_may_lie_in_one_folder_and_the_table_be_that_of_the_second_stage(copy: Path) -> None:
    before = read_manifest(KIND, copy)
    (copy / "films").mkdir()
    for path in (copy / FOLDER).rglob("*.png"):
        shutil.move(path, copy / "films" / path.name)
    text = (copy / "train-rle.csv").read_text()
    (copy / "stage_2_train.csv").write_text(text.replace(", ", ","))
    declaration = {**KIND, "image_folder": "films"}
    with pytest.raises(UserError, match=r"train-rle\.csv, stage_2_train\.csv; choose one as table"):
        read_manifest(declaration, copy)
    for named in ({"table": "stage_2_train.csv"}, {}):
        after = read_manifest({**declaration, **named}, copy)
        assert after.table.equals(before.table)
        (copy / "train-rle.csv").unlink(missing_ok=True)
    declaration |= {"id": "air-0", "image_px": PX // 2, "resize": "stretch"}
    build_cache(declaration, copy, copy / "cache", 1)
    train = open_split(copy / "cache", "train")
    assert train.masks is not None and train.masks.any()
    for film, mask in zip(train.images[:], train.masks[:, 0], strict=True):
        assert not mask.any() or film[mask == 1].mean() > film[mask == 0].mean() + 50


def test_what_is_lost_or_does_not_fit_is_named(copy: Path) -> None:
    path, name = copy / "train-rle.csv", name_of(3)
    text = path.read_text()
    (film,) = (copy / FOLDER).rglob(f"{name}.png")
    (copy / FOLDER / film.name).write_bytes(film.read_bytes())
    with pytest.raises(UserError, match=f"are both film {name}; keep one of them"):
        read_manifest(KIND, copy)
    (copy / FOLDER / film.name).unlink()
    film.rename(copy / film.name)
    with pytest.raises(UserError, match=rf"has 1 film\(s\) that are not in the folder, .* {name};"):
        read_manifest(KIND, copy)
    (copy / film.name).rename(film)
    path.write_text(text + f"{name}, -1\n")
    with pytest.raises(UserError, match="says that the film has no mask, and row .* is of the"):
        read_manifest(KIND, copy)
    path.write_text(text + f"{name_of(COUNT)}, {PX * PX - 2} 3\n")
    manifest = read_manifest(KIND, copy)
    with pytest.raises(UserError, match=rf"its runs end at pixel {PX * PX + 1}, and the film has"):
        manifest.masks.read(COUNT)  # type: ignore[union-attr]
    path.unlink()
    with pytest.raises(UserError, match=r"has no table train-rle\.csv, stage_2_train\.csv"):
        read_manifest(KIND, copy)
    with pytest.raises(UserError, match=r"has no folder png; put SIIM-ACR's films there"):
        path.write_text(text)
        read_manifest({**KIND, "image_folder": "png"}, copy)
