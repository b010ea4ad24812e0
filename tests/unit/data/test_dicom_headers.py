"""Tables of DICOM files in each kind that takes image files, and columns from their headers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.made_dicom import dicom

from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.planning import fingerprint
from transfergrid.planning.inputs import check_dataset, resolve_dataset
from transfergrid.runtime.errors import UserError

CSV = {
    "kind": "csv",
    "table": "films.csv",
    "image_column": "file",
    "label_columns": ["finding"],
    "split": {"random": {"valid": 0.25, "test": 0.25}, "seed": 0},
    "image_px": 16,
    "dicom": True,
}


@pytest.fixture()
def films(tmp_path: Path) -> Path:
    """Twenty-four films of twelve patients; the table does not say whose they are."""
    folder = tmp_path / "films"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(24):
        pixels = rng.integers(0, 4096, (20, 20), dtype=np.uint16)
        header = {"PatientID": f"p{number // 2}", "StudyInstanceUID": f"1.2.{number}"}
        header["ViewPosition"] = ("PA", "LL")[number % 2]
        (folder / f"{number:02d}").write_bytes(dicom(pixels, BitsStored=12, **header))
    table = pd.DataFrame(
        {"file": [f"films/{n:02d}" for n in range(24)], "finding": [0, 0, 1, 1] * 6}
    )
    table.to_csv(tmp_path / "films.csv", index=False)
    return tmp_path


def test_columns_that_the_table_lacks_come_from_headers(films: Path) -> None:
    named = {"patient_column": "PatientID", "view_column": "ViewPosition"}
    manifest = read_manifest({**CSV, **named}, films)
    table = manifest.table
    assert table["patient_id"].tolist() == [f"p{n // 2}" for n in range(24)]
    assert table["view"].tolist() == ["PA", "LL"] * 12
    assert manifest.patients_known and not manifest.studies_known
    assert table.groupby("patient_id")["split"].nunique().max() == 1


def test_nothing_of_a_header_is_kept_unless_it_is_named(films: Path) -> None:
    build_cache(CSV, films, films / "cache" / "films-00000000", 1)
    kept = b"".join(path.read_bytes() for path in (films / "cache").rglob("*") if path.is_file())
    index = pd.read_parquet(films / "cache" / "films-00000000" / "index.parquet")
    assert index["patient_id"].tolist() == index["image_id"].tolist()
    assert b"PatientID" not in kept and b"1.2.17" not in kept


def test_a_column_of_the_table_comes_before_the_header(films: Path) -> None:
    table = pd.read_csv(films / "films.csv").assign(PatientID=range(100, 124))
    table.to_csv(films / "films.csv", index=False)
    manifest = read_manifest({**CSV, "patient_column": "PatientID"}, films)
    assert manifest.table["patient_id"].tolist() == [str(n) for n in range(100, 124)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patient_column": "PatientId"}, "has no column 'PatientId'"),
        ({"patient_column": "AccessionNumber"}, "has no column 'AccessionNumber'"),
        (
            {"view_column": "Laterality", "patient_column": "Laterality"},
            r"image .*films/00 says nothing under Laterality, which was",
        ),
        ({"patient_column": "PatientID", "dicom": False}, "has no column 'PatientID'"),
    ],
)
def test_a_column_that_is_nowhere_is_named(films: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_manifest({**CSV, **change}, films)


def test_a_file_without_a_header_is_named(films: Path) -> None:
    (films / "films" / "07").write_bytes(b"no header")
    with pytest.raises(UserError, match=r"image .*films/07 has no DICOM header .* that column"):
        read_manifest({**CSV, "patient_column": "PatientID"}, films)
    (films / "films" / "07").unlink()
    with pytest.raises(UserError, match=r"image .*films/07 does not exist"):
        read_manifest({**CSV, "patient_column": "PatientID"}, films)


def test_pairs_of_films_and_masks_may_both_be_dicom(films: Path) -> None:
    masks = films / "masks"
    masks.mkdir()
    for number in range(24):
        mask = np.zeros((20, 20), np.uint8)
        mask[:, : 1 + number % 20] = 1
        (masks / f"{number:02d}.dcm").write_bytes(dicom(mask))
    table = pd.read_csv(films / "films.csv")
    table["mask"] = [f"masks/{n:02d}.dcm" for n in range(24)]
    table.to_csv(films / "films.csv", index=False)
    layer = {"structures": ["lung"], "files": ["mask"], "values": None, "unknown_values": []}
    options = {key: CSV[key] for key in ("table", "image_column", "split", "image_px", "dicom")}
    options |= {"kind": "mask_table", "layers": [layer], "patient_column": "PatientID"}
    manifest = read_manifest(options, films)
    masks_of: Any = manifest.masks
    assert masks_of.read(3)[0].sum() == 4 * 20
    assert manifest.patients_known
    refused = read_manifest({**options, "dicom": False, "patient_column": None}, films)
    with pytest.raises(UserError, match="is a DICOM file"):
        refused.images.read(0)


def test_the_code_that_reads_dicom_is_part_of_its_data_sets_alone(
    films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**CSV, "root": str(films), "kind": "csv"}
    without = resolve_dataset("films", {**settings, "dicom": False})
    plain = {key: value for key, value in settings.items() if key != "dicom"}
    assert resolve_dataset("films", plain).id == without.id
    assert "dicom" not in without.declaration
    closure = fingerprint.closure(fingerprint._prepare_roots("csv"))
    assert not [name for name in closure if "dicom" in name]
    before = resolve_dataset("films", settings)
    assert before.id != without.id
    monkeypatch.setattr("transfergrid.planning.inputs.dicom_fingerprint", lambda: "0" * 16)
    assert resolve_dataset("films", settings).id != before.id
    assert resolve_dataset("films", plain).id == without.id
    check_dataset(without.location)
    with pytest.raises(UserError, match="the reader of data set 'films' were edited"):
        check_dataset(before.location)
