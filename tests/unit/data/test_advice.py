"""What the readers of several kinds say of a fault: no sentence advises a key of another kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.drive.make import make as make_drive
from datasets.made_dicom import dicom
from datasets.montgomery.make import make as make_montgomery
from datasets.siim.make import make as make_siim
from datasets.siim.make import name_of
from PIL import Image

from transfergrid.catalog.kinds import DATASET_KINDS
from transfergrid.data.images import ImageFiles
from transfergrid.data.kinds import read_manifest
from transfergrid.planning.schema import study_schema
from transfergrid.runtime.errors import UserError

KINDS = [kind.name for kind in DATASET_KINDS]


def keys(part: Any, seen: set[str]) -> Iterator[str]:
    """Give the keys of a part of the study's schema, and of all that lies in it."""
    if isinstance(part, list):
        for item in part:
            yield from keys(item, seen)
    if not isinstance(part, Mapping):
        return
    name = str(part.get("$ref", "")).removeprefix("#/$defs/")
    if name and name not in seen:
        yield from keys(study_schema()["$defs"][name], seen | {name})
    yield from part.get("properties", {})
    for inner in part.values():
        yield from keys(inner, seen)


OWN = {kind: set(keys(study_schema()["$defs"][kind], {kind})) for kind in KINDS}


def foreign(told: str, kind: str) -> set[str]:
    """Return the keys that a sentence names, as `key:` or in backticks, and that a kind lacks."""
    named = set(re.findall(r"\b([a-z_]+):(?= )|`([a-z_]+)\b|\b([a-z]+_[a-z_]+)\b", told))
    words = {word for found in named for word in found if word}
    return words & set().union(*OWN.values()) - OWN[kind]


def refused(root: Path, film: int = 0, **settings: Any) -> str:
    """Return what is said when a data set or one of its films is read."""
    with pytest.raises(UserError) as error:
        manifest = read_manifest(settings, root)
        assert manifest.masks is not None
        manifest.masks.read(film)
    return str(error.value).replace(str(root), "")


def test_columns_are_of_the_kinds_that_sentences_on_groups_name() -> None:
    named = "kind csv or mask_table"  # in test_grouping
    assert [kind.name for kind in DATASET_KINDS if kind.columns] == named[5:].split(" or ")


def test_keys_of_other_kinds_are_seen() -> None:
    told = "write blank: empty, or other_films: ignore, or correct `values`; image_folder is amiss"
    assert foreign(told, "siim") == {"blank", "other_films", "values"}
    assert foreign(told, "mask_table") == {"image_folder"}


def test_a_blank_cell_of_siims_table_is_told_without_keys_that_it_lacks(tmp_path: Path) -> None:
    make_siim(tmp_path, np.random.default_rng(0))
    path = tmp_path / "train-rle.csv"
    lines = path.read_text().splitlines()
    rows = [line for line in lines if not line.startswith(name_of(0))]
    path.write_text("\n".join([*rows, f"{name_of(0)}, "]) + "\n")
    told = refused(tmp_path, kind="siim")
    assert told.startswith(f"film {name_of(0)} has no pneumothorax: it is without a mask in")
    assert told.endswith("(1 such); write its runs, -1 if it shows none, or remove its row.")
    assert not foreign(told, "siim")


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("montgomery", "ManualMask/leftMask/*.png"),
        ("drive", "1st_manual/*.gif"),
        ("drive", "mask/*.gif"),
    ],
)
def test_a_number_without_a_meaning_is_told_without_keys_that_a_kind_lacks(
    tmp_path: Path, kind: str, place: str
) -> None:
    {"montgomery": make_montgomery, "drive": make_drive}[kind](tmp_path, np.random.default_rng(0))
    paths = sorted(tmp_path.rglob(place))
    assert paths
    for path in paths:
        with Image.open(path) as image:
            Image.new("L", image.size, 7).save(path)
    told = refused(tmp_path, kind=kind)
    assert told.endswith("has the values 7, and a mask there has 0, 1, 255; correct the file.")
    assert not foreign(told, kind)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 1, 8, 8)])
def test_a_number_in_an_archive_is_told_with_the_keys_that_it_has(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = np.zeros((2, 8, 8), np.uint8)
        arrays[f"{split}_masks"] = np.full(shape, 7, np.uint8)
    np.savez(tmp_path / "films.npz", **arrays)
    told = refused(tmp_path / "films.npz", kind="mask_npz", structures=["lung"])
    mend = "correct the file or `values`." if len(shape) == 3 else "correct the file."
    assert "has the values 7" in told and told.endswith(f"; {mend}")
    assert not foreign(told, "mask_npz")


@pytest.mark.parametrize(
    ("kind", "table", "settings"),
    [
        ("siim", "train-rle.csv", {}),
        ("nih14", "Data_Entry_2017.csv", {}),
        ("cbis_ddsm", "mass_case_description_train_set.csv", {}),
        ("mask_table", "films.csv", {"table": "films.csv", "image_column": "film", "layers": []}),
    ],
)
@pytest.mark.parametrize("text", ["film;mask\na.png;b.png\n", "sep=;\nfilm;mask\na.png;b.png\n"])
def test_another_separator_is_told_as_a_kind_can_mend_it(
    tmp_path: Path, kind: str, table: str, settings: dict[str, Any], text: str
) -> None:
    (tmp_path / table).write_text(text)
    (tmp_path / "dicom-images-train").mkdir()
    (tmp_path / "dicom-images-train" / "1.dcm").touch()
    told = refused(tmp_path, kind=kind, **settings)
    assert told.startswith(f"table /{table} ")
    assert not foreign(told, kind)
    key = 'write separator: ";" beside its name in the study'
    assert (key in told) == ("separator" in OWN[kind])
    assert "kind csv" not in told


def test_lists_in_a_column_are_told_without_keys_that_a_kind_lacks(tmp_path: Path) -> None:
    pd.DataFrame({"film": [["a.png"], ["b.png"]]}).to_parquet(tmp_path / "films.parquet")
    settings = {"table": "films.parquet", "image_column": "film", "layers": []}
    told = refused(tmp_path, kind="mask_table", **settings)
    assert "has lists or records in column 'film'; write one value per cell" in told
    assert not foreign(told, "mask_table")


@pytest.mark.parametrize("kind", [*KINDS, "my_module:read"])
def test_a_dicom_file_is_told_with_the_key_where_there_is_one(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.png").write_bytes(dicom(np.arange(64, dtype=np.uint8).reshape(8, 8)))
    films = ImageFiles.declared(tmp_path, ["a.png"], {"kind": kind})
    with pytest.raises(UserError, match="is a DICOM file; ") as error:
        films.read(0)
    part = kind if kind in KINDS else "custom_dataset"
    has_key = "dicom" in study_schema()["$defs"][part]["properties"]
    assert ("write `dicom: true`" in str(error.value)) == has_key
    assert str(error.value).endswith("convert it to an 8- or 16-bit grey or RGB PNG.")
