"""Image files as uint8 arrays, and the resizing with which every cache is made."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from transfergrid.data.declared import may_say_dicom
from transfergrid.data.decoding import COLOURED, CONSTANT, Levels, Look, decode
from transfergrid.data.formats import UnfitError
from transfergrid.data.manifest import Images, choice
from transfergrid.data.numbers import Pixels
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.regular import check_regular

RULES = ("crop", "pad", "stretch")
CHANNELS = ("grey", "rgb")

JPEG_GAP = 2
"""Least size at which a JPEG is decoded, as a multiple of the size wanted; see `read_image`."""
_GREY_SPREAD = 16
"""Grey levels by which a grey image's channels may differ: JPEG rounds its colours."""
_AS_FILES_SAY = Levels()


@dataclass(frozen=True)
class ImageFiles:
    """Images in files under one folder, as a manifest has them.

    Attributes:
        root: The folder.
        names: Path of each image, relative to `root` and inside it, see `inside`.
        px: Side of the square that `read` resizes to; None leaves images as they are.
        rule: The rule by which it resizes, see `resize`.
        levels: Black and white of the files.
    """

    root: Path
    names: Sequence[str]
    px: int | None = None
    rule: str = "crop"
    levels: Levels = _AS_FILES_SAY

    @classmethod
    def declared(cls, root: Path, names: Sequence[str], options: Mapping[str, Any]) -> ImageFiles:
        """Make it from a data set's settings image_px, resize, black, white and dicom."""
        dicom = bool(options.get("dicom")) if may_say_dicom(str(options.get("kind"))) else None
        levels = Levels(int(options.get("black", 0)), options.get("white"), dicom)
        rule = choice(options, "resize", RULES)
        return cls(root, names, options.get("image_px"), rule, levels)

    def __post_init__(self) -> None:
        for name in self.names:
            if name.startswith("/") or ".." in name:
                inside(name)

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> str:
        """Return where an image is; as text, because making a `Path` takes longer than opening."""
        return os.path.join(self.root, self.names[index])

    def read(self, index: int) -> Pixels:
        """Decode an image, see `read_image`; grey stays grey and colour stays colour."""
        return self.decoded(index).pixels

    def decoded(self, index: int) -> Decoded:
        """Decode an image and look at it, see `read_image`."""
        return read_image(self.path(index), self.px, self.rule, self.levels)

    def missing(self, index: int) -> str:
        """Say why an image is missing, without opening it; empty if it is a file."""
        return missing(self.path(index))

    def fetch(self, index: int) -> None:
        """Let the system read an image's file into memory meanwhile; errors appear in `read`."""
        if hasattr(os, "posix_fadvise"):  # not on macOS
            with suppress(OSError), open(self.path(index), "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def name(self, index: int) -> str:
        """Return the image's path relative to the root."""
        return self.names[index]


@dataclass(frozen=True)
class Decoded:
    """An image as it was read, and what is remembered of it.

    Attributes:
        pixels: (H, W) or (H, W, 3) uint8.
        sha256: 32 bytes: the SHA-256 of its file, or of its pixels if it has no file of its own.
        look: What was seen of it.
    """

    pixels: Pixels
    sha256: bytes
    look: Look


def read_image(
    path: str | Path, px: int | None = None, rule: str = "crop", levels: Levels = _AS_FILES_SAY
) -> Decoded:
    """Decode an image file to 8 bits per channel and, if wanted, resize it.

    Deeper numbers are scaled from black to white, ``round(255 x (v - black) / (white - black))``,
    and never stretched to their own range, so equal values stay equal across files. What is black
    and white comes from the file (its bits per sample, and which end is white) or from `levels`.
    Transparency is laid over black; a palette is resolved; an image is turned as its orientation
    (EXIF, XMP or TIFF) says; of several pages the first is used.

    Args:
        path: A JPEG, PNG, BMP, TIFF or GIF file, or DICOM where `levels` says so.
        px: Side of the square to resize to; a larger JPEG is then decoded at a half, a quarter or
            an eighth of its size, but at no less than twice the size needed, which changes a
            resized grey level by about two at most. None returns the image at its own size.
        rule: The rule for resizing, see `resize`.
        levels: Black and white of the data set.

    Returns:
        The image: (H, W) for grey files, (H, W, 3) RGB for all others; H = W = px if resized.

    Raises:
        UserError: The file is missing, truncated, broken, not a regular file, in a form that is not
            known to be read correctly, or holds numbers without a known white.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("PIL's LOAD_TRUNCATED_IMAGES is on; truncated files would go unnoticed.")
    fault = missing(path)
    if fault:
        raise UserError(fault)
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read()
        picture = decode(data, levels, partial(_draft_size, px, rule) if px else None)
        image = picture.image
        if px is not None:
            image = _fit(image, picture.width, picture.height, px, rule)
        pixels = np.asarray(image)
    except UnfitError as unfit:
        raise UserError(f"image {path} {unfit}.") from None
    except UserError:
        raise
    except Exception as error:  # given broken files, decoders raise nearly every class there is
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"image {path} cannot be read ({reason}); restore it.") from None
    look = _look(pixels, picture.look, picture.traits)
    return Decoded(pixels, hashlib.sha256(data).digest(), look)


def decoded(images: Images, index: int) -> Decoded:
    """Decode an image and look at it, whatever it comes from.

    Raises:
        OSError: It is missing or broken.
        ValueError: The same, or what was read is not an image.
    """
    if isinstance(images, ImageFiles):
        return images.decoded(index)
    pixels = images.read(index)
    _check_image(pixels)
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Decoded(pixels, digest.digest(), _look(pixels))


def inside(name: str) -> str:
    """Return the one normal form of an image's path, in which no file has two names.

    The path is treated as text, as if there were no links: ``./img//a.png`` and ``img/x/../a.png``
    are ``img/a.png``. Links under the root are followed wherever they lead, because somebody chose
    to set them; a path in a table cannot lead out.

    Raises:
        UserError: It is absolute, or leads out of the data set's root.
    """
    normal = posixpath.normpath(name)
    if name.startswith("/"):
        raise UserError(
            f"image '{name}' has an absolute path; write it relative to the data set's root."
        )
    if normal.split("/")[0] == "..":
        raise UserError(
            f"image '{name}' is not in the data set's root; move it there, or as the root name a "
            "folder above both."
        )
    return normal


def _look(pixels: Pixels, look: Look | None = None, traits: frozenset[str] = frozenset()) -> Look:
    """Add what the pixels show to what the decoder saw: whether they are constant or coloured."""
    if pixels.ndim == 2:
        low, high = int(pixels.min()), int(pixels.max())
        flat, coloured = low == high, False
    else:
        red, green, blue = (pixels[..., channel].astype(np.int16) for channel in range(3))
        ends = [(int(channel.min()), int(channel.max())) for channel in (red, green, blue)]
        low, high = min(least for least, _ in ends), max(most for _, most in ends)
        flat = all(least == most for least, most in ends)
        spread = max(int(np.abs(green - other).max()) for other in (red, blue))
        coloured = spread > _GREY_SPREAD
    more = {CONSTANT} if flat else set()
    more |= {COLOURED} if coloured else set()
    look = look or Look(low, high)
    return replace(look, traits=traits | more) if traits or more else look


def missing(path: str | Path) -> str:
    """Say in a sentence why an image is missing; empty if the path is a regular file."""
    try:
        check_regular(path)
    except UserError as error:
        return f"image {error}"
    except (FileNotFoundError, NotADirectoryError):
        hint = "write / for \\ in its name" if "\\" in str(path) else "restore it"
        return f"image {path} does not exist; {hint}."
    except (OSError, ValueError) as error:
        return f"image {path} cannot be reached ({getattr(error, 'strerror', error)}); restore it."
    return ""


def resize(image: Pixels, px: int, rule: str, channels: str) -> Pixels:
    """Bring an image to a square of exactly `px` with Pillow's antialiased bilinear filter.

    Bilinear, because unlike bicubic it never overshoots the range of the image it averages. An
    image of that size is returned as it is, except for its channels.

    Args:
        image: (H, W) grey or (H, W, 3) RGB uint8.
        px: Side of the result.
        rule: "crop" brings the shorter side to `px` and keeps the centre; "pad" brings the longer
            side to `px` and centres it on black; "stretch" gives up the aspect ratio.
        channels: "grey" (ITU-R 601-2 luma of RGB) or "rgb" (grey repeated three times).

    Returns:
        (px, px) uint8 if grey, (px, px, 3) if rgb.

    Raises:
        ValueError: The array is not such an image, or channels is unknown.
    """
    _check_image(image)
    if image.shape == (px, px) and channels == "grey" and rule in RULES:
        return image
    picture = Image.fromarray(image)
    if channels == "grey":
        picture = picture.convert("L")
    picture = _fit(picture, *picture.size, px, rule)
    return np.asarray(picture.convert({"grey": "L", "rgb": "RGB"}[channels]))


def _check_image(image: Pixels) -> None:
    colour = image.ndim == 3 and image.shape[2] == 3
    if image.dtype != np.uint8 or not (image.ndim == 2 or colour) or 0 in image.shape:
        raise ValueError(f"an array of {image.dtype} {image.shape} is not an (H, W) or RGB image.")


def _fit(picture: Image.Image, width: float, height: float, px: int, rule: str) -> Image.Image:
    """Resize the part of `picture` from (0, 0) to (width, height), in its pixels."""
    if rule not in RULES:
        raise ValueError(f"resize '{rule}' is not one of {', '.join(RULES)}")
    size, box = (px, px), (0.0, 0.0, width, height)
    if rule == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    elif rule == "pad":
        scale = px / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = picture.resize(size, Image.Resampling.BILINEAR, box=box)
    if size == (px, px):
        return picture
    square = Image.new(picture.mode, (px, px))
    square.paste(picture, ((px - size[0]) // 2, (px - size[1]) // 2))
    return square


def _draft_size(px: int, rule: str, width: int, height: int) -> tuple[int, int]:
    if rule == "stretch":
        return JPEG_GAP * px, JPEG_GAP * px
    scale = JPEG_GAP * px / (max(width, height) if rule == "pad" else min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
