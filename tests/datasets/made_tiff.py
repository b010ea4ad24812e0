"""TIFF files byte by byte, by the specification (TIFF 6.0), whatever their numbers are."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIPS, ORIENTATION, SAMPLES, ROWS, BYTES, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOUR_MAP, EXTRA, FORMAT = 317, 320, 338, 339

KINDS = {"u": 1, "i": 2, "f": 3}


def packed(values: np.ndarray, bits: int) -> bytes:
    """Return rows of samples of any number of bits, the highest bit first, each row whole bytes."""
    weights = 1 << np.arange(bits - 1, -1, -1)
    rows = values.reshape(len(values), -1).astype(np.int64)
    return np.packbits(((rows[..., None] & weights) > 0).reshape(len(rows), -1), axis=1).tobytes()


def tiff(
    values: np.ndarray,
    photometric: int | None = 1,
    *,
    order: str = "<",
    bits: int | None = None,
    compress: bool = False,
    planar: bool = False,
    extra: Sequence[int] = (),
    pages: int = 1,
    tags: dict[int, Sequence[int]] | None = None,
) -> bytes:
    """Return a TIFF of (H, W) or (H, W, samples) numbers; `bits` packs them tighter.

    `tags` (SHORT each) are added or replace others.
    """
    samples = 1 if values.ndim == 2 else values.shape[2]
    if bits:
        planes = [packed(values, bits)]
    else:
        stored = values.astype(values.dtype.newbyteorder(order))
        planes = (
            [stored[..., i].tobytes() for i in range(samples)] if planar else [stored.tobytes()]
        )
    if compress:
        planes = [zlib.compress(plane) for plane in planes]
    entries: dict[int, tuple[str, Sequence[int]]] = {
        WIDTH: ("I", [values.shape[1]]),
        LENGTH: ("I", [values.shape[0]]),
        BITS: ("H", [bits or values.dtype.itemsize * 8] * samples),
        COMPRESSION: ("H", [8 if compress else 1]),
        SAMPLES: ("H", [samples]),
        ROWS: ("I", [values.shape[0]]),
        BYTES: ("I", [len(plane) for plane in planes]),
        PLANAR: ("H", [2 if planar else 1]),
        FORMAT: ("H", [KINDS[values.dtype.kind]] * samples),
    }
    if photometric is not None:
        entries[PHOTOMETRIC] = ("H", [photometric])
    if extra:
        entries[EXTRA] = ("H", extra)
    entries |= {tag: ("H", numbers) for tag, numbers in (tags or {}).items()}
    starts = np.cumsum([8, *map(len, planes)]).tolist()
    entries[STRIPS] = ("I", starts[:-1])
    body, last = b"".join(planes), starts[-1]
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, last)
    for page in range(pages):
        more, last = _directory(entries, order, last, page + 1 < pages)
        body += more
    return head + body


def _directory(
    entries: dict[int, tuple[str, Sequence[int]]], order: str, start: int, further: bool
) -> tuple[bytes, int]:
    outside = start + 2 + 12 * len(entries) + 4
    listed, far = b"", b""
    for tag, (kind, numbers) in sorted(entries.items()):
        value = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(value) > 4:
            value, far = struct.pack(f"{order}I", outside + len(far)), far + value
        kind_number = {"H": 3, "I": 4}[kind]
        listed += struct.pack(f"{order}HHI", tag, kind_number, len(numbers)) + value.ljust(4, b"\0")
    end = outside + len(far)
    link = struct.pack(f"{order}I", end if further else 0)
    return struct.pack(f"{order}H", len(entries)) + listed + link + far, end
