"""CBIS-DDSM's published tables: films of several abnormalities, under two paths, in two splits."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.cbis_ddsm.make import Row, abnormalities, make

from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError

KIND = {"kind": "cbis_ddsm", "validation_share": 0.25}
MASSES = "mass_case_description_train_set.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cbis")
    make(root, np.random.default_rng(0))
    return root


def films(rows: list[Row]) -> dict[str, list[Row]]:
    found = defaultdict(list)
    for row in rows:
        found[row.film].append(row)
    return dict(found)


def test_a_film_is_one_image_and_malignant_if_one_abnormality_is(published: Path) -> None:
    manifest = read_manifest({"kind": "cbis_ddsm", "folds": {"k": 3, "valid": "next"}}, published)
    rows = abnormalities()
    labels = manifest.table.set_index("image_id")["malignant"].to_dict()
    assert labels == {
        film: float(any(row.pathology == "MALIGNANT" for row in of))
        for film, of in films(rows).items()
    }
    # One of two masses; a calcification on the film of a benign mass, in another table.
    assert labels["P_00002_LEFT_CC"] == labels["P_00001_LEFT_CC"] == 1
    assert labels["P_00002_LEFT_MLO"] == labels["P_00001_LEFT_MLO"] == 0
    told = f"{len(rows)} abnormalities are on {len(labels)} films"
    assert any(note.startswith(told) for note in manifest.notes)


def test_no_patient_of_the_test_tables_is_trained_on(published: Path) -> None:
    manifest = read_manifest(KIND, published)
    table = manifest.table.set_index("image_id")
    tested = {row.film for row in abnormalities() if row.part == "test"}
    assert set(table.index[table["split"] == "test"]) == tested
    assert "P_00004_LEFT_CC" in tested and "P_00004_LEFT_MLO" not in table.index
    assert table.loc["P_00004_LEFT_CC", "malignant"] == 1
    assert "1 training films of 1 patients with test films are left out." in manifest.notes
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    valid = table.loc[table["split"] == "valid", "patient_id"].nunique()
    assert valid == round(0.25 * 31)


@pytest.mark.parametrize(("wanted", "kind"), [("mass", "Mass"), ("calcification", "Calc")])
def test_one_kind_of_abnormality_needs_its_own_tables_alone(
    copy: Path, wanted: str, kind: str
) -> None:
    for path in copy.glob("*.csv"):
        if not path.name.startswith(kind.lower()):
            path.unlink()
    manifest = read_manifest({**KIND, "abnormalities": wanted}, copy)
    rows = [row for row in abnormalities() if row.kind == kind]
    assert set(manifest.table["image_id"]) == films(rows).keys()
    assert not any("left out" in note for note in manifest.notes)
    other = "calc" if kind == "Mass" else "mass"
    with pytest.raises(UserError, match=f"{other}_case_description_train_set.csv does not exist"):
        read_manifest(KIND, copy)


@pytest.mark.parametrize("form", ["flat", "nested", "renamed"])
def test_films_are_found_where_a_conversion_puts_them(tmp_path: Path, form: str) -> None:
    make(tmp_path, np.random.default_rng(0), form, folder="png/full")
    manifest = read_manifest({**KIND, "image_folder": "png/full"}, tmp_path)
    images: Any = manifest.images
    assert not [images.missing(index) for index in range(len(images)) if images.missing(index)]
    assert images.read(0).dtype == np.uint8
    (tmp_path / "png" / "full" / images.names[0]).unlink()
    again: Any = read_manifest({**KIND, "image_folder": "png/full"}, tmp_path).images
    assert again.names == images.names and "does not exist" in again.missing(0)


def test_films_that_are_not_there_as_png_are_named(copy: Path) -> None:
    with pytest.raises(
        UserError, match=r"has no film as PNG; of the first .* Mass-Training_P_00001"
    ):
        read_manifest({**KIND, "image_folder": None}, copy)
    with pytest.raises(UserError, match="image_folder is png, but .* has no such folder"):
        read_manifest({**KIND, "image_folder": "png"}, copy)
    with pytest.raises(UserError, match=r"image '\.\./png' is not in the data set's root"):
        read_manifest({**KIND, "image_folder": "../png"}, copy)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (",MALIGNANT,", ",UNPROVEN,", r"has 'UNPROVEN' in column 'pathology' of row \d+; allowed"),
        ("pathology", "diagnosis", r"no column 'pathology'"),
        ("Mass-Training_P_00001_LEFT_CC/", "../", r"image '\.\./.*' is not in the data set's root"),
        ("P_00001,3", ",3", r"nothing in column 'patient_id' of row \d+"),
    ],
)
def test_a_fault_of_a_table_is_named(copy: Path, old: str, new: str, told: str) -> None:
    text = (copy / MASSES).read_text()
    assert old in text
    (copy / MASSES).write_text(text.replace(old, new))
    with pytest.raises(UserError, match=told):
        read_manifest(KIND, copy)
