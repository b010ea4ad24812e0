"""PNGs that kornia-rs decodes, against pixels that the tests filtered and packed themselves."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transfergrid.data.decoding import TRANSPARENT, TURNED, Levels
from transfergrid.data.images import read_image
from transfergrid.data.plain_png import plain_png
from transfergrid.runtime.errors import UserError

FILMS = Path(__file__).resolve().parents[4] / "shared/data/classification/nih14_mini/images"
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def filtered(pixels, rng):
    """Rows of a PNG, each with a filter drawn at random (PNG, 3rd edition, section 9)."""
    step = 1 if pixels.ndim == 2 else 3
    above = np.zeros(pixels[0].size, int)
    told = b""
    for row in pixels.reshape(len(pixels), -1).astype(int):
        left, corner = (np.r_[np.zeros(step, int), line[:-step]] for line in (row, above))
        guess = left + above - corner
        away = [np.abs(guess - line) for line in (left, above, corner)]
        nearest = np.where(away[1] <= away[2], above, corner)
        paeth = np.where((away[0] <= away[1]) & (away[0] <= away[2]), left, nearest)
        kind = int(rng.integers(5))
        told += bytes([kind])
        told += (
            ((row - [0, left, above, (left + above) // 2, paeth][kind]) % 256)
            .astype("u1")
            .tobytes()
        )
        above = row
    return told


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels, rng, more=()):
    """A PNG of (H, W) or (H, W, 3), its compressed stream cut into chunks at random."""
    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    stream = zlib.compress(filtered(pixels, rng), int(rng.integers(10)))
    cuts = sorted(rng.integers(0, len(stream) + 1, 2).tolist())
    parts = [(b"IDAT", stream[a:b]) for a, b in pairwise([0, *cuts, len(stream)])]
    listed = [(b"IHDR", head), *more, *parts, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in listed)


def drawn(seed, colour, smooth=True):
    rng = np.random.default_rng(seed)
    shape = (*rng.integers(1, 40, 2).tolist(), 3)[: 2 + colour]
    steps = rng.integers(-3, 4, shape) if smooth else rng.integers(0, 256, shape)
    return rng, (np.cumsum(steps, 1) + 128).astype(np.uint8)


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_every_filter_gives_the_pixels_that_were_filtered(seed, colour, smooth):
    rng, pixels = drawn(seed, colour, smooth)
    found = plain_png(png(pixels, rng))
    assert found is not None and found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("colour", [False, True])
def test_plain_pngs_are_read_without_pillows_decoder(tmp_path, monkeypatch, colour):
    rng, pixels = drawn(3, colour)
    (tmp_path / "a.png").write_bytes(png(pixels, rng))
    monkeypatch.setattr(Image, "open", None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, pixels)
    dim = pixels // 2
    (tmp_path / "a.png").write_bytes(png(dim, rng))
    scaled = read_image(tmp_path / "a.png", levels=Levels(0, 127)).pixels
    np.testing.assert_array_equal(scaled, np.floor(dim / 127 * 255 + 0.5))


@pytest.mark.skipif(not FILMS.is_dir(), reason="needs the films of shared/data")
def test_real_films_are_equal_to_pillows():
    films = [path.read_bytes() for path in sorted(FILMS.iterdir())[::50]]
    for data in films:
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(plain_png(data), np.asarray(image))


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=60)
def test_no_damage_passes_as_other_pixels(seed, draw):
    rng, pixels = drawn(seed, bool(seed % 2))
    data = bytearray(png(pixels, rng))
    place = draw.draw(st.integers(0, len(data) - 1))
    if draw.draw(st.booleans()):
        data[place] ^= 1 << draw.draw(st.integers(0, 7))
    else:
        del data[place:]
    found = plain_png(bytes(data))
    assert found is None or np.array_equal(found, pixels)


def test_a_broken_png_is_refused_in_the_words_of_before(tmp_path):
    rng, pixels = drawn(5, False)
    data = png(pixels, rng)
    (tmp_path / "a.png").write_bytes(data[:-30])
    with pytest.raises(UserError, match=r"a\.png cannot be read \(.*truncated.*\); restore it\.$"):
        read_image(tmp_path / "a.png")


TURNS = [(b"eXIf", EXIF[6:]), (b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>')]


@pytest.mark.parametrize("note", [*TURNS, (b"tRNS", b"\0\x80")], ids=lambda note: note[0].decode())
def test_what_turns_a_png_or_makes_it_transparent_is_not_passed_over(tmp_path, note):
    rng, pixels = drawn(7, False)
    pixels[0, 0] = 128
    data = png(pixels, rng, [note])
    assert plain_png(data) is None
    (tmp_path / "a.png").write_bytes(data)
    found = read_image(tmp_path / "a.png")
    clear = note[0] == b"tRNS"
    assert found.look.traits == {TRANSPARENT if clear else TURNED}
    right = np.where(pixels == 128, 0, pixels) if clear else np.rot90(pixels, -1)
    np.testing.assert_array_equal(found.pixels, right)


def test_notes_that_change_nothing_change_nothing():
    rng, pixels = drawn(9, True)
    notes = [(b"tIME", bytes(7)), (b"pHYs", bytes(9)), (b"gAMA", bytes(4)), (b"bKGD", bytes(6))]
    notes += [(b"tEXt", b"Software\0a scanner"), (b"sRGB", b"\0")]
    np.testing.assert_array_equal(plain_png(png(pixels, rng, notes)), pixels)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "I;16"])
def test_other_pngs_are_left_to_pillow(mode):
    buffer = io.BytesIO()
    grey = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    image = Image.fromarray(np.ones((6, 8), np.uint16)) if mode == "I;16" else grey.convert(mode)
    image.save(buffer, "PNG")
    assert plain_png(buffer.getvalue()) is None


def test_more_pixels_than_pillow_takes_are_left_to_it(monkeypatch):
    rng, pixels = drawn(11, False)
    data = png(pixels, rng)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels.size - 1)
    assert plain_png(data) is None
