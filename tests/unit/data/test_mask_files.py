"""Masks in files: what numbers they have, what these mean, and what is refused."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.data.images import ImageFiles, read_image
from transfergrid.data.mask_files import film_size, read_numbers
from transfergrid.data.mask_values import Coding
from transfergrid.runtime.errors import UserError

DRAWN = np.zeros((7, 9), np.uint8)
DRAWN[2:5, 3:8] = 1
DRAWN[5:, :2] = 2


def palette(colours: list[int]) -> Image.Image:
    image = Image.fromarray(DRAWN, "L").convert("P")
    image.putdata(DRAWN.ravel().tolist())
    image.putpalette(colours)
    return image


def test_files_of_every_form_have_the_numbers_that_were_stored(tmp_path: Path) -> None:
    levels = (DRAWN > 0).astype(np.uint8) * np.uint8(255)
    opaque = Image.fromarray(levels).convert("RGBA")
    forms = {
        "grey.png": (Image.fromarray(levels), levels),
        "classes.png": (Image.fromarray(DRAWN), DRAWN),
        "deep.png": (Image.fromarray(DRAWN.astype(np.uint16) * 300), DRAWN.astype(int) * 300),
        "bilevel.png": (Image.fromarray(levels).convert("1"), levels > 0),
        "bilevel.tif": (Image.fromarray(levels).convert("1"), levels > 0),
        "deep.tif": (Image.fromarray(DRAWN.astype(np.uint16) * 300), DRAWN.astype(int) * 300),
        "real.tif": (Image.fromarray(DRAWN.astype(np.float32)), DRAWN),
        "drive.gif": (Image.fromarray(levels), levels),
        "voc.png": (palette([0, 0, 0, 128, 0, 0, 0, 128, 0]), DRAWN),
        "greys.png": (palette([0, 0, 0, 255, 255, 255, 9, 9, 9]), np.choose(DRAWN, [0, 255, 9])),
        "rgb.png": (opaque.convert("RGB"), levels),
        "rgba.png": (opaque, levels),
        "plain.bmp": (Image.fromarray(levels), levels),
    }
    for name, (image, numbers) in forms.items():
        image.save(tmp_path / name)
        found = read_numbers(tmp_path / name)
        assert np.array_equal(found, numbers), name
        assert found.dtype.kind in "iu", name


def test_a_bilevel_tiff_whose_white_is_zero_is_turned_round(tmp_path: Path) -> None:
    marked = DRAWN > 0
    Image.fromarray(marked).save(tmp_path / "a.tif", tiffinfo={262: 0})
    Image.fromarray(~marked).save(tmp_path / "b.tif")
    assert np.array_equal(read_numbers(tmp_path / "b.tif"), ~marked)
    found = read_numbers(tmp_path / "a.tif")
    assert np.array_equal(found, np.asarray(Image.open(tmp_path / "a.tif")))


@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_and_sizes_turn_with_their_films(
    tmp_path: Path, ending: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"film.{ending}"
    Image.fromarray(DRAWN * np.uint8(127)).save(path, exif=exif, quality=100)
    film = read_image(path).pixels
    assert film_size(ImageFiles(tmp_path, [path.name]), 0) == film.shape
    if ending != "jpg":
        assert np.array_equal(read_numbers(path), film)


def test_an_orientation_behind_the_pixels_of_a_png_turns_its_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(DRAWN).save(tmp_path / "before.png", exif=exif)
    data = (tmp_path / "before.png").read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4])
    (tmp_path / "behind.png").write_bytes(
        data[:start] + data[end:-12] + data[start:end] + data[-12:]
    )
    assert read_image(tmp_path / "behind.png").pixels.shape == (9, 7)
    assert film_size(ImageFiles(tmp_path, ["behind.png"]), 0) == (9, 7)


def test_sizes_are_those_of_films_that_are_resized_as_they_are_read(tmp_path: Path) -> None:
    Image.new("L", (900, 700)).save(tmp_path / "film.jpg")
    assert film_size(ImageFiles(tmp_path, ["film.jpg"], px=32), 0) == (700, 900)
    with pytest.raises(UserError, match="does not exist"):
        film_size(ImageFiles(tmp_path, ["lost.jpg"]), 0)


def test_files_that_are_no_masks_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[0, 0] = 200, 0, 0
    clear = Image.fromarray(DRAWN).convert("RGBA")
    clear.putalpha(Image.fromarray(DRAWN * 100))
    forms = {
        "colours.png": (Image.fromarray(colours), "has colours; save it"),
        "clear.png": (clear, "is transparent in part; save it"),
        "half.tif": (Image.fromarray(DRAWN / np.float32(4)), "has fractions; save it"),
        "nan.tif": (Image.fromarray(DRAWN * np.float32("nan")), "has fractions; save it"),
        "cmyk.tif": (Image.fromarray(colours).convert("CMYK"), "pixels of the kind CMYK"),
    }
    for name, (image, match) in forms.items():
        image.save(tmp_path / name)
        with pytest.raises(UserError, match=f"mask .*{name} {match}|mask .*{name} has {match}"):
            read_numbers(tmp_path / name)
    frames = [Image.fromarray(DRAWN * np.uint8(value)) for value in (1, 2)]
    for name in ("two.gif", "two.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(UserError, match="has several pages"):
            read_numbers(tmp_path / name)
    Image.fromarray(np.random.default_rng(0).integers(0, 2, (99, 99), np.uint8)).save(
        tmp_path / "whole.png"
    )
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:300])
    (tmp_path / "text.png").write_text("no picture")
    for name in ("cut.png", "text.png"):
        with pytest.raises(UserError, match=f"mask .*{name} cannot be read"):
            read_numbers(tmp_path / name)
    with pytest.raises(UserError, match="^mask .*lost.png does not exist; restore it"):
        read_numbers(tmp_path / "lost.png")


def test_levels_of_few_bits_are_refused_because_programs_differ(tmp_path: Path) -> None:
    few = palette([value for level in range(3) for value in [level] * 3])
    few.save(tmp_path / "palette.png")  # of a palette, it is told what they are
    assert np.array_equal(read_numbers(tmp_path / "palette.png"), DRAWN)
    data = bytearray((tmp_path / "palette.png").read_bytes())
    assert data[24:26] == bytes([2, 3])
    data[25] = 0  # the same numbers, as grey levels
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "grey.png").write_bytes(bytes(data))
    with pytest.raises(UserError, match="grey levels of 2 bits, which some programs read as they"):
        read_numbers(tmp_path / "grey.png")


def test_a_single_structure_is_1_or_255() -> None:
    coding = Coding.declared(["lung"], {})
    for value in (1, 255):
        assert np.array_equal(coding.masks((DRAWN == 1) * np.uint8(value))[0], DRAWN == 1)
    assert not coding.masks(DRAWN * 0).any()
    assert np.array_equal(coding.masks(DRAWN == 1)[0], DRAWN == 1)
    with pytest.raises(ValueError, match="has the values 2, and a mask there has 0, 1, 255"):
        coding.masks(DRAWN)
    both = np.where(DRAWN == 2, np.uint8(255), DRAWN)
    with pytest.raises(ValueError, match="has the values 255, and a mask there has 0, 1;"):
        coding.masks(both)
    unknown = Coding.declared(["lung"], {"unknown_values": 255})
    want = np.where(DRAWN == 2, UNKNOWN, DRAWN)
    assert np.array_equal(unknown.masks(both)[0], want)


def test_numbers_are_the_structures_that_they_are_declared_to_be() -> None:
    numbers = np.uint8([[0, 1, 2, 4, 7]])
    options = {"values": {"whole": [1, 2, 4], "core": [1, 4]}, "unknown_values": [7]}
    coding = Coding.declared(["whole", "core"], options)
    assert coding.masks(numbers)[:, 0].tolist() == [[0, 1, 1, 1, 255], [0, 1, 0, 1, 255]]
    few = Coding.declared(["core"], {"values": 4, "other_values": "no"})
    assert few.masks(numbers).ravel().tolist() == [0, 0, 0, 1, 0]
    with pytest.raises(ValueError, match="has the values 1, 2, 7, and a mask there has 0, 4"):
        Coding.declared(["core"], {"values": 4}).masks(numbers)
    lossy = Coding.declared(["lung"], {"at_least": 128})
    assert lossy.masks(np.uint8([[0, 3, 127, 128, 251]])).ravel().tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="has the values -1 to 3, and a mask has numbers from 0"):
        coding.masks(np.int32([[-1, 3]]))


@pytest.mark.parametrize(
    ("structures", "options", "match"),
    [
        (["a", "b"], {}, "one mask shows a, b; give `values`"),
        (["a", "b"], {"values": {"a": 1}}, "gives no number to 'b'"),
        (["lung"], {"values": {"lungs": 1}}, "names 'lungs' (did you mean 'lung'?)"),
        (["a"], {"values": 0}, "gives a structure no number, or 0"),
        (["a"], {"values": []}, "gives a structure no number, or 0"),
        (["a"], {"values": 1.5}, "has '1.5'; give whole numbers from 0"),
        (["a"], {"values": 1, "unknown_values": 1}, "1 is in unknown_values and the number of a"),
        (["a"], {"unknown_values": [0]}, "0 is in unknown_values"),
        (["a"], {"at_least": 9, "values": 1}, "at_least divides all numbers into two"),
        (["a"], {"other_values": "yes"}, "other_values is 'yes'; allowed are refuse and no"),
        (["a", "b"], {"at_least": 9}, "one mask shows a, b"),
    ],
)
def test_declarations_that_tell_nothing_are_refused(
    structures: list[str], options: dict, match: str
) -> None:
    with pytest.raises(UserError) as refused:
        Coding.declared(structures, options)
    assert match in str(refused.value)
