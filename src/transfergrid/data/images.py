"""Image files as uint8 arrays, and the one resize that every cache is made with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from transfergrid.runtime.errors import UserError

RULES = ("crop", "pad", "stretch")
CHANNELS = ("grey", "rgb")

Pixels = npt.NDArray[np.uint8]

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF")

_DRAFT_GAP = 2
"""A draft's smallest size, in sizes wanted; see `read_image`."""


@dataclass(frozen=True)
class ImageFiles:
    """Images in files under one folder; an `ImageSource`.

    Attributes:
        root: The folder.
        names: Path of each image, relative to `root`.
        px: Side of the square that `read` resizes to; None leaves images as they are.
        rule: The rule that it resizes by, see `resize`.
    """

    root: Path
    names: Sequence[str]
    px: int | None = None
    rule: str = "crop"

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Pixels:
        """Decode an image, see `read_image`; grey stays grey and colour colour."""
        return read_image(self.root / self.names[index], self.px, self.rule)

    def fetch(self, index: int) -> None:
        """Have the system read an image's file into its memory meanwhile; faults show in `read`."""
        if hasattr(os, "posix_fadvise"):  # not on macOS
            with suppress(OSError), open(self.root / self.names[index], "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def name(self, index: int) -> str:
        """Return the image's path relative to the root."""
        return self.names[index]


def read_image(path: Path, px: int | None = None, rule: str = "crop") -> Pixels:
    """Decode an image file to 8 bits a channel and, if wanted, resize it.

    Sixteen-bit greys are scaled by the depth of their container, ``round(v x 255 / 65535)``,
    never stretched by their own range, so equal values stay equal between files; transparency is
    laid over black; a palette is resolved; EXIF orientation is not applied.

    Args:
        path: A JPEG, PNG, BMP, TIFF or GIF file.
        px: Side of the square to resize to; a larger JPEG is then decoded at a half, a quarter or
            an eighth of its size, but at no less than twice the size needed, which changes a
            resized grey level by about two at most. None returns the image in its own size.
        rule: The rule to resize by, see `resize`.

    Returns:
        (H, W) uint8 for grey files, (H, W, 3) RGB for all others; H = W = px if resized.

    Raises:
        UserError: The file is missing, truncated, broken, or holds numbers without a known white.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("PIL's LOAD_TRUNCATED_IMAGES is on; truncated files would go unnoticed.")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if px is None:
                image.load()
                return np.asarray(_eight_bits(image))
            drafted = image.draft(None, _draft_size(image.width, image.height, px, rule))
            # A size that a draft does not divide ends in a part of a pixel, which counts as such.
            width, height = drafted[1][2:] if drafted else image.size
            image.load()
            return np.asarray(_fit(_eight_bits(image), width, height, px, rule))
    except FileNotFoundError:
        raise UserError(f"image {path} does not exist; restore it.") from None
    except Exception as error:  # decoders of broken files raise nearly every class there is
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"image {path} cannot be read ({reason}); restore it.") from None


def resize(image: Pixels, px: int, rule: str, channels: str) -> Pixels:
    """Bring an image to a square of exactly `px` by Pillow's antialiased bilinear filter.

    Bilinear, because unlike bicubic it never overshoots the range of the image it averages. An
    image of that size is returned as it is, but for its channels.

    Args:
        image: (H, W) grey or (H, W, 3) RGB uint8.
        px: Side of the result.
        rule: "crop" brings the shorter side to `px` and keeps the centre; "pad" brings the longer
            side to `px` and centres it on black; "stretch" gives up the aspect ratio.
        channels: "grey" (ITU-R 601-2 luma of RGB) or "rgb" (grey repeated three times).

    Returns:
        (px, px) uint8 if grey, (px, px, 3) if rgb.

    Raises:
        ValueError: The array is no such image, or channels is unknown.
    """
    colour = image.ndim == 3 and image.shape[2] == 3
    if image.dtype != np.uint8 or not (image.ndim == 2 or colour) or 0 in image.shape:
        raise ValueError(f"an array of {image.dtype} {image.shape} is no (H, W) or RGB image.")
    if image.shape == (px, px) and channels == "grey" and rule in RULES:
        return image
    picture = Image.fromarray(image)
    if channels == "grey":
        picture = picture.convert("L")
    picture = _fit(picture, *picture.size, px, rule)
    return np.asarray(picture.convert({"grey": "L", "rgb": "RGB"}[channels]))


def _fit(picture: Image.Image, width: float, height: float, px: int, rule: str) -> Image.Image:
    """Resize the part of `picture` from (0, 0) to (width, height), in its pixels."""
    if rule not in RULES:
        raise ValueError(f"resize '{rule}' is none of {', '.join(RULES)}")
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


def _draft_size(width: int, height: int, px: int, rule: str) -> tuple[int, int]:
    if rule == "stretch":
        return _DRAFT_GAP * px, _DRAFT_GAP * px
    scale = _DRAFT_GAP * px / (max(width, height) if rule == "pad" else min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image of mode L or RGB."""
    if image.mode == "L" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("values outside 0 to 65535, so the white level is unknown")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point values, so the white level is unknown")
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        flat = Image.alpha_composite(black, image.convert("RGBA"))
        return flat.convert("L" if grey else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
