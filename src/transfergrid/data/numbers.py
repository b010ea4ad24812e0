"""An image file's numbers before they are 8-bit greys, and how they become 8-bit greys."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from transfergrid.data.formats import FORMATS, UnfitError
from transfergrid.data.samples import Samples

Values = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]

_OTHER_END = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_TABLE = 1 << 16


def numbers(image: Image.Image, samples: Samples, data: bytes) -> tuple[Values, Pixels | None]:
    """Return a file's own numbers and its transparency.

    Args:
        image: The loaded image.
        samples: What its numbers mean.
        data: The file, from which 16-bit colours, which Pillow cuts to 8 bits, are decoded again.

    Returns:
        (H, W) or (H, W, 3) of any number type, and (H, W) uint8 or None if everything is opaque.
    """
    if samples.plain:
        return _bytes(image, samples)
    if samples.bits == 8:
        return np.asarray(image).view(np.int8), None
    if samples.bits == 32:
        stored = np.asarray(image)
        return (stored.view(np.uint32) if samples.sign == "u" else stored), None
    words = _words(image, samples, data)
    key = image.info.get("transparency")
    if words.ndim == 3 and words.shape[2] in (2, 4):
        return words[..., :-1].squeeze(2 if words.shape[2] == 2 else ()), _of_words(words[..., -1])
    if key is None:
        return words, None
    same = words == np.asarray(key)
    return words, np.where(same.all(axis=2) if words.ndim == 3 else same, 0, 255).astype(np.uint8)


def scaled(values: Values, black: int, white: int, negative: bool) -> Pixels:
    """Map numbers linearly from black..white to 0..255, rounding to the nearest (halves up).

    Args:
        values: Numbers from black to white.
        black: The number for 0.
        white: The number for 255.
        negative: Whether to swap the ends.
    """
    span = white - black
    if span < _TABLE and values.dtype.kind in "ui":
        steps = np.arange(span + 1, dtype=np.int64)
        table = ((510 * (steps[::-1] if negative else steps) + span) // (2 * span)).astype(np.uint8)
        places = values if black == 0 else values.astype(np.int64) - black
        return np.take(table, places)
    share = (values.astype(np.float64) - black) / span
    return np.floor((1 - share if negative else share) * 255 + 0.5).astype(np.uint8)


def _bytes(image: Image.Image, samples: Samples) -> tuple[Values, Pixels | None]:
    if samples.bits != 8 or samples.palette or image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise UnfitError(
            "has no plain 8-bit greys or colours, so `white` and `black` do not apply to it",
            "remove them from the data set's settings, or convert it to an 8-bit grey or RGB PNG",
        )
    stored = np.asarray(image.convert("RGBA") if image.has_transparency_data else image)
    alpha = stored[..., 3] if image.has_transparency_data else None
    if stored.ndim == 3:
        stored = stored[..., 0] if image.mode in ("L", "LA") else stored[..., :3]
    # Pillow has already inverted these.
    return (255 - stored if samples.negative else stored), alpha


def _words(image: Image.Image, samples: Samples, data: bytes) -> Values:
    """Return 12- or 16-bit numbers: (H, W), or (H, W, 2 to 4) of a kind that Pillow cuts down."""
    if image.mode.startswith("I"):
        return np.asarray(image)
    if samples.colours == 1:  # a PNG with greys and transparency: one byte in each of 4 channels
        four = _decoded(data, lambda raw: "RGBA").astype(np.uint16)
        return four[..., 0::2] << 8 | four[..., 1::2]
    high = np.asarray(image).astype(np.uint16)
    return high << 8 | _decoded(data, lambda raw: raw[:-1] + _OTHER_END[raw[-1]])


def _decoded(data: bytes, raw_mode: Callable[[str], str]) -> Pixels:
    """Decode a file with its bytes read as another of Pillow's raw modes."""

    def changed(args: Any) -> Any:
        return raw_mode(args) if isinstance(args, str) else (raw_mode(args[0]), *args[1:])

    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.tile = [tile._replace(args=changed(tile.args)) for tile in image.tile]
        image.load()
        return np.asarray(image)


def _of_words(alpha: Values) -> Pixels:
    return scaled(alpha, 0, 65535, negative=False)
