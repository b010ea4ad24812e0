"""Tables whose rows are slices of NIfTI volumes: kinds csv and mask_table, to their caches."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from datasets.made_nifti import affine, save, stored_as

from transfergrid.commands.images import of_reader
from transfergrid.data import nifti_films, nifti_masks
from transfergrid.data.cache import build_cache
from transfergrid.data.columns import read_grouped
from transfergrid.data.images import resize
from transfergrid.data.kinds import read_manifest
from transfergrid.data.mask_files import film_size
from transfergrid.data.mask_films import FilmMasks
from transfergrid.data.nifti import AXES, header_of
from transfergrid.planning import fingerprint
from transfergrid.planning.inputs import check_dataset, resolve_dataset
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.unchanged import hold_prepare
from transfergrid.runtime.errors import UserError

SHAPE, COUNT = (14, 12, 12), 12
PX = 10
COMMON: dict[str, Any] = {
    "table": "slices.csv",
    "image_column": "volume",
    "patient_column": "patient",
    "split": {"column": "part", "train": ["train"], "valid": ["valid"], "test": ["test"]},
    "nifti": {"slice": "slice", "axis": "axial", "range": [0, 1000]},
    "image_px": PX,
    "resize": "stretch",
}
CSV = {**COMMON, "kind": "csv", "label_columns": ["finding"]}
MASKS = {
    **COMMON,
    "kind": "mask_table",
    "layers": [{"structures": ["lesion"], "files": ["mask"]}],
    "channels": "grey",
}


def values_of(patient: int) -> Any:
    rng = np.random.default_rng(patient)
    return rng.integers(0, 1000, SHAPE).astype(np.int16)


def mask_of(patient: int) -> Any:
    return (values_of(patient) > 700).astype(np.uint8)


@pytest.fixture()
def place(tmp_path: Path) -> Path:
    """Six volumes of six patients with masks, every slice a row of a table."""
    rows = []
    for patient in range(6):
        towards = affine(("RAS", "LPS")[patient % 2], 8)
        part = ("train", "valid", "test")[patient // 2]
        save(tmp_path / f"volumes/{patient}.nii.gz", values_of(patient), towards)
        save(tmp_path / f"masks/{patient}.nii.gz", mask_of(patient), towards)
        for number in range(COUNT):
            named = [f"volumes/{patient}.nii.gz", number, f"masks/{patient}.nii.gz"]
            rows.append([*named, f"p{patient}", part, number % 2, "FM"[patient % 2]])
    names = ["volume", "slice", "mask", "patient", "part", "finding", "sex"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "slices.csv", index=False)
    return tmp_path


def change(place: Path, row: int, column: str, value: str | None) -> None:
    """Write another cell; rows are counted from 1."""
    table = pd.read_csv(place / "slices.csv", dtype=str)
    table.loc[row - 1, column] = value
    table.to_csv(place / "slices.csv", index=False)


def canonical(path: Path, number: int) -> Any:
    """The axial slice of a volume in nibabel's words: right on the left, front on top."""
    whole = nib.as_closest_canonical(nib.load(path)).get_fdata()
    return whole[::-1, ::-1, number].T


def refused(place: Path, declaration: dict[str, Any]) -> str:
    with pytest.raises(UserError) as error:
        build_cache(declaration, place, place / "cache" / "films-00000000", 2)
    assert not (place / "cache" / "films-00000000").exists()
    sentence = str(error.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def test_a_table_of_slices_becomes_the_cache_of_its_pictures(place: Path) -> None:
    cache = place / "cache" / "films-00000000"
    card = build_cache({**CSV, "id": "films-00000000"}, place, cache, 2)
    for part, patients in (("train", (0, 1)), ("valid", (2, 3)), ("test", (4, 5))):
        stored = np.load(cache / f"{part}.npy")
        index = pd.read_parquet(cache / "index.parquet")
        rows = index[index["split"] == part]
        assert len(stored) == len(rows) == 2 * COUNT
        for place_in, (patient, number) in enumerate(
            (patient, number) for patient in patients for number in range(COUNT)
        ):
            assert rows["image_id"].iloc[place_in] == f"volumes/{patient}.nii.gz/{number}"
            assert rows["patient_id"].iloc[place_in] == f"p{patient}"
            share = canonical(place / f"volumes/{patient}.nii.gz", number) / 1000
            film = np.floor(share * 255 + 0.5).astype(np.uint8)
            assert (stored[place_in] == resize(film, PX, "stretch", "grey")).all()
    assert any(
        "axial slices of NIfTI volumes, drawn with the patient's right" in n for n in card["notes"]
    )
    assert "the values 0 and 1000" in " ".join(card["notes"])


def test_masks_are_the_same_slices_as_they_are_stored(place: Path) -> None:
    cache = place / "cache" / "films-00000000"
    build_cache({**MASKS, "id": "films-00000000"}, place, cache, 2)
    manifest = read_manifest(MASKS, place)
    assert manifest.masks is not None and of_reader(MASKS, place).total == 6 * COUNT
    for row in (0, 5, COUNT + 3, 5 * COUNT + 11):
        patient, number = divmod(row, COUNT)
        expected = canonical(place / f"masks/{patient}.nii.gz", number)
        assert (manifest.masks.read(row) == expected[None]).all()
        assert film_size(manifest.images, row) == expected.shape == (12, 14)
        film = canonical(place / f"volumes/{patient}.nii.gz", number)
        assert ((film > 700) == expected).all()
    films = FilmMasks.of(MASKS, place)
    own, frame = films.read("volumes/4.nii.gz/3", np.load(cache / "test.masks.npy")[3])
    assert own.shape == (1, 12, 14) and (frame.rows.length, frame.columns.length) == (12, 14)


def test_a_mask_may_be_stored_along_other_axes_than_its_volume(place: Path) -> None:
    before = read_manifest(MASKS, place).masks
    assert before is not None
    expected = [before.read(row) for row in range(COUNT)]
    mask = place / "masks/0.nii.gz"
    stored_as(mask, "PIR", place / "turned.nii.gz")
    shutil.move(place / "turned.nii.gz", mask)
    after = read_manifest(MASKS, place).masks
    assert after is not None
    assert all((after.read(row) == expected[row]).all() for row in range(COUNT))


def test_whole_numbers_in_any_form_are_labels(place: Path) -> None:
    expected = mask_of(0).astype(bool)
    for dtype, order in ((np.float32, "<"), (np.float64, ">"), (np.int16, ">"), (np.uint64, "<")):
        towards = affine("RAS", 8)
        save(place / "masks/0.nii.gz", mask_of(0).astype(dtype), towards, order=order)
        masks = read_manifest(MASKS, place).masks
        assert masks is not None
        assert (masks.read(4)[0] == expected[::-1, ::-1, 4].T).all()


@pytest.mark.parametrize("declaration", [CSV, MASKS], ids=["csv", "mask_table"])
def test_a_volume_is_not_unpacked_for_each_of_its_slices(
    place: Path, declaration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[str] = Counter()

    def counted(path: str, what: str = "volume") -> Any:
        read[path] += 1
        return true(path, what)

    true = nifti_films.read_volume
    monkeypatch.setattr(nifti_films, "read_volume", counted)
    monkeypatch.setattr(nifti_masks, "read_volume", counted)
    build_cache(declaration, place, place / "cache" / "films-00000000", 2)
    assert len(read) == (12 if declaration is MASKS else 6)
    # A volume's twelve rows are in at most three of the blocks of eight that a worker takes.
    assert max(read.values()) <= 3 if declaration is CSV else max(read.values()) <= COUNT // 2


def test_masks_need_no_voxel_of_their_films(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = read_manifest(MASKS, place).masks
    assert masks is not None
    monkeypatch.setattr(nifti_films, "read_volume", None)
    assert masks.read(3).shape == (1, 12, 14)


def test_studies_are_grouped_by_columns_of_a_table_of_slices(place: Path) -> None:
    asked = [{"column": "sex", "bands": None}]
    groups = read_grouped({**CSV, "id": "films"}, place, asked).columns["sex"]
    assert groups.names == ("F", "M") and Counter(groups.group) == {"F": 36, "M": 36}


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (
            ("slice", "12"),
            "names slice 12 of volumes/0.nii.gz in row 3, which has the axial slices 0 to 11",
        ),
        (("slice", "-1"), "has '-1' in column 'slice' of row 3; write the number of the slice"),
        (("slice", "2.5"), "has '2.5' in column 'slice' of row 3"),
        (("slice", None), "has nothing in column 'slice' of row 3"),
        (("slice", "3"), "1 image(s) are listed more than once: volumes/0.nii.gz/3"),
        (("volume", "volumes/9.nii.gz"), "volumes/9.nii.gz does not exist; restore it"),
        (
            ("volume", "volumes/5.nii.gz"),
            "names volumes/0.nii.gz in row 4 and before that in row 2",
        ),
        (("volume", "slices.csv"), "slices.csv is no NIfTI volume; name a .nii or .nii.gz file"),
    ],
)
def test_rows_that_are_no_slices_are_named(
    place: Path, cell: tuple[str, str | None], told: str
) -> None:
    change(place, 3, *cell)
    if told.startswith("volumes/9") or told.startswith("slices.csv is"):
        change(place, 1, "volume", "volumes/0.nii.gz")
        table = pd.read_csv(place / "slices.csv", dtype=str)
        table.iloc[:3].to_csv(place / "slices.csv", index=False)
    assert told in refused(place, CSV)


def test_all_volumes_that_are_not_read_are_counted(place: Path) -> None:
    for patient in (1, 4):
        (place / f"volumes/{patient}.nii.gz").write_bytes(b"")
    told = refused(place, CSV)
    assert "2 of 6 volumes cannot be read: volumes/1.nii.gz, volumes/4.nii.gz; the first" in told


def test_a_volume_that_is_cut_off_is_found_before_anything_is_written(place: Path) -> None:
    path = place / "volumes/3.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    told = refused(place, CSV)
    assert f"{COUNT} of {6 * COUNT} images are broken and nothing was written" in told
    assert "3.nii.gz cannot be read (Compressed file ended before" in told


def of_mask(values: Any, towards: Any = None, **saved: Any) -> Callable[[Path], object]:
    axes = affine("RAS", 8) if towards is None else towards
    return lambda place: save(place / "masks/0.nii.gz", values, axes, **saved)


SHIFTED = affine("RAS", 8)
SHIFTED[0, 3] += 1.2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            of_mask(mask_of(0)[:-1]),
            "has 13 x 12 x 12 voxels and its volume volumes/0.nii.gz 14 x 12 x 12",
        ),
        (
            of_mask(mask_of(0), SHIFTED),
            "lies up to 1.2 mm from its volume volumes/0.nii.gz, by their",
        ),
        (of_mask(mask_of(0), affine("RAS", 0)), "mm from its volume volumes/0.nii.gz"),
        (
            of_mask(mask_of(0) * 0.5),
            "has values that are no whole number; save it as whole numbers",
        ),
        (
            of_mask(mask_of(0) * 2.0, dtype=np.int16, scale=(2.0, 0.0)),
            "scales its numbers (by 2, and adds 0)",
        ),
        (of_mask(mask_of(0) * np.uint8(7)), "has the values 7, and a mask there has 0, 1, 255"),
        (of_mask(-mask_of(0).astype(np.int32)), "has the values -1 to 0"),
        (of_mask(mask_of(0).astype(np.complex64)), "has complex numbers; save their magnitude"),
        (lambda place: (place / "masks/0.nii.gz").unlink(), "1 masks are missing and nothing was"),
        (lambda place: change(place, 1, "mask", None), "names no mask of lesion in row 1"),
    ],
)
def test_masks_that_do_not_fit_are_refused_in_one_sentence(
    place: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(place)
    assert told in refused(place, MASKS)


def test_a_small_difference_of_rounding_is_no_other_place(place: Path) -> None:
    towards = affine("RAS", 8)
    towards[:3, 3] += 0.04  # 0.07 mm; the smallest side is 0.8
    save(place / "masks/0.nii.gz", mask_of(0), towards)
    assert read_manifest(MASKS, place).masks is not None


@pytest.mark.parametrize("declaration", [CSV, MASKS], ids=["csv", "mask_table"])
def test_volumes_without_slices_are_refused_by_name(
    place: Path, declaration: dict[str, Any]
) -> None:
    told = refused(place, {**declaration, "nifti": None})
    assert "names volumes/0.nii.gz in row 1, a NIfTI volume and not an image; say which" in told
    assert "nifti: { slice: COLUMN, axis: axial }" in told


def test_a_volume_as_the_mask_of_an_image_is_refused_by_name(place: Path) -> None:
    table = pd.read_csv(place / "slices.csv").drop_duplicates("volume")
    table["volume"] = [f"{n}.png" for n in range(len(table))]
    table.to_csv(place / "slices.csv", index=False)
    told = refused(place, {**MASKS, "nifti": None})
    assert "names masks/0.nii.gz in row 1, a NIfTI volume and not an image" in told


def test_the_script_of_the_documentation_makes_such_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (PROJECT / "docs" / "howto" / "own_data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (script,) = (block for block in blocks if "nibabel" in block)
    towards = affine("PIR", 8)
    for patient in range(6):
        save(tmp_path / f"volumes/p{patient}/t1.nii.gz", values_of(patient), towards)
    monkeypatch.chdir(tmp_path)
    for axis, number in AXES.items():
        exec(script.replace("axis = 2", f"axis = {number}"), {})
        table = pd.read_csv("slices.csv").assign(finding=0, mask=lambda table: table["volume"])
        table.loc[::2, "finding"] = 1
        table.to_csv("slices.csv", index=False)
        nifti = {"slice": "slice", "axis": axis}
        split = {"random": {"valid": 0.3, "test": 0.3}}
        manifest = read_manifest({**CSV, "nifti": nifti, "split": split}, tmp_path)
        header = header_of("volumes/p0/t1.nii.gz")
        assert len(manifest.table) == 6 * header.shape[number] == len(table)
        assert set(manifest.table["patient_id"]) == {f"p{n}" for n in range(6)}
        # Steps between pixels of the picture: down its rows, and along its columns.
        right, front, head = np.linalg.norm(header.affine[:3, :3], axis=0)
        down, along = {
            "axial": (front, right),
            "coronal": (head, right),
            "sagittal": (head, front),
        }[axis]
        steps = table[["row_mm", "column_mm"]].to_numpy()
        assert np.allclose(steps, (down, along), atol=1e-3)
        assert manifest.images.read(0).shape == header.size(axis)


def test_without_nibabel_the_extra_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    monkeypatch.delitem(sys.modules, "transfergrid.data.nifti", raising=False)
    monkeypatch.delitem(sys.modules, "transfergrid.data.nifti_films", raising=False)
    with pytest.raises(UserError, match=r"nibabel is not installed; install transfergrid\[nifti\]"):
        read_manifest(CSV, place)


def test_the_code_that_reads_volumes_is_part_of_its_data_sets_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**CSV, "root": str(place)}
    with_slices = resolve_dataset("films", settings)
    plain = {key: value for key, value in settings.items() if key != "nifti"}
    assert (
        resolve_dataset("films", {**plain, "nifti": None}).id == resolve_dataset("films", plain).id
    )
    for kind in ("csv", "mask_table"):
        closure = fingerprint.closure(fingerprint._prepare_roots(kind))
        assert not [name for name in closure if "nifti" in name]
    held: set[str] = set()
    monkeypatch.setattr("transfergrid.planning.unchanged.hold", held.update)
    hold_prepare(with_slices.declaration)
    assert {f"transfergrid.data.nifti{part}" for part in ("", "_films", "_masks")} <= held
    check_dataset(with_slices.location)
    monkeypatch.setattr("transfergrid.planning.inputs.nifti_fingerprint", lambda: "0" * 16)
    assert resolve_dataset("films", settings).id != with_slices.id
    with pytest.raises(UserError, match="edited after"):
        check_dataset(with_slices.location)
