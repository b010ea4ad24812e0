"""One image file, from its bytes to 8 bits per channel, and what was seen of it on the way."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from transfergrid.data.formats import CONVERT, FORMATS, UnfitError, unread
from transfergrid.data.numbers import Pixels, Values, numbers, scaled
from transfergrid.data.plain_png import plain_png
from transfergrid.data.samples import Samples, samples_of
from transfergrid.runtime.errors import UserError

CONSTANT, PAGES, TRANSPARENT, TURNED, COLOURED = (
    "constant",
    "pages",
    "transparent",
    "turned",
    "coloured",
)
"""Traits of images that a reader of the results may want to know about."""

Draft = Callable[[int, int], tuple[int, int]]

_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF = frozenset(("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"))


@dataclass(frozen=True)
class Levels:
    """The numbers that stand for black and white in every file of a data set.

    Attributes:
        black: The least number.
        white: The greatest; None takes what each file says, and refuses files that do not.
        dicom: Whether files may be DICOM; None where the data set has no setting that says so.
    """

    black: int = 0
    white: int | None = None
    dicom: bool | None = False

    @property
    def given(self) -> bool:
        """Whether the data set says them."""
        return self.black != 0 or self.white is not None


@dataclass(frozen=True)
class Look:
    """What was seen of an image.

    Attributes:
        low: The least number in it; for 8-bit images, after resizing.
        high: The greatest.
        black: The number that became 0.
        white: The number that became 255.
        traits: Which of CONSTANT, PAGES, TRANSPARENT, TURNED and COLOURED it has.
    """

    low: float
    high: float
    black: int = 0
    white: int = 255
    traits: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Attributes:
        image: In mode L or RGB.
        width: Width, in its pixels, of the part from the upper left that is the image; not always
            a whole number, because a JPEG decoded at a fraction of its size may end within a pixel.
        height: The same for its height.
        traits: Which of PAGES, TRANSPARENT and TURNED it has.
        look: The numbers that it had, if they were scaled.
    """

    image: Image.Image
    width: float
    height: float
    traits: frozenset[str]
    look: Look | None


def decode(data: bytes, levels: Levels, draft: Draft | None = None) -> Picture:
    """Decode an image file to 8 bits per channel; see `transfergrid.data.images.read_image`.

    Args:
        data: The whole file.
        levels: What the data set says about black and white.
        draft: From width and height to the size that suffices; a JPEG may then be decoded at a
            half, a quarter or an eighth of its size. None decodes images in full.

    Raises:
        UnfitError: The file is not known to be read correctly.
        Exception: Of nearly any class, from decoders of broken files.
    """
    if levels.dicom and is_dicom(data):
        picture: Picture = dicom_module().decode(data, levels)
        return picture
    samples, data = samples_of(data)
    with _open(data, samples, levels) as image:
        _check_inks(image)
        traits = {PAGES} if getattr(image, "is_animated", False) else set[str]()
        # Pillow turns TIFFs itself when it loads them.
        tiff_turn = image.tag_v2.get(_ORIENTATION) if isinstance(image, TiffImageFile) else 1
        drafted = None
        if draft is not None and _orientation(image) == 1:
            drafted = image.draft(None, draft(*image.size))
        image.load()
        width, height = drafted[1][2:] if drafted else image.size
        turn = 1 if image.format == "TIFF" else _orientation(image)
        look = None
        if not levels.given and (samples is None or samples.plain):
            eight, clear = _eight_bits(image)
        else:
            samples = samples or Samples()
            values, alpha = numbers(image, samples, data)
            look = _look(values, samples, levels)
            pixels = scaled(values, look.black, look.white, samples.negative)
            eight, clear = _on_black(pixels, alpha)
    if turn in _TURNS:
        eight = eight.transpose(_TURNS[turn])
        width, height = eight.size
    if turn in _TURNS or tiff_turn in _TURNS:
        traits.add(TURNED)
    if clear:
        traits.add(TRANSPARENT)
    return Picture(eight, width, height, frozenset(traits), look)


def is_dicom(data: bytes) -> bool:
    """Tell whether a file begins as DICOM does: 128 bytes of anything, and its mark."""
    return data[128:132] == b"DICM"


def dicom_module(name: str = "dicom") -> Any:
    """Return a module that reads DICOM: code of the data sets alone that say so.

    Raises:
        UserError: What it needs is not installed.
    """
    return optional_module(name, "dicom", "dicom: true")


def optional_module(name: str, extra: str, said: str) -> Any:
    """Return a module of this room that needs packages which not everybody has.

    Args:
        name: The module.
        extra: The extra of this package with what it needs.
        said: What a data set says to be read by it, for the message.

    Raises:
        UserError: What it needs is not installed.
    """
    try:
        return import_module(f"transfergrid.data.{name}")
    except ImportError as error:
        raise UserError(
            f"a data set says `{said}`, and {error.name} is not installed; install "
            f"transfergrid[{extra}], or envs/requirements.lock."
        ) from None


def _open(data: bytes, samples: Samples | None, levels: Levels) -> Image.Image:
    pixels = plain_png(data)
    if pixels is not None:
        return Image.fromarray(pixels)
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if is_dicom(data):
            write = "write `dicom: true` in the data set to have it read, or "
            mend = f"{'' if levels.dicom is None else write}{CONVERT}"
            raise UnfitError("is a DICOM file", mend) from None
        raise unread(data, samples) from None


def _look(values: Values, samples: Samples, levels: Levels) -> Look:
    """Say which numbers an image lies between and which numbers are black and white.

    Raises:
        UnfitError: That is not known, or the image has numbers outside that range.
    """
    black, white = levels.black, samples.white if levels.white is None else levels.white
    if white is None:
        raise UnfitError(
            f"has {samples}, so it is not known which number is white",
            f"give it to the data set (such as `white: 4095`) or {CONVERT}",
        )
    if samples.range and not samples.range[0] <= black < white <= samples.range[1]:
        least, most = samples.range
        raise UnfitError(
            f"has {samples}, from {least} to {most}, and black {black} and white {white}",
            "correct the data set's `black` and `white`, which apply to all of its files",
        )
    low, high = values.min(), values.max()
    if not (black <= low and high <= white):  # nor is NaN
        raise UnfitError(
            f"has numbers from {low:g} to {high:g}, beyond black {black} and white {white}",
            "correct the data set's `black` and `white`",
        )
    return Look(float(low), float(high), black, white)


def _check_inks(image: Image.Image) -> None:
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        raise UnfitError(
            "is a CMYK JPEG without Adobe's mark, so it is not known whether 0 is full ink"
        )


def _orientation(image: Image.Image) -> int:
    """Return the orientation according to EXIF or XMP, 1 (as stored) to 8."""
    if not _EXIF.isdisjoint(image.info):
        with suppress(Exception):  # broken metadata is no reason to refuse an image
            return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _eight_bits(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return an image in mode L or RGB, and whether some of it was transparent."""
    if image.mode == "L" and not image.has_transparency_data:
        return image, False
    if image.has_transparency_data:
        colours = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return _over_black(colours, "L" if image.mode in ("L", "LA", "La") else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), False


def _over_black(image: Image.Image, mode: str) -> tuple[Image.Image, bool]:
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    clear = image.getchannel("A").getextrema() != (255, 255)
    return Image.alpha_composite(black, image).convert(mode), clear


def _on_black(pixels: Pixels, alpha: Pixels | None) -> tuple[Image.Image, bool]:
    """Lay an image over black where `alpha`, (H, W) or None, is below 255."""
    image = Image.fromarray(pixels)
    if alpha is None:
        return image, False
    colours = image.convert("RGBA")
    colours.putalpha(Image.fromarray(alpha))
    return _over_black(colours, image.mode)
