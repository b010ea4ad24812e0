"""Slices of NIfTI volumes, against nibabel's canonical volumes and places in the patient."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from datasets.made_nifti import SPACING, affine, save, stored_as

from transfergrid.data.nifti import AXES, header_of, read_volume
from transfergrid.data.nifti_films import Greys, NiftiSlices
from transfergrid.runtime.errors import UserError

SHAPE = (7, 6, 5)
RNG = np.random.default_rng(0)
VALUES = RNG.integers(-300, 900, SHAPE).astype(np.int16)
WINDOW = Greys((-100.0, 500.0))


def films(path: Path, axis: str = "axial", greys: Greys = WINDOW) -> NiftiSlices:
    header = header_of(str(path))
    numbers = range(header.shape[AXES[axis]])
    files = [path.name] * len(numbers)
    return NiftiSlices(path.parent, files, numbers, axis, greys, {path.name: header})


def pictures(path: Path, axis: str = "axial", greys: Greys = WINDOW) -> Any:
    slices = films(path, axis, greys)
    return np.stack([slices.read(index) for index in range(len(slices))])


def by_nibabel(path: Path, axis: str, low: float, high: float) -> Any:
    """All slices, from left, back or feet on, with the patient's right or front on the left."""
    volume = nib.as_closest_canonical(nib.load(path)).get_fdata()
    planes = np.moveaxis(volume, AXES[axis], 0)
    drawn = planes.transpose(0, 2, 1)[:, ::-1, ::-1]
    shares = np.clip((drawn - low) / (high - low), 0, 1)
    return np.floor(shares * 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(
    ("towards", "degrees"), [("RAS", 0), ("LPS", 0), ("PIR", 0), ("ASL", 0), ("LAS", 25)]
)
def test_slices_are_those_of_nibabels_canonical_volume(
    tmp_path: Path, axis: str, towards: str, degrees: float
) -> None:
    path = save(tmp_path / "v.nii.gz", VALUES, affine(towards, degrees))
    assert (pictures(path, axis) == by_nibabel(path, axis, -100, 500)).all()


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_of_two_affines_the_sform_counts_whatever_its_code(tmp_path: Path, code: int) -> None:
    image = nib.Nifti1Image(VALUES, None)
    image.set_qform(affine("RAS"), 1)
    image.set_sform(affine("LAS"), code)
    nib.save(image, tmp_path / "v.nii")
    expected = pictures(save(tmp_path / "s.nii", VALUES, affine("LAS")))
    assert (pictures(tmp_path / "v.nii") == expected).all()


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["anatomical.nii", "reoriented_anat_moved.nii", "standard.nii.gz"])
def test_volumes_that_nibabel_brings_along_are_read(name: str, axis: str) -> None:
    path = Path(nib.__file__).parent / "tests" / "data" / name
    low, high = np.percentile(nib.load(path).get_fdata(), [0.5, 99.5])
    drawn = pictures(path, axis, Greys(None)).astype(int)
    assert np.abs(drawn - by_nibabel(path, axis, low, high)).max() <= 1


@pytest.mark.parametrize(
    ("axis", "right_down"),
    [("axial", "LP"), ("coronal", "LI"), ("sagittal", "PI")],
)
def test_slices_are_drawn_the_radiological_way(tmp_path: Path, axis: str, right_down: str) -> None:
    # Each voxel holds how far it is towards the patient's right, front or head.
    towards = affine("LSP", 10)
    places = np.stack(np.indices(SHAPE), axis=-1) @ towards[:3, :3].T
    for place, codes in enumerate(("LR", "PA", "IS")):
        path = save(tmp_path / "v.nii", places[..., place].astype(np.float32), towards)
        values = places[..., place]
        drawn = pictures(path, axis, Greys((values.min(), values.max()))).astype(int)
        right, down = (np.sign(np.diff(drawn, axis=a).mean()) for a in (2, 1))
        for step, code in ((right, right_down[0]), (down, right_down[1])):
            if code in codes:
                assert step == (1 if code == codes[1] else -1)
        if not set(codes) & set(right_down):
            assert (np.diff(drawn.mean(axis=(1, 2))) > 0).all()  # numbers begin at left, back, feet


@pytest.mark.parametrize("axis", AXES)
def test_the_way_a_volume_is_stored_makes_no_difference(tmp_path: Path, axis: str) -> None:
    path = save(tmp_path / "ras.nii.gz", VALUES, affine("RAS", 12))
    for towards in ("LAS", "LPI", "SRA"):
        other = stored_as(path, towards, tmp_path / f"{towards}.nii.gz")
        assert nib.aff2axcodes(nib.load(other).affine) == tuple(towards)
        assert (pictures(other, axis) == pictures(path, axis)).all()


@pytest.mark.parametrize(
    "saved",
    [
        {"dtype": np.int16, "scale": (2.0, -40.0)},
        {"dtype": np.int16, "scale": (-0.5, 12.0)},
        {"dtype": np.float32, "order": ">"},
        {"dtype": np.int32, "order": ">", "scale": (0.5, 3.0)},
        {"dtype": np.float64, "form": 2},
        {"dtype": np.int16, "form": 2, "order": ">"},
    ],
)
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_scaled_values_become_greys_whatever_is_stored(
    tmp_path: Path, saved: dict[str, Any], name: str
) -> None:
    path = save(tmp_path / name, VALUES.astype(np.float64), **saved)
    volume = nib.load(path)
    assert volume.header.endianness == saved.get("order", "<")
    assert (pictures(path) == by_nibabel(path, "axial", -100, 500)).all()
    low, high = np.percentile(volume.get_fdata(), [2, 97])
    drawn = pictures(path, "coronal", Greys(None, (2.0, 97.0)))
    assert np.abs(drawn.astype(int) - by_nibabel(path, "coronal", low, high)).max() <= 1
    assert (drawn == by_nibabel(path, "coronal", low, high)).mean() > 0.99  # halves may round


def test_percentiles_are_of_the_whole_volume_and_stated_in_the_note(tmp_path: Path) -> None:
    values = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    path = save(tmp_path / "v.nii", values)
    greys = Greys.declared({})
    low, high = np.percentile(values, [0.5, 99.5])
    assert greys.of(read_volume(str(path)), "v") == pytest.approx((low, high))
    assert "percentiles 0.5 and 99.5 of the volume's values" in films(path, greys=greys).notes[0]
    assert (pictures(path, greys=greys) == by_nibabel(path, "axial", low, high)).all()
    assert Greys.declared({"range": [0, 2]}) == Greys((0.0, 2.0))


def test_one_volume_in_a_fourth_dimension_or_one_slice_in_two(tmp_path: Path) -> None:
    plain = pictures(save(tmp_path / "v.nii.gz", VALUES))
    four = save(tmp_path / "four.nii.gz", VALUES[..., None, None])
    assert len(nib.load(four).shape) > 3 and (pictures(four) == plain).all()
    assert (pictures(save(tmp_path / "two.nii", VALUES[:, :, 3])) == plain[3:4]).all()


def test_a_header_tells_size_and_place(tmp_path: Path) -> None:
    towards = affine("PIR", 20)
    header = header_of(str(save(tmp_path / "v.nii.gz", VALUES, towards)))
    canonical = nib.as_closest_canonical(nib.Nifti1Image(VALUES, towards))
    assert header.shape == canonical.shape
    assert np.allclose(header.affine, canonical.affine, atol=1e-4)
    assert np.allclose(
        header.corners[-1],
        nib.affines.apply_affine(canonical.affine, np.array(canonical.shape) - 1),
        atol=1e-4,
    )
    assert [header.size(axis) for axis in ("axial", "coronal", "sagittal")] == [
        (canonical.shape[1], canonical.shape[0]),
        (canonical.shape[2], canonical.shape[0]),
        (canonical.shape[2], canonical.shape[1]),
    ]
    assert sorted(np.linalg.norm(header.affine[:3, :3], axis=0)) == pytest.approx(sorted(SPACING))


def packed(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change the bytes of a compressed file."""
    return lambda path: path.write_bytes(change(path.read_bytes()))  # type: ignore[return-value]


def of_header(**fields: Any) -> Callable[[Path], None]:
    """Change fields of a compressed volume's header."""

    def change(path: Path) -> None:
        data = gzip.decompress(path.read_bytes())
        header = nib.Nifti1Header(data[:348], check=False)
        for name, value in fields.items():
            header[name] = value
        path.write_bytes(gzip.compress(header.binaryblock + data[348:]))

    return change


def analyze(path: Path) -> None:
    path.write_bytes(nib.AnalyzeHeader().binaryblock)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (Path.unlink, "does not exist; restore it"),
        (packed(lambda data: data[:-30]), "cannot be read (Compressed file ended before"),
        (packed(lambda data: data[:-8] + b"\0\0\0\0" + data[-4:]), "(CRC check failed"),
        (packed(lambda data: gzip.decompress(data)[:-30]), "cannot be read (Expected 420 bytes"),
        (packed(lambda data: b""), "cannot be read (it is empty); get it again"),
        (packed(lambda data: b"\x89PNG" + b"\0" * 600), "is no NIfTI volume; name a .nii or"),
        (analyze, "is a header of Analyze, which does not tell left from right"),
        (of_header(magic=b"ni1"), "is the header of a pair of files (.hdr and .img); save it as"),
        (of_header(sform_code=0, qform_code=0), "does not say how the patient lies in it"),
        (of_header(srow_x=0), "has an affine that is not that of a volume; correct it"),
        (of_header(srow_x=np.nan), "has an affine that is not that of a volume; correct it"),
        (of_header(datatype=32, bitpix=64), "has complex numbers; save their magnitude"),
        (of_header(datatype=128, bitpix=24), "has colours; save its greys, or export its slices"),
        (of_header(datatype=2304, bitpix=32), "has colours; save its greys"),
        (of_header(datatype=1536, bitpix=128), "v.nii.gz"),  # 128 bits, known to few machines
        (of_header(datatype=1, bitpix=1), "cannot be read (data"),
        (of_header(dim=[4, 7, 6, 1, 5, 1, 1, 1]), "holds 5 volumes (7 x 6 x 1 x 5); save the one"),
        (of_header(dim=[3, 7, 6, 0, 1, 1, 1, 1]), "has no voxels; restore it"),
        (of_header(scl_slope=1, scl_inter=np.inf), "cannot be read ("),
    ],
)
def test_what_is_not_read_correctly_is_refused_in_one_sentence(
    tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    path = save(tmp_path / "v.nii.gz", VALUES)
    spoil(path)
    with pytest.raises(UserError) as error:
        read_volume(str(path))
    sentence = str(error.value)
    assert sentence.startswith(f"volume {path} ") and told in sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_a_checksum_is_compared_at_the_end_of_a_large_volume(tmp_path: Path) -> None:
    values = RNG.integers(0, 1000, (64, 64, 16)).astype(np.int16)
    path = save(tmp_path / "v.nii.gz", values)
    data = path.read_bytes()
    assert read_volume(str(path)).stored.shape == values.shape
    path.write_bytes(data[:-8] + b"\0\0\0\0" + data[-4:])
    with pytest.raises(UserError, match=r"cannot be read \(CRC check failed"):
        read_volume(str(path))


def test_numbers_that_are_none_have_no_grey(tmp_path: Path) -> None:
    values = VALUES.astype(np.float32)
    values[2, 3, 4], values[2, 3, 1] = np.nan, np.inf
    path = save(tmp_path / "v.nii", values)
    slices = films(path)
    assert slices.read(0).shape == (6, 7)
    for number in (1, 4):
        with pytest.raises(
            UserError, match=rf"v.nii, slice {number}, has 1 voxel\(s\) that are no"
        ):
            slices.read(number)
    with pytest.raises(UserError, match=r"v.nii has 2 voxel\(s\) that are no finite number"):
        films(path, greys=Greys(None)).read(0)


def test_equal_percentiles_are_no_black_and_white(tmp_path: Path) -> None:
    values = np.zeros(SHAPE, np.uint8)
    values[3, 3, 3] = 9
    path = save(tmp_path / "v.nii", values)
    with pytest.raises(UserError, match="has 0 at both percentiles 0.5 and 99.5; give nifti.range"):
        films(path, greys=Greys(None)).read(0)
    assert pictures(path, greys=Greys((0.0, 9.0))).max() == 255
