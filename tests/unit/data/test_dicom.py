"""DICOM files, against pydicom's own functions, its own files, and arithmetic by hand."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from datasets.made_dicom import dicom, lut
from pydicom import DataElement, Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_rescale, apply_windowing, pixel_array
from pydicom.pixels.decoders import JPEGLSLosslessDecoder

from transfergrid.data.decoding import Levels
from transfergrid.data.images import read_image
from transfergrid.data.mask_files import read_numbers
from transfergrid.runtime.errors import UserError

DICOM = Levels(dicom=True)
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
RLE, J2K, JLS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"


def own(name: str) -> str:
    """A file of those that pydicom's wheel brings along; nothing is fetched."""
    return str(get_testdata_file(name, download=False))


def read(path: Path, data: bytes, levels: Levels = DICOM) -> Any:
    path.write_bytes(data)
    return read_image(path, levels=levels)


@pytest.fixture()
def film(tmp_path: Path) -> Path:
    return tmp_path / "film"  # no ending: a file is told by how it begins


def half_up(shares: Any) -> Any:
    return np.floor(np.asarray(shares) * 255 + 0.5).astype(np.uint8)


def test_without_a_window_the_range_is_that_of_the_stored_bits(film: Path) -> None:
    image = read(film, dicom(RAMP, BitsStored=12))
    assert (image.pixels == half_up(RAMP / 4095)).all()
    assert (image.look.black, image.look.white) == (0, 4095)
    assert (image.look.low, image.look.high) == (0, 4095)
    signed = read(film, dicom((RAMP - np.uint16(2048)).astype(np.int16), BitsStored=12))
    assert (signed.pixels == image.pixels).all() and signed.look.black == -2048


def test_bits_beyond_those_stored_are_left_out(film: Path) -> None:
    overlay = RAMP | np.uint16(0xA000)
    plain = read(film, dicom(RAMP, BitsStored=12)).pixels
    assert (read(film, dicom(overlay, BitsStored=12)).pixels == plain).all()
    values = (RAMP.astype(np.int32) - 2048).astype(np.int16)
    unsigned_top = (values.view(np.uint16) & 0x0FFF).view(np.int16)
    assert (read(film, dicom(unsigned_top, BitsStored=12)).pixels == plain).all()
    with pytest.raises(UserError, match="12 bits stored in 16 whose highest is number 15"):
        read(film, dicom(RAMP << 4, BitsStored=12, HighBit=15))


@pytest.mark.parametrize(
    ("function", "centre", "width"),
    [("LINEAR", 40, 400), ("LINEAR_EXACT", 40, 400), ("SIGMOID", 40, 400), ("LINEAR", 40, 1)],
)
def test_a_window_spans_the_whole_range_of_greys(
    film: Path, function: str, centre: int, width: int
) -> None:
    # CT 40/400: pydicom spreads it from -33792 to 31743, and not from 0 to 65535.
    stored = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    header = {"RescaleSlope": 1, "RescaleIntercept": -1024, "VOILUTFunction": function}
    data = dicom(stored, WindowCenter=[centre, 99], WindowWidth=[width, 9], **header)
    image = read(film, data)
    file = dcmread(film)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = apply_windowing(apply_rescale(file.pixel_array, file), file)
    shares = (oracle - (-32768 - 1024)) / 65535
    assert (image.pixels == half_up(shares)).all()
    units = stored.astype(int) - 1024
    below, above = units < centre - 4 * width - 1, units > centre + 4 * width + 1
    assert (image.pixels[below] <= 1).all() and (image.pixels[above] >= 254).all()


def test_a_data_set_may_give_the_window_in_the_units_of_its_files(film: Path) -> None:
    stored = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)
    data = dicom(stored, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=0, WindowWidth=9)
    image = read(film, data, Levels(-160, 240, dicom=True))
    shares = np.clip((stored * 2.0 - 100 + 160) / 400, 0, 1)
    assert (image.pixels == half_up(shares)).all()
    with pytest.raises(UserError, match="give the data set `white` beside `black`"):
        read(film, data, Levels(-160, None, dicom=True))


def test_monochrome1_is_turned_over_once_and_last(film: Path) -> None:
    window = {"BitsStored": 12, "WindowCenter": 1000, "WindowWidth": 500}
    bright = read(film, dicom(RAMP, **window)).pixels
    dark = read(film, dicom(RAMP, PhotometricInterpretation="MONOCHROME1", **window)).pixels
    assert (dark.astype(int) + bright == 255).mean() > 0.99  # halves are rounded up in both
    assert np.abs(dark.astype(int) + bright - 255).max() <= 1
    # Turned over before the window, 1000 would be 3095 and all of it white.
    assert dark[RAMP == 1000].item() in (127, 128)
    told = dicom(
        RAMP, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE", **window
    )
    assert (read(film, told).pixels == dark).all()


def test_padding_is_black_whatever_its_number(film: Path) -> None:
    pixels = RAMP.copy()
    pixels[:8] = 4000
    header = {"BitsStored": 12, "PhotometricInterpretation": "MONOCHROME1"}
    image = read(film, dicom(pixels, PixelPaddingValue=4000, **header))
    assert (image.pixels[:8] == 0).all() and image.look.high == 4095
    assert (image.pixels[8:] == read(film, dicom(pixels, **header)).pixels[8:])[
        pixels[8:] != 4000
    ].all()
    ranged = dicom(pixels, PixelPaddingValue=4000, PixelPaddingRangeLimit=4095, **header)
    image = read(film, ranged)
    assert (image.pixels[pixels >= 4000] == 0).all() and image.look.high == 3999


def test_padding_is_known_with_either_sign(film: Path) -> None:
    pixels = np.full((4, 4), -2000, np.int16)
    pixels[0] = 500
    window = {"WindowCenter": 0, "WindowWidth": 10000}
    for padding in (-2000, DataElement("PixelPaddingValue", "US", 63536)):
        image = read(film, dicom(pixels, PixelPaddingValue=padding, **window))
        assert (image.pixels[1:] == 0).all() and (image.pixels[0] > 0).all()


@pytest.mark.parametrize("compress", ["", RLE])
def test_padding_beyond_the_stored_bits_is_no_stored_number(film: Path, compress: str) -> None:
    """Padding of 65535 in 12 bits: its low bits are those of a saturated pixel, which is white."""
    pixels = RAMP.copy()
    pixels[:8] = 65535
    plain = read(film, dicom(RAMP, BitsStored=12)).pixels
    image = read(film, dicom(pixels, compress, BitsStored=12, PixelPaddingValue=65535))
    assert (image.pixels[:8] == 0).all() and (image.pixels[8:] == plain[8:]).all()
    assert image.pixels[-1, -1] == 255 and (image.look.low, image.look.high) == (512, 4095)
    ranged = {"PixelPaddingValue": 4000, "PixelPaddingRangeLimit": 65535}
    image = read(film, dicom(pixels, compress, BitsStored=12, **ranged))
    assert (image.pixels[pixels >= 4000] == 0).all() and image.look.high == 3999
    signed = np.full((4, 4), -2000, np.int16)
    signed[0], signed[1] = 500, 5000
    for padding in (5000, DataElement("PixelPaddingValue", "US", 5000)):
        image = read(film, dicom(signed, compress, BitsStored=12, PixelPaddingValue=padding))
        assert (image.pixels[1] == 0).all() and (image.look.low, image.look.high) == (-2000, 500)


def test_a_modality_lut_comes_before_the_window(film: Path) -> None:
    entries = 5000 - np.arange(4096)
    header = {"BitsStored": 12, "ModalityLUTSequence": lut(0, entries, 16)}
    plain = read(film, dicom(RAMP, **header))
    assert (plain.pixels == half_up(entries[RAMP] / 65535)).all() and plain.look.white == 65535
    image = read(film, dicom(RAMP, WindowCenter=3000, WindowWidth=1001, **header))
    assert (image.pixels == half_up(np.clip((entries[RAMP] - 2999.5) / 1000 + 0.5, 0, 1))).all()


@pytest.mark.parametrize(("bits", "most"), [(8, 255), (12, 4095), (16, 65535)])
def test_a_voi_lut_is_looked_up_by_whole_numbers(film: Path, bits: int, most: int) -> None:
    # pydicom 3.0.2 counts places in a LUT of 8 bits modulo 256: see findings/.
    curve = np.round(most * (np.arange(4000) / 3999) ** 2).astype(int)
    places = np.clip(RAMP.astype(int) - 50, 0, 3999)
    header = {"BitsStored": 12, "VOILUTSequence": lut(50, curve, bits), "WindowCenter": 1}
    image = read(film, dicom(RAMP, WindowWidth=2, **header))
    assert (image.pixels == half_up(curve[places] / most)).all()
    # A slope makes reals of them, which pydicom would floor: 7 that is 6.9999 becomes 6.
    slope = dicom(
        RAMP * 10, RescaleSlope="0.1", RescaleIntercept="0", **{**header, "BitsStored": 16}
    )
    assert (read(film, slope).pixels == image.pixels).all()
    header["VOILUTSequence"] = lut(50, curve, bits, "US")
    turned = dicom(RAMP, PhotometricInterpretation="MONOCHROME1", **header)
    assert (read(film, turned).pixels == half_up(1 - curve[places] / most)).all()


@pytest.mark.parametrize(
    ("first", "numbers", "intercept"),
    [
        (-1024, np.array([[0, 1, 2, 3]], np.uint16), -1024),
        (40000, np.array([[-1, 0, 1, 2]], np.int16), 40001),
    ],
)
def test_a_voi_lut_may_begin_where_stored_numbers_cannot(
    film: Path, first: int, numbers: Any, intercept: int
) -> None:
    """The 16 bits of its beginning are read with the sign of the pixels, and it has another."""
    table = lut(0, range(0, 256), 8)
    vr = "US" if numbers.dtype == np.uint16 else "SS"
    begins = first % 65536 if vr == "US" else first - 65536
    table[0].add_new("LUTDescriptor", vr, [256, begins, 8])
    header = {"RescaleSlope": 1, "RescaleIntercept": intercept, "VOILUTSequence": table}
    assert read(film, dicom(numbers, **header)).pixels.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("syntax", [RLE, J2K, JLS])
def test_lossless_compression_changes_nothing(film: Path, syntax: str) -> None:
    header = {"BitsStored": 12, "WindowCenter": 1000, "WindowWidth": 500}
    plain = read(film, dicom(RAMP, **header)).pixels
    assert (read(film, dicom(RAMP, syntax, **header)).pixels == plain).all()


PAIRS = [
    ("MR_small_RLE.dcm", "MR_small.dcm"),
    ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
    ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
    ("MR_small_bigendian.dcm", "MR_small.dcm"),
    ("MR_small_implicit.dcm", "MR_small.dcm"),
    ("MR_small_padded.dcm", "MR_small.dcm"),
    ("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm"),
]


@pytest.mark.parametrize(("name", "plain"), PAIRS)
def test_the_same_film_in_other_forms_is_the_same(name: str, plain: str) -> None:
    assert (
        read_image(own(name), levels=DICOM).pixels == read_image(own(plain), levels=DICOM).pixels
    ).all()


def test_pydicoms_own_files_are_read_or_refused_in_a_sentence() -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    files, refused, shapes = sorted(folder.glob("*.dcm")), {}, set()
    assert len(files) > 70
    for path in files:
        try:
            pixels = read_image(path, levels=DICOM).pixels
        except UserError as error:
            refused[path.name] = str(error)
            continue
        shapes.add(pixels.ndim)
        assert pixels.dtype == np.uint8 and pixels.shape[:2] == _size(path), path.name
    assert shapes == {2, 3} and len(refused) < len(files) / 2
    assert all(text.startswith(f"image {folder}/") for text in refused.values())
    assert (
        "compressed as JPEG Lossless, Non-Hierarchical, First-Order Prediction"
        in refused["SC_rgb_jpeg_gdcm.dcm"]
    )
    assert "(1.2.840.10008.1.2.4.70)" in refused["SC_rgb_jpeg_gdcm.dcm"]
    assert "with more than 8 bits" in refused["JPGExtended.dcm"]
    assert "without an image, RT Plan Storage" in refused["rtplan.dcm"]


def _size(path: Path) -> tuple[int, int]:
    file = dcmread(path, stop_before_pixels=True)
    return file.Rows, file.Columns


@pytest.mark.parametrize(
    "name",
    ["examples_rgb_color.dcm", "SC_rgb_rle.dcm", "examples_jpeg2k.dcm", "SC_rgb_jpeg_dcmtk.dcm"],
)
def test_colours_are_those_of_pydicom(name: str) -> None:
    assert (read_image(own(name), levels=DICOM).pixels == pixel_array(own(name), index=0)).all()


def test_deep_colours_and_palettes_are_scaled_by_their_bits() -> None:
    deep = pixel_array(own("SC_rgb_rle_16bit.dcm"))
    assert (
        read_image(own("SC_rgb_rle_16bit.dcm"), levels=DICOM).pixels == half_up(deep / 65535)
    ).all()
    file = dcmread(own("examples_palette.dcm"))
    bits = file.RedPaletteColorLookupTableDescriptor[2]
    words = np.frombuffer(file.RedPaletteColorLookupTableData, "<u2" if bits == 16 else np.uint8)
    image = read_image(own("examples_palette.dcm"), levels=DICOM).pixels
    assert image.shape == (350, 800, 3)
    assert (image[..., 0] == half_up(words[file.pixel_array] / (2**bits - 1))).all()
    with pytest.raises(UserError, match="has|is a DICOM file with colours, so `white`"):
        read_image(own("SC_rgb_rle.dcm"), levels=Levels(0, 100, dicom=True))


def test_of_several_frames_the_first_is_read_and_enhanced_ones_are_refused(film: Path) -> None:
    image = read_image(own("SC_rgb_rle_2frame.dcm"), levels=DICOM)
    assert "pages" in image.look.traits
    assert (image.pixels == pixel_array(own("SC_rgb_rle_2frame.dcm"), index=0)).all()
    data = dicom(RAMP, BitsStored=12, **_groups())
    units = np.clip((RAMP * 2.0 - 1000 - 499.5) / 999 + 0.5, 0, 1)
    assert (read(film, data).pixels == half_up(units)).all()  # of one frame
    with pytest.raises(UserError, match="enhanced multi-frame DICOM file of 2 frames; save each"):
        read(film, dicom(RAMP, BitsStored=12, NumberOfFrames=2, **_groups()))


def _groups() -> dict[str, Any]:
    """What an enhanced file says of its only frame: twice the number less 1000, window 500/1000."""
    values, window, shared, frame = Dataset(), Dataset(), Dataset(), Dataset()
    values.RescaleSlope, values.RescaleIntercept = 2, -1000
    window.WindowCenter, window.WindowWidth = 500, 1000
    shared.PixelValueTransformationSequence = [values]
    frame.FrameVOILUTSequence = [window]
    return {
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": [frame],
    }


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            {"WindowCenter": 40, "WindowWidth": 0},
            "a window that means nothing .*; give the data set",
        ),
        ({"RescaleSlope": 0, "RescaleIntercept": 1}, "whose RescaleSlope is 0; restore it"),
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation is 'HSV', which is not"),
        ({"VOILUTSequence": lut(0, [1, 2], 17)}, "LUT has 2 entries and says 2 of 17 bits"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    film: Path, header: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=f"image {film} is a DICOM file .*{told}"):
        read(film, dicom(RAMP, **header))


def test_a_file_that_ends_too_early_is_refused(film: Path) -> None:
    ends = "ends before its pixels do"
    for compress, short in {"": "less than expected", RLE: ends, J2K: ends, JLS: ends}.items():
        whole = dicom(RAMP, compress, BitsStored=12)
        with pytest.raises(UserError, match=f"image {film} .*{short}.*; restore it"):
            read(film, whole[: len(whole) * 2 // 3])


def test_a_decoder_that_is_not_installed_is_told(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film.write_bytes(dicom(RAMP, JLS, BitsStored=12))
    monkeypatch.setattr(JPEGLSLosslessDecoder, "_available", {})
    with pytest.raises(UserError, match=r"compressed as JPEG-LS .* install transfergrid\[dicom\]"):
        read_image(film, levels=DICOM)
    monkeypatch.setitem(sys.modules, "transfergrid.data.dicom", None)
    with pytest.raises(UserError, match="says `dicom: true`, and .* is not installed; install"):
        read_image(film, levels=DICOM)


def test_a_data_set_that_does_not_say_so_has_none(film: Path) -> None:
    with pytest.raises(UserError, match=r"is a DICOM file; write `dicom: true` in the data set"):
        read(film, dicom(RAMP), Levels())


def test_a_mask_is_read_as_it_is_stored(film: Path) -> None:
    mask = np.zeros((5, 7), np.uint8)
    mask[1:3] = 255
    film.write_bytes(dicom(mask, WindowCenter=1, WindowWidth=2))
    assert (read_numbers(film, dicom=True) == mask).all()
    with pytest.raises(UserError, match=f"mask {film} "):
        read_numbers(film)
    film.write_bytes(dicom(mask, PhotometricInterpretation="MONOCHROME1"))
    with pytest.raises(UserError, match="is a DICOM file of MONOCHROME1; save the mask as a PNG"):
        read_numbers(film, dicom=True)
