"""The Shenzhen set: what the names of films tell, and lists that divide them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets.shenzhen.make import COUNT, FOLDER, SHARES, make

from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.shenzhen import read
from transfergrid.data.store import open_split
from transfergrid.runtime.errors import UserError

LISTS = {part: f"ShenzenCXR_{part}_data.txt" for part in SHARES}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shenzhen")
    make(root, np.random.default_rng(0))
    return root


def test_number_and_label_are_in_the_name(published: Path) -> None:
    manifest = read_manifest({"kind": "shenzhen"}, published)
    table = manifest.table
    written = table["image_id"].str.extract(r"CHNCXR_(\d{4})_([01])\.png")
    assert table["patient_id"].equals(written[0].rename("patient_id"))
    np.testing.assert_array_equal(table["tuberculosis"], written[1].astype(int))
    assert len(table) == COUNT == table["patient_id"].nunique()
    assert manifest.patients_known and not manifest.studies_known and manifest.drawn
    assert not any(manifest.images.missing(row) for row in range(COUNT))  # type: ignore[attr-defined]
    inside = read_manifest({"kind": "shenzhen"}, published / FOLDER)
    assert inside.table.equals(table)


def test_a_drawn_split_has_the_same_share_of_each_class(published: Path) -> None:
    options = {"kind": "shenzhen", "validation_share": 0.25, "test_share": 0.25}
    table = read_manifest(options, published).table
    ill = table.groupby("split")["tuberculosis"].agg(["size", "sum"])
    assert ill["size"].to_dict() == {"test": 6, "train": 12, "valid": 6}
    assert (ill["sum"] * 2 == ill["size"]).all()
    other = read_manifest({**options, "seed": 1}, published).table
    assert not other["split"].equals(table["split"])
    folds = {"k": 4, "seed": 0, "valid": "next"}
    assert read_manifest({"kind": "shenzhen", "folds": folds}, published).folds is not None


def test_lists_divide_the_films_as_a_benchmark_did(published: Path, tmp_path: Path) -> None:
    declaration = {"kind": "shenzhen", "lists": LISTS, "image_px": 16, "resize": "crop"}
    manifest = read_manifest(declaration, published)
    for part, name in LISTS.items():
        films = {line.split(",")[0] for line in (published / name).read_text().split()}
        found = manifest.table.loc[manifest.table["split"] == part, "image_id"]
        assert set(found) == films and len(films) == SHARES[part]
    assert not manifest.drawn
    build_cache({"id": "tb-0", **declaration}, published, tmp_path / "cache", 1)
    test = open_split(tmp_path / "cache", "test")
    assert test.images.shape == (SHARES["test"], 16, 16)
    assert [name[-5] for name in test.image_id] == [f"{label:.0f}" for label in test.labels[:, 0]]


def test_a_list_that_does_not_fit_is_named(copy: Path) -> None:
    path = copy / LISTS["test"]
    text = path.read_text()
    first = text.split(",")[0]
    other = (copy / LISTS["train"]).read_text().split(",")[0]
    for edited, told in (
        (text.replace(first, "CHNCXR_0999_1.png"), rf"has the film {first}, which is in none of"),
        (f"{text}CHNCXR_0999_1.png,1\n", r"name 1 film\(s\) that .* such as CHNCXR_0999_1\.png"),
        (f"{text}{other},0\n", rf"lists the film {other}, which is in {LISTS['train']} too"),
        (" ,\n\n", r"test_data\.txt names no film"),
    ):
        path.write_text(edited)
        with pytest.raises(UserError, match=told):
            read({"lists": LISTS}, copy)
    # A path before the name, blanks for commas and the end of lines elsewhere are as good.
    path.write_text("\ufeff" + text.replace("CHN", "images/CHN").replace(",", "\t"), newline="\r\n")
    assert (read({"lists": LISTS}, copy).table["split"] == "test").sum() == SHARES["test"]
    path.unlink()
    with pytest.raises(UserError, match=r"test_data\.txt does not exist; put it there, or correct"):
        read({"lists": LISTS}, copy)
    with pytest.raises(
        UserError, match=r"lists\.test is \.\./x\.txt, which is not in the data set"
    ):
        read({"lists": {**LISTS, "test": "../x.txt"}}, copy)


def test_a_film_that_is_not_one_is_named(copy: Path) -> None:
    films = copy / FOLDER / "CXR_png"
    (films / "._CHNCXR_0001_0.png").touch()
    assert len(read({}, copy).table) == COUNT
    for name, told in (
        ("CHNCXR_0001_1.png", r"CHNCXR_0001_0\.png and CHNCXR_0001_1\.png, which are one film"),
        ("CHNCXR_001_0.png", r"CHNCXR_001_0\.png is not named as films of the Shenzhen set are"),
    ):
        (films / name).touch()
        with pytest.raises(UserError, match=told):
            read({}, copy)
        (films / name).unlink()
    shutil.rmtree(films)
    with pytest.raises(UserError, match=r"has no folder CXR_png, nor does ChinaSet_AllFiles in it"):
        read({}, copy)
    films.mkdir()
    with pytest.raises(UserError, match="CXR_png has no film; restore it"):
        read({}, copy)
