"""Files whose numbers Pillow's modes do not tell apart, against what was written into them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from datasets.made_tiff import FILL_ORDER, packed, tiff
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from transfergrid.data.decoding import Levels
from transfergrid.data.images import read_image
from transfergrid.runtime.errors import UserError

RNG = np.random.default_rng(0)
U8 = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
U16 = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
RGB8 = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
orders = pytest.mark.parametrize("order", ["<", ">"])
compressions = pytest.mark.parametrize("compress", [False, True])


def read(folder, data, levels=None, name="film"):
    (folder / name).write_bytes(data)
    return read_image(folder / name, levels=levels or Levels()).pixels


def eighth(values, white, black=0):
    """The nearest of 256 levels, by floats."""
    return np.floor((values.astype(float) - black) / (white - black) * 255 + 0.5)


def lines(values, bits):
    """Rows of a PNG without filters; values (H, W) or (H, W, channels)."""
    return b"".join(b"\0" + packed(row[None], bits) for row in values)


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
ADAM7 = [*ADAM7, (1, 0, 2, 1)]
"""First row and column, and steps, of the passes of an interlaced PNG."""


def png(values, bits, colour, chunks=(), interlaced=False):
    """A PNG of (H, W) or (H, W, channels)."""
    parts = [values[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [values]
    raw = b"".join(lines(part, bits) for part in parts if part.size)
    size = values.shape[1], len(values)
    head = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, interlaced)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


@orders
@compressions
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_a_grey_tiff_is_as_bright_as_it_says(tmp_path, order, compress, bits, photometric):
    values = U16 >> (16 - bits)
    stored = values.astype(np.uint8 if bits <= 8 else np.uint16)
    tight = bits if bits < 8 else None
    data = tiff(stored, photometric, order=order, compress=compress, bits=tight)
    white = 2**bits - 1
    brightness = white - values.astype(int) if photometric == 0 else values
    np.testing.assert_array_equal(read(tmp_path, data), eighth(brightness, white))


@orders
@compressions
def test_a_white_is_zero_film_equals_its_twins(tmp_path, order, compress):
    form = {"order": order, "compress": compress}
    eight = read(tmp_path, tiff(U8, 0, **form))
    np.testing.assert_array_equal(eight, 255 - U8)
    np.testing.assert_array_equal(read(tmp_path, tiff(U8 * np.uint16(257), 0, **form)), eight)
    np.testing.assert_array_equal(read(tmp_path, tiff(255 - U8, 1, **form)), eight)
    turned = read(tmp_path, tiff(U8.astype(np.uint16), 0, **form), Levels(0, 255))
    np.testing.assert_array_equal(turned, eight)
    np.testing.assert_array_equal(read(tmp_path, tiff(U8, 0, **form), Levels(0, 255)), eight)


@compressions
@pytest.mark.parametrize("photometric", [0, 1])
def test_packed_twelve_bits_are_not_sixteen_times_too_dark(tmp_path, compress, photometric):
    values = U16 >> 4
    data = tiff(values, photometric, bits=12, compress=compress)
    brightness = 4095 - values if photometric == 0 else values
    np.testing.assert_array_equal(read(tmp_path, data), eighth(brightness, 4095))


@orders
@compressions
def test_twelve_bits_in_sixteen_have_the_white_that_the_data_set_gives(tmp_path, order, compress):
    values = U16 >> 4
    data = tiff(values, order=order, compress=compress)
    np.testing.assert_array_equal(read(tmp_path, data), eighth(values, 65535))
    np.testing.assert_array_equal(read(tmp_path, data, Levels(0, 4095)), eighth(values, 4095))
    grey = png(values, 16, 0, [(b"sBIT", b"\x0c")])
    np.testing.assert_array_equal(read(tmp_path, grey), eighth(values, 65535))
    np.testing.assert_array_equal(read(tmp_path, grey, Levels(0, 4095)), eighth(values, 4095))
    with pytest.raises(UserError, match=r"film has numbers from \d+ to \d{4}, beyond .* white 999"):
        read(tmp_path, data, Levels(0, 999))


SIGNED = [
    (U8.view(np.int8), Levels(-128, 127)),
    (U16.view(np.int16), Levels(-32768, 32767)),
    ((U16 >> 4).astype(np.int16) - 1024, Levels(-1024, 3071)),
    (U16.astype(np.int32) * 9 - 7, Levels(-7, 9 * 65535)),
    (U16.astype(np.uint32) * 65537, Levels(0, 2**32 - 1)),
    (U16.astype(np.float32) / 65535, Levels(0, 1)),
]


@pytest.mark.parametrize(("values", "levels"), SIGNED)
def test_numbers_without_a_known_white_need_one(tmp_path, values, levels):
    for data in (tiff(values), tiff(values, compress=True)):
        with pytest.raises(UserError, match="not known which number is white.*white: 4095"):
            read(tmp_path, data)
        expected = eighth(values, levels.white, levels.black)
        np.testing.assert_array_equal(read(tmp_path, data, levels), expected)


@orders
@compressions
@pytest.mark.parametrize(("values", "levels"), SIGNED)
def test_a_signed_or_wide_number_is_read_rightly_or_refused(
    tmp_path, order, compress, values, levels
):
    data = tiff(values, order=order, compress=compress)
    try:
        found = read(tmp_path, data, levels)
    except UserError as error:
        assert "not read" in str(error) and "convert it" in str(error)
        assert order == ">"
    else:
        np.testing.assert_array_equal(found, eighth(values, levels.white, levels.black))


@orders
@compressions
@pytest.mark.parametrize("alpha", [None, "unused", "opaque", "clear"])
def test_sixteen_bit_colours_keep_all_their_bits(tmp_path, order, compress, alpha):
    extra = {None: (), "unused": (0,), "opaque": (2,), "clear": (2,)}[alpha]
    fourth = np.full((5, 7, 1), 0 if alpha == "clear" else 65535, np.uint16)
    values = RGB16 if alpha is None else np.concatenate([RGB16, fourth], axis=2)
    data = tiff(values, 2, order=order, compress=compress, extra=extra)
    found = read(tmp_path, data)
    np.testing.assert_array_equal(found, eighth(RGB16, 65535) * (alpha != "clear"))
    dark = tiff(values >> 4, 2, order=order, compress=compress, extra=extra)
    if alpha in (None, "unused"):
        np.testing.assert_array_equal(
            read(tmp_path, dark, Levels(0, 4095)), eighth(RGB16 >> 4, 4095)
        )


@pytest.mark.parametrize("interlaced", [False, True])
def test_sixteen_bit_pngs_keep_all_their_bits(tmp_path, interlaced):
    opaque = np.full((5, 7), 65535, np.uint16)
    for values, colour, expected in (
        (U16, 0, U16),
        (RGB16, 2, RGB16),
        (np.dstack([U16, opaque]), 4, U16),
        (np.dstack([RGB16, opaque]), 6, RGB16),
    ):
        data = png(values, 16, colour, interlaced=interlaced)
        np.testing.assert_array_equal(read(tmp_path, data), eighth(expected, 65535))
    half = np.full((5, 7), 32768, np.uint16)
    for values, colour in ((np.dstack([U16, half]), 4), (np.dstack([RGB16, half]), 6)):
        exact = values[..., :-1].squeeze() * (32768 / 65535) / 65535 * 255
        assert np.abs(read(tmp_path, png(values, 16, colour)) - exact).max() <= 1


def test_a_transparent_grey_or_colour_of_sixteen_bits_is_black(tmp_path):
    key = struct.pack(">H", U16[2, 3])
    expected = eighth(U16, 65535)
    expected[U16[2, 3] == U16] = 0
    np.testing.assert_array_equal(read(tmp_path, png(U16, 16, 0, [(b"tRNS", key)])), expected)
    key = struct.pack(">HHH", *RGB16[2, 3])
    expected = eighth(RGB16, 65535)
    expected[2, 3] = 0
    np.testing.assert_array_equal(read(tmp_path, png(RGB16, 16, 2, [(b"tRNS", key)])), expected)


@orders
@compressions
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("form", ["rgb8", "rgba8", "rgb16", "la8", "lx8", "cmyk"])
def test_several_samples_a_pixel_are_read_rightly_or_refused(
    tmp_path, order, compress, planar, form
):
    opaque = np.full((5, 7, 1), 255, np.uint8)
    values, photometric, extra, expected = {
        "rgb8": (RGB8, 2, (), RGB8),
        "rgba8": (np.concatenate([RGB8, opaque], axis=2), 2, (2,), RGB8),
        "rgb16": (RGB16, 2, (), eighth(RGB16, 65535)),
        "la8": (np.concatenate([U8[..., None], opaque], axis=2), 1, (2,), U8),
        "lx8": (RGB8[..., :2], 1, (0,), RGB8[..., 0]),
        "cmyk": (np.concatenate([255 - RGB8, opaque * 0], axis=2), 5, (), RGB8),
    }[form]
    data = tiff(values, photometric, order=order, compress=compress, planar=planar, extra=extra)
    try:
        found = read(tmp_path, data)
    except UserError as error:
        assert "convert it" in str(error)
        assert planar
    else:
        np.testing.assert_array_equal(found, expected)


@orders
def test_ycbcr_is_read_where_its_colours_are_whole(tmp_path, order):
    whole = tiff(RGB8, 6, order=order, tags={530: [1, 1]})
    expected = Image.frombytes("YCbCr", (7, 5), RGB8.tobytes()).convert("RGB")
    np.testing.assert_array_equal(read(tmp_path, whole), np.asarray(expected))
    with pytest.raises(UserError, match="subsampled YCbCr"):  # as the standard has it if not told
        read(tmp_path, tiff(RGB8, 6, order=order))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (tiff(U8, None), "does not say whether 0 is black or white"),
        (tiff(U16, None), "does not say whether 0 is black or white"),
        (tiff(U8, 4), "PhotometricInterpretation 4"),
        (tiff(RGB8, 8), "PhotometricInterpretation 8"),
        (tiff(U8, tags={339: [6]}), "SampleFormat"),
        (tiff(RGB8, 2, tags={258: [8, 8, 16]}), "BitsPerSample differs"),
        (tiff(U16.astype(np.uint32)[..., None].repeat(3, 2), 2), "3 32-bit samples per pixel"),
        (tiff(U8.astype(np.float16)), "16-bit floating-point samples"),
        (tiff(U16 >> 4, order=">", bits=12), "TIFF of 12-bit samples, in a form that is not read"),
        (tiff(np.dstack([RGB8, U8]), 5, tags={332: [2]}), "inks other than"),
        (b"", "it is empty"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(80), "JPEG 2000"),
        (b"\xff\x4f\xff\x51" + bytes(80), "JPEG 2000"),
        (bytes(128) + b"DICM" + bytes(80), "DICOM"),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(80), "WebP"),
        (b"\0\0\0\x1cftypavif" + bytes(80), "AVIF"),
        (b"\x1f\x8b\x08" + bytes(80), "gzip"),
        (b"<!doctype html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"nothing known", "not one of JPEG, PNG, BMP, TIFF, GIF"),
        (b"\xff\xd8\xff\xc1\x00\x0b\x0c\x00\x08\x00\x08\x01\x01\x11\x00", "JPEG of 12 bits"),
        (b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00", "JPEG-LS"),
    ],
)
def test_what_is_not_known_is_refused_by_name(tmp_path, data, told):
    with pytest.raises(
        UserError,
        match=rf"film .*({told}).*(; |, or )(convert|restore|get|unpack|download|fetch) (it|that)",
    ):
        read(tmp_path, data)


def test_a_white_that_a_file_cannot_hold_is_refused(tmp_path):
    with pytest.raises(UserError, match="has 8-bit samples, from 0 to 255, and .* white 4095"):
        read(tmp_path, tiff(U8), Levels(0, 4095))
    buffer = io.BytesIO()
    Image.fromarray(U8).save(buffer, "JPEG")
    with pytest.raises(UserError, match="has 8-bit samples"):
        read(tmp_path, buffer.getvalue(), Levels(0, 4095))
    palette = Image.fromarray(RGB8).quantize(16)
    palette.save(tmp_path / "p.png")
    with pytest.raises(UserError, match="no plain 8-bit greys"):
        read_image(tmp_path / "p.png", levels=Levels(0, 200))


def test_a_white_of_eight_bits_holds_for_every_kind_of_plain_file(tmp_path):
    grey, colour = U8 // 3, RGB8 // 3
    for name, image in (("a.png", grey), ("a.bmp", colour), ("b.png", colour), ("a.tif", grey)):
        Image.fromarray(image).save(tmp_path / name)
        found = read_image(tmp_path / name, levels=Levels(0, 85)).pixels
        np.testing.assert_array_equal(found, eighth(image, 85))


def test_cmyk_jpegs_are_read_as_adobe_writes_them_or_refused(tmp_path):
    ink = Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).convert("CMYK")
    ink.save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg").pixels.astype(int) - 200).max() <= 3
    data = (tmp_path / "a.jpg").read_bytes()
    mark = data.index(b"\xff\xee")
    bare = data[:mark] + data[mark + 16 :]
    with pytest.raises(UserError, match="CMYK JPEG without Adobe's mark"):
        read(tmp_path, bare)


def old_reader(data):
    """Pillow alone, as it was read before: right for 8 bits and for 16-bit greys of PNG."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if image.mode == "I;16":
            return np.asarray(((np.asarray(image).astype(np.int64) + 128) // 257).astype(np.uint8))
        return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))


@given(
    st.sampled_from(["JPEG", "PNG", "BMP", "GIF", "TIFF"]),
    st.sampled_from(["L", "RGB", "1", "P", "I;16"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_what_was_read_rightly_is_read_equal_to_the_bit(
    tmp_path_factory, form, mode, width, height, seed
):
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        form, image = "PNG", Image.fromarray(rng.integers(0, 65536, (height, width), np.uint16))
    elif mode == "P":
        form = "PNG" if form in ("JPEG",) else form
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).quantize(16)
    else:
        shape = (height, width, 3) if mode == "RGB" else (height, width)
        image = Image.fromarray(rng.integers(0, 256, shape, np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, form)
    path = tmp_path_factory.getbasetemp() / "film"
    path.write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(read_image(path).pixels, old_reader(buffer.getvalue()))


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        ("1", "group4"),
        *((m, c) for m in ("L", "RGB", "P", "CMYK") for c in ("tiff_lzw", "packbits")),
        *((m, "jpeg") for m in ("L", "RGB", "CMYK")),
    ],
)
def test_compressed_tiffs_are_read_as_before(tmp_path, mode, compression):
    image = Image.fromarray(RGB8).resize((64, 48)).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    data = (tmp_path / "a.tif").read_bytes()
    np.testing.assert_array_equal(read(tmp_path, data), old_reader(data))


def test_bits_in_reverse_are_read_rightly(tmp_path):
    reverse = np.packbits(np.unpackbits(U8.reshape(-1, 1), axis=1)[:, ::-1], axis=1).reshape(5, 7)
    data = tiff(reverse, tags={FILL_ORDER: [2]})
    np.testing.assert_array_equal(read(tmp_path, data), U8)
