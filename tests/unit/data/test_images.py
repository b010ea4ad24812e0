from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from transfergrid.data import images
from transfergrid.data.images import CHANNELS, RULES, ImageFiles, resize
from transfergrid.runtime.errors import UserError


def read_image(path, px=None):
    return images.read_image(path, px).pixels


def smooth(rng, height, width, channels=None):
    shape = (8, 9) if channels is None else (8, 9, channels)
    coarse = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def spy(fit, sizes):
    def spied(picture, *arguments):
        sizes.append(picture.size)
        return fit(picture, *arguments)

    return spied


def reference_resize(image, px, rule):
    """The same three rules on a float tensor by torch's antialiased interpolation."""
    x = torch.tensor(image, dtype=torch.float64)[None, None]
    height, width = image.shape
    if rule == "stretch":
        size = (px, px)
    else:
        scale = px / (min if rule == "crop" else max)(height, width)
        size = (round(height * scale), round(width * scale))
    y = torch.nn.functional.interpolate(x, size, mode="bilinear", antialias=True)[0, 0].numpy()
    if rule == "crop":
        top, left = (size[0] - px) // 2, (size[1] - px) // 2
        return y[top : top + px, left : left + px]
    square = np.zeros((px, px))
    top, left = (px - size[0]) // 2, (px - size[1]) // 2
    square[top : top + size[0], left : left + size[1]] = y
    return square


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(64, 96), (96, 64), (8, 12), (32, 32)])
def test_resize_agrees_with_torch(rule, shape):
    image = smooth(np.random.default_rng(0), *shape)
    ours = resize(image, 16, rule, "grey").astype(float)
    assert np.abs(ours - reference_resize(image, 16, rule)).max() <= 1


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 40),
    st.sampled_from(RULES),
    st.sampled_from(CHANNELS),
    st.booleans(),
)
def test_resize_is_exact_in_shape_and_stays_in_range(height, width, px, rule, channels, colour):
    rng = np.random.default_rng(height * 100 + width)
    shape = (height, width, 3) if colour else (height, width)
    image = rng.integers(90, 120, shape, dtype=np.uint8)
    out = resize(image, px, rule, channels)
    assert out.shape == ((px, px) if channels == "grey" else (px, px, 3))
    assert out.dtype == np.uint8
    if rule != "pad":
        assert out.min() >= image.min() - 1
        assert out.max() <= image.max() + 1


def test_pad_fills_with_black_and_keeps_the_middle():
    out = resize(np.full((10, 40), 200, np.uint8), 20, "pad", "grey")
    assert (out[7:12] == 200).all()
    assert not out[:7].any()
    assert not out[12:].any()


def test_grey_becomes_rgb_by_repetition_and_rgb_grey_by_luma():
    rng = np.random.default_rng(1)
    grey = smooth(rng, 20, 20)
    rgb = resize(grey, 10, "crop", "rgb")
    for channel in range(3):
        np.testing.assert_array_equal(rgb[..., channel], resize(grey, 10, "crop", "grey"))
    colour = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(resize(colour, 9, "crop", "grey") - luma).max() <= 1


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_an_array_that_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match="is no"):
        resize(image, 4, "crop", "grey")


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA", "1"])
def test_a_png_of_any_mode_reads_back(tmp_path, mode):
    rng = np.random.default_rng(2)
    values = rng.integers(0, 2, (6, 6), dtype=np.uint8) * 255
    image = Image.fromarray(values).convert(mode)
    image.save(tmp_path / "a.png")
    out = read_image(tmp_path / "a.png")
    assert out.ndim == (2 if mode in ("L", "LA", "1") else 3)
    np.testing.assert_array_equal(resize(out, 6, "stretch", "grey"), values)


def test_a_colour_palette_is_resolved(tmp_path):
    image = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    image.save(tmp_path / "a.png")
    out = read_image(tmp_path / "a.png")
    assert out.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]]]


def test_transparency_is_laid_over_black(tmp_path):
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]]
    Image.fromarray(pixels[..., [0, 3]]).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").tolist() == [[200, 0, 40]]


def test_sixteen_bits_are_scaled_by_the_container(tmp_path):
    values = np.array([[0, 128, 129, 257, 4095], [32767, 32768, 65279, 65407, 65535]], np.uint16)
    expected = np.round(values.astype(float) * 255 / 65535)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_jpeg_is_decoded_small_with_hardly_a_difference(tmp_path, monkeypatch, rule, mode):
    for shape in ((700, 500), (501, 333), (479, 999)):
        image = smooth(np.random.default_rng(3), *shape, None if mode == "L" else 3)
        Image.fromarray(image).save(tmp_path / "a.jpg", quality=92)
        sizes = []
        monkeypatch.setattr(images, "_fit", spy(images._fit, sizes))
        drafted = ImageFiles(tmp_path, ["a.jpg"], 40, rule).read(0)
        monkeypatch.undo()
        assert sizes[0][0] < shape[1] and sizes[0][1] < shape[0]
        assert 80 <= (max if rule == "pad" else min)(sizes[0]) <= 160
        assert drafted.shape == (40, 40) if mode == "L" else (40, 40, 3)
        full = resize(read_image(tmp_path / "a.jpg"), 40, rule, "rgb")
        difference = np.abs(resize(drafted, 40, rule, "rgb").astype(int) - full)
        assert difference.max() <= 3
        assert difference.mean() < 0.6


def test_a_jpeg_decoded_small_loses_no_detail_and_shows_none_that_is_not_there(tmp_path):
    """Gratings from coarse to finer than the result can hold: what fades, and what comes back.

    At no gap (a JPEG decoded at no more than the size wanted) contrast falls by .08 and .22 of fine
    gratings come back as coarse ones; at this gap .11.
    """
    side, px, count = 1160, 112, 29
    waves = np.linspace(4, side / 2.2, count)
    angle = 2 * np.pi * np.repeat(waves, side // count)[:, None] * np.arange(side) / side
    image = np.round(127.5 + 100 * np.sin(angle)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=95)
    middles = ((np.arange(count) + 0.5) * px / count).astype(int)
    small = ImageFiles(tmp_path, ["a.jpg"], px, "stretch").read(0)[middles].astype(float)
    full = resize(read_image(tmp_path / "a.jpg"), px, "stretch", "grey")[middles].astype(float)
    contrast, wanted = (rows.std(1) / (100 / np.sqrt(2)) for rows in (small, full))
    held = waves < 0.8 * px / 2
    assert held.sum() >= 3
    assert np.abs(contrast - wanted)[held].max() < 0.03
    assert np.abs(small - full)[held].max() <= 4
    assert contrast[waves > 0.85 * px].max() < 0.12


@given(st.integers(1, 30), st.sampled_from(RULES), st.booleans())
def test_an_image_of_the_size_wanted_is_left_alone(px, rule, colour):
    image = np.random.default_rng(px).integers(0, 256, (px, px, 3)[: 2 + colour], dtype=np.uint8)
    np.testing.assert_array_equal(resize(image, px, rule, "rgb" if colour else "grey"), image)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="resize 'squash' is not one of crop, pad, stretch"):
        resize(np.zeros((4, 4), np.uint8), 4, "squash", "grey")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("px", [None, 16])
def test_a_truncated_file_is_named(tmp_path, suffix, share, px):
    path = tmp_path / f"film.{suffix}"
    Image.fromarray(smooth(np.random.default_rng(4), 200, 220)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(
        UserError, match=rf"film\.{suffix} cannot be read \(.+\); (restore it|get it again)"
    ):
        read_image(path, px)


def test_a_missing_and_a_foreign_file_are_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.png does not exist"):
        read_image(tmp_path / "gone.png")
    (tmp_path / "a.jpg").write_text("<svg/>")
    with pytest.raises(UserError, match=r"a\.jpg cannot be read"):
        read_image(tmp_path / "a.jpg")


def test_reading_refuses_to_run_where_truncation_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(RuntimeError, match="LOAD_TRUNCATED_IMAGES"):
        read_image(tmp_path / "a.png")


def test_image_files_name_their_images(tmp_path):
    files = ImageFiles(tmp_path, ["x/a.png", "b.png"])
    assert len(files) == 2
    assert files.name(0) == "x/a.png"


def test_a_film_that_is_gone_is_told_by_read_and_not_by_fetch(tmp_path):
    source = ImageFiles(tmp_path, ["gone.png"], 4)
    source.fetch(0)
    with pytest.raises(UserError, match="gone.png does not exist"):
        source.read(0)


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a),
}
"""What brings row 0 and column 0 to where TIFF 6.0 says that they are."""


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("px", [None, 16])
def test_an_image_is_turned_as_its_orientation_says(tmp_path, orientation, suffix, px):
    stored = Image.fromarray(smooth(np.random.default_rng(5), 90, 130))
    note = Image.Exif()
    note[274] = orientation
    stored.save(tmp_path / f"plain.{suffix}")
    stored.save(tmp_path / f"a.{suffix}", exif=note)
    upright = UPRIGHT[orientation](read_image(tmp_path / f"plain.{suffix}"))
    assert upright.shape == ((130, 90) if orientation > 4 else (90, 130))
    found = read_image(tmp_path / f"a.{suffix}", px)
    if px is None:
        np.testing.assert_array_equal(found, upright)
    else:
        assert np.abs(found.astype(int) - resize(upright, px, "crop", "grey")).max() <= 3


def test_a_broken_note_on_orientation_is_no_orientation(tmp_path):
    pixels = smooth(np.random.default_rng(6), 8, 8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), pixels)


def test_a_named_pipe_or_a_folder_is_no_image_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=r"image .*pipe\.png is a named pipe; put a regular file"):
        read_image(tmp_path / "pipe.png")
    source = ImageFiles(tmp_path, ["pipe.png", ".", "a\\b.png", "gone.png/x"])
    assert "is a named pipe" in source.missing(0)
    assert "is a folder" in source.missing(1)
    assert "a\\b.png does not exist; write / for \\ in its name." in source.missing(2)
    assert "does not exist; restore it." in source.missing(3)
