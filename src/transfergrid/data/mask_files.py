"""Mask files as whole numbers, never as colours, and the sizes of the films that they belong to."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from transfergrid.data.decoding import dicom_module, is_dicom
from transfergrid.data.formats import FORMATS, UnfitError, unread
from transfergrid.data.images import ImageFiles, missing, read_image
from transfergrid.data.manifest import Images
from transfergrid.data.mask_values import Numbers
from transfergrid.runtime.errors import UserError

SAVE = "save it as a PNG with one number of 8 bits a pixel, 0 for what belongs to no structure"

_ORIENTATION = 274
_ON_SIDE = (5, 6, 7, 8)
_TELL = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
_BITS = 258
_WITH_ALPHA = {"LA": "L", "La": "L", "RGBA": "RGB", "RGBa": "RGB", "PA": "P"}
_AS_STORED = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")


def read_numbers(path: str | Path, dicom: bool = False) -> Numbers:
    """Read a mask's file as it was stored: nothing is scaled, and nothing averaged.

    Of a file with a palette these are the grey levels if the palette has no colours, so DRIVE's
    GIFs have 0 and 255; of colours they are the places in the palette, so PASCAL VOC's PNGs have
    classes. As a film, a mask is turned as its orientation says.

    Args:
        path: A PNG, TIFF, GIF, BMP or JPEG file.
        dicom: Whether it may be a DICOM file.

    Returns:
        (H, W) uint8, uint16 or int32; of a DICOM file also int16.

    Raises:
        UserError: It is missing, broken, has several pages, colours, transparency, fractions, or
            numbers that programs read differently.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("PIL's LOAD_TRUNCATED_IMAGES is on; truncated files would go unnoticed.")
    fault = missing(path)
    if fault:
        raise UserError(f"mask {fault.removeprefix('image ')}")
    try:
        data = Path(path).read_bytes()
        if dicom and is_dicom(data):
            stored: Numbers = dicom_module().stored(data)
            return stored
        with _open(data) as image:
            return _numbers(image, data)
    except UnfitError as unfit:
        raise UserError(f"mask {path} {unfit}.") from None
    except UserError:
        raise
    except Exception as error:  # given broken files, decoders raise nearly every class there is
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"mask {path} cannot be read ({reason}); restore it.") from None


def film_size(images: Images, index: int) -> tuple[int, int]:
    """Return height and width of an image as it is read at its own size.

    Raises:
        OSError: It is missing or broken.
        ValueError: The same.
    """
    if not isinstance(images, ImageFiles):
        pixels = images.read(index)
        return pixels.shape[0], pixels.shape[1]
    path = images.path(index)
    if not missing(path):
        size = _size_in_header(path)
        if size is not None:
            return size
    pixels = read_image(path, levels=images.levels).pixels
    return pixels.shape[0], pixels.shape[1]


def _size_in_header(path: str) -> tuple[int, int] | None:
    """Return the size that a file's header tells; None where only decoding does."""
    try:
        data = Path(path).read_bytes()
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            turned = image.format == "TIFF"  # whose size Pillow has turned
            # Asked for the orientation of a PNG, Pillow decodes it: it may stand behind the pixels.
            if image.format == "PNG":
                turned = not any(word in data for word in _TELL)
            if not turned and image.getexif().get(_ORIENTATION) in _ON_SIDE:
                return width, height
            return height, width
    except Exception:  # as above; `read_image` says what is wrong
        return None


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise unread(data) from None


def _numbers(image: Image.Image, data: bytes) -> Numbers:
    if getattr(image, "is_animated", False):
        raise UnfitError("has several pages", "save the one that is the mask as a PNG")
    if _bits(image, data) in (2, 4):
        raise UnfitError(
            f"has grey levels of {_bits(image, data)} bits, which some programs read as they are "
            "and some as shares of 255",
            SAVE,
        )
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in _WITH_ALPHA:
        if image.getchannel("A").getextrema() != (255, 255):
            raise UnfitError("is transparent in part", SAVE)
        image = image.convert(_WITH_ALPHA[image.mode])
    if image.mode == "P":
        grey = _grey(image.convert("RGB"))
        return np.asarray(image) if grey is None else grey
    if image.mode == "RGB":
        grey = _grey(image)
        if grey is None:
            raise UnfitError("has colours", SAVE)
        return grey
    if image.mode == "F":
        numbers = np.asarray(image)
        if not (np.abs(numbers) < 2**24).all() or (numbers != np.round(numbers)).any():
            raise UnfitError("has fractions", SAVE)
        return numbers.astype(np.int32)
    if image.mode not in _AS_STORED:
        raise UnfitError(f"has pixels of the kind {image.mode}", SAVE)
    numbers = np.asarray(image)
    return numbers.astype(np.uint8) if numbers.dtype == np.bool_ else numbers


def _grey(image: Image.Image) -> Numbers | None:
    """Return one channel of an RGB image whose channels are equal, and None of any other."""
    channels = np.asarray(image)
    if (channels != channels[..., :1]).any():
        return None
    return np.ascontiguousarray(channels[..., 0])


def _bits(image: Image.Image, data: bytes) -> int:
    """Return the bits of a grey level in a PNG or TIFF; 0 of other files, and of palettes."""
    if image.mode != "L":
        return 0
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(_BITS, (1,))
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 0
