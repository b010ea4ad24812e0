"""What the numbers in an image file mean, by its own header: depth, sign, which end is white.

Pillow's modes do not tell: they distinguish neither 12 bits from 16 nor signed from unsigned, and
leave some white-is-zero files as negatives. So TIFF's tags (TIFF 6.0) and PNG's header (PNG, 3rd
edition) are read here, and anything not known to be read correctly is refused.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import TiffImagePlugin

from transfergrid.data.formats import UnfitError

_COMPRESSION, _PHOTOMETRIC, _PLANAR, _INK_SET, _SUBSAMPLING = 259, 262, 284, 332, 530
_BITS, _SAMPLES, _EXTRA, _FORMAT = 258, 277, 338, 339
_SIGNS = {1: "u", 2: "i", 3: "f"}
_WORDS = {"u": "", "i": "signed ", "f": "floating-point "}
_OF_PIXEL = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}
"""Samples per pixel, without transparency, for each PhotometricInterpretation that is read."""
_PREMULTIPLIED = 1
_ORDERS = {b"II": "<", b"MM": ">"}


@dataclass(frozen=True)
class Samples:
    """A file's numbers.

    Attributes:
        bits: Size of a number.
        sign: "u" (unsigned), "i" (signed) or "f" (floating-point).
        colours: 1 if a pixel is a grey, 3 if it is a colour; transparency is not counted.
        palette: Whether a number is a place in a palette or an amount of ink, not a brightness.
        negative: Whether 0 is white, so that the greatest number is black.
    """

    bits: int = 8
    sign: str = "u"
    colours: int = 1
    palette: bool = False
    negative: bool = False

    @property
    def plain(self) -> bool:
        """Whether Pillow turns them into the right 8-bit image."""
        return self.sign == "u" and self.bits <= 8

    @property
    def range(self) -> tuple[int, int] | None:
        """The least and the greatest number; None if there are no bounds."""
        if self.sign == "f":
            return None
        if self.sign == "i":
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1

    @property
    def white(self) -> int | None:
        """The greatest number, if it is white: for unsigned numbers of at most 16 bits."""
        return (1 << self.bits) - 1 if self.sign == "u" and self.bits <= 16 else None

    def __str__(self) -> str:
        return f"{self.bits}-bit {_WORDS[self.sign]}samples"


def samples_of(data: bytes) -> tuple[Samples | None, bytes]:
    """Read what the numbers of a file mean.

    Args:
        data: A whole file.

    Returns:
        Its samples; None if it is neither TIFF nor PNG, and so resolved to 8 bits by Pillow under
        the file's own rules. And the bytes to decode: a white-is-zero TIFF with more than 8 bits is
        given to Pillow as black-is-zero, because Pillow reads some of these as they are and others
        not at all.

    Raises:
        UnfitError: A TIFF in a form that is not known to be read correctly.
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) > 26:
        bits, colour = data[24], data[25]
        return Samples(bits, colours=1 if colour in (0, 4) else 3, palette=colour == 3), data
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(data)
    return None, data


def _tiff(data: bytes) -> tuple[Samples, bytes]:
    tags = _tags(data)
    photometric = tags.get(_PHOTOMETRIC)
    if photometric is None:
        raise UnfitError(
            "does not say whether 0 is black or white (TIFF's PhotometricInterpretation)"
        )
    if photometric not in _OF_PIXEL:
        raise UnfitError(
            f"is a TIFF with PhotometricInterpretation {photometric}, which is not read"
        )
    extra = tuple(tags.get(_EXTRA, ()))
    bits = _one(tags.get(_BITS, (1,)), "BitsPerSample")
    sign = _SIGNS.get(_one(tags.get(_FORMAT, (1,)), "SampleFormat"))
    if sign is None:
        raise UnfitError("is a TIFF whose SampleFormat is neither whole nor real numbers")
    grey = photometric in (0, 1)
    samples = Samples(bits, sign, 1 if grey else 3, photometric in (3, 5), photometric == 0)
    _check_layout(samples, tags, photometric, extra, data[:2])
    if photometric == 0 and not samples.plain:
        return samples, _black_is_zero(data)
    return samples, data


def _check_layout(
    samples: Samples,
    tags: Mapping[int, Any],
    photometric: int,
    extra: tuple[int, ...],
    order: bytes,
) -> None:
    """Refuse what Pillow would decode to something other than what the file holds."""
    count = int(tags.get(_SAMPLES, 1))
    compressed, planes = tags.get(_COMPRESSION, 1) != 1, tags.get(_PLANAR, 1) == 2
    single = count == 1 and not extra
    if not samples.plain and not single:
        deep_colour = samples.sign == "u" and samples.bits == 16 and photometric == 2
        if not deep_colour or planes or _PREMULTIPLIED in extra:
            raise UnfitError(
                f"is a TIFF of {count} {samples} per pixel, in a layout that is not read"
            )
    swapped = compressed and order == b"MM" and (samples.sign != "u" or samples.bits > 16)
    if swapped and samples.bits > 8:
        raise UnfitError(f"is a compressed big-endian TIFF of {samples}, which is not read")
    if planes and count == 2:
        raise UnfitError("is a TIFF with greys and transparency stored apart, which is not read")
    if photometric == 5 and tags.get(_INK_SET, 1) != 1:
        raise UnfitError("is a TIFF with inks other than cyan, magenta, yellow and black")
    if photometric == 6 and not compressed and tuple(tags.get(_SUBSAMPLING, (2, 2))) != (1, 1):
        raise UnfitError("is an uncompressed TIFF of subsampled YCbCr colours, which is not read")


def _tags(data: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    head = 16 if data[2:4] in (b"+\0", b"\0+") else 8
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:head])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    return tags


def _one(values: Any, name: str) -> int:
    found = set(values if isinstance(values, tuple) else (values,))
    if len(found) != 1:
        raise UnfitError(f"is a TIFF whose {name} differs between the samples of a pixel")
    return int(found.pop())


def _black_is_zero(data: bytes) -> bytes:
    """Return a TIFF with its PhotometricInterpretation set from 0 to 1 and all else unchanged."""
    order = _ORDERS[data[:2]]
    if data[2:4] not in (b"*\0", b"\0*"):
        raise UnfitError("is a BigTIFF of more than 8 bits in which 0 is white, which is not read")
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, place)
        if tag == _PHOTOMETRIC:
            one = struct.pack(f"{order}{'I' if kind == 4 else 'H'}", 1)
            return data[: place + 8] + one + data[place + 8 + len(one) :]
    raise UnfitError("does not say whether 0 is black or white (TIFF's PhotometricInterpretation)")
