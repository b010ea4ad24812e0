"""What a .safetensors file says of its weights beside their values, read without torch."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from transfergrid.planning.padding import SAME, SYMMETRIC
from transfergrid.runtime.errors import UserError, printable

_LONGEST_HEADER = 100_000_000  # the format's own limit
FOLDED = "folded"
"""Value of ``norms`` for weights whose batch norms are part of the convolutions before them."""
UNTOLD = (
    "has its batch norms folded into its convolutions, as files made from TensorFlow's networks "
    "have, which pad on one side: the weights fit either network, and are right in one; say in "
    "which they were trained, with padding: same or padding: symmetric."
)
_MEAN = "running_mean"
_PARTS = (_MEAN, "weight", "bias")
_ONE = struct.pack("<f", 1.0)
_PAD_KEYS = ("pad_type", "padding")
_KNOWN = {"same": SAME, "symmetric": SYMMETRIC, "": SYMMETRIC}


@dataclass(frozen=True)
class WeightNotes:
    """What is known of a weight file's origin.

    Attributes:
        padding: How the network padded in which its weights were trained, "same" or "symmetric", or
            None if the file does not say.
        folded: Whether all of its batch norms only add a bias, since the rest of them was folded
            into the convolutions before them.
        source: Where its weights come from; empty if it does not say.
        licence: Their licence, likewise.
    """

    padding: str | None = None
    folded: bool = False
    source: str = ""
    licence: str = ""


def weight_notes(path: Path) -> WeightNotes:
    """Read the notes of a file; there are none in a file of another kind, or a broken one.

    Raises:
        UserError: Its padding has a name that is not known.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if path.suffix.lower() != ".safetensors" or not 2 <= length <= _LONGEST_HEADER:
                return WeightNotes()
            entries = json.loads(file.read(length))
            told = entries.pop("__metadata__", {})
            folded = _only_add(file, 8 + length, entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return WeightNotes()  # the step that reads the tensors says what is wrong
    source, licence = (str(told.get(key, "")) for key in ("source", "licence"))
    return WeightNotes(_padding(path, told), folded, source, licence)


def _padding(path: Path, told: Mapping[str, str]) -> str | None:
    key = next((key for key in _PAD_KEYS if key in told), None)
    if key is None:
        return None
    if told[key].lower() not in _KNOWN:
        raise UserError(
            f"weight file {path} has {key} '{printable(told[key])}' in its metadata; allowed are "
            f"{SAME} and {SYMMETRIC}: correct the file."
        )
    return _KNOWN[told[key].lower()]


def _only_add(file: BinaryIO, start: int, entries: Mapping[str, Any]) -> bool:
    """Tell whether norms have the scale 1, the mean 0, and some of them a bias other than 0."""
    norms = [name.removesuffix(_MEAN) for name in entries if name.endswith(f".{_MEAN}")]
    if any(entries[f"{norm}{part}"]["dtype"] != "F32" for norm in norms for part in _PARTS):
        return False

    def read(name: str) -> bytes:
        first, end = entries[name]["data_offsets"]
        file.seek(start + first)
        return file.read(end - first)

    biased = False
    for norm in norms:
        if read(f"{norm}{_MEAN}").strip(b"\0") or read(f"{norm}weight").replace(_ONE, b""):
            return False
        biased = biased or bool(read(f"{norm}bias").strip(b"\0"))
    return biased
